// Choices made ahead, as nftables keeps them: a map that leads each place to a chain. A place is the next one
// in turn, or that of a hash. What the chains do is the ruleset's affair; the map and the chains must be
// there.
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
  /** A map from a number in host order (`typeof numgen inc mod N : verdict`), with room for all places. */
  std::string map;
  /** The chain that holds the rule which takes places in turn, and no other; empty where a rule hashes. */
  std::string rotation;
  /** The chains that a place may lead to. */
  std::vector<std::string> chains;
  /** For each place the index of its chain. */
  std::vector<uint16_t> places;
};

/**
 * Adds what replaces the choices. With a rotation the first place is the next one, whichever was it before;
 * without places it is left without a rule, so that packets go on behind it.
 */
void AddChoices(NftBatch& batch, const NftChoices& choices);

}  // namespace wanmark
