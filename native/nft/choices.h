// Choices made ahead, as nftables keeps them: a chain whose only rule takes the next place in turn and goes
// to the chain that this leads to, `numgen inc mod N vmap { 0 : goto a, ... }`. What those chains do is the
// ruleset's affair. The map belongs to the rule and goes with it, so whoever flushes the chain has taken away
// all of it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "nft/batch.h"

namespace wanmark {

/** Names have fewer than NFT_NAME_MAXLEN bytes. */
struct NftChoices {
  std::string table;
  /** The chain of the rule; any other rule of it goes. */
  std::string chain;
  /** The chains that a place may lead to. */
  std::vector<std::string> targets;
  /** For each place the index of its target. */
  std::vector<uint16_t> places;
};

/**
 * Adds what replaces the choices: the first place is the next one, whichever was it before. Without places
 * the chain is left without a rule, so that packets go on behind it.
 * @param id tells these from others of the transaction
 */
void AddChoices(NftBatch& batch, const NftChoices& choices, uint32_t id);

}  // namespace wanmark
