// Choices made ahead, as nftables keeps them: a chain whose only rule takes the next place in turn and goes
// to the chain that this leads to, `numgen inc mod N vmap { 0 : goto a, ... }`; or the place of a hash,
// `jhash FIELDS mod N seed 0x1 vmap ...`, with a second rule for protocols that have no ports where those are
// hashed. What those chains do is the ruleset's affair. The maps belong to the rules and go with them, so
// whoever flushes the chain has taken away all of it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "nft/batch.h"
#include "nft/expressions.h"

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
  /** What is hashed; nothing where places are taken in turn. */
  std::vector<NftField> fields;
  /** Whether packets are IPv6, which a hash has to know. */
  bool ipv6 = false;
};

/** How many numbers one AddChoices may use. */
constexpr uint32_t kChoicesIds = 3;

/**
 * Adds what replaces the choices: the first place is the next one, whichever was it before. Without places
 * the chain is left without a rule, so that packets go on behind it.
 * @param id the first of the numbers that tell these from others of the transaction
 */
void AddChoices(NftBatch& batch, const NftChoices& choices, uint32_t id);

}  // namespace wanmark
