#include "nft/choices.h"

#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstddef>

#include "base/netlink.h"

namespace wanmark {

namespace {

// An attribute has at most 65,535 bytes. Each element has six attributes around its number, its verdict and
// the name.
constexpr size_t kMostNested = 60'000;
constexpr size_t kElementBytes = 6 * kAttributeHeaderBytes + 2 * (sizeof(uint32_t) + kAttributeHeaderBytes);
constexpr size_t kRuleBytes = 512;

void PutNumber(nlmsghdr* message, uint16_t type, uint32_t number) { PutValue(message, type, htonl(number)); }

size_t NamesBytes(const NftChoices& choices, std::string_view name) {
  return TextBytes(choices.table) + TextBytes(name);
}

void AddFlush(NftBatch& batch, const NftChoices& choices) {
  nlmsghdr* message = batch.Start(NFT_MSG_DELSETELEM, 0, NamesBytes(choices, choices.map));
  PutText(message, NFTA_SET_ELEM_LIST_TABLE, choices.table);
  PutText(message, NFTA_SET_ELEM_LIST_SET, choices.map);
  batch.End();
}

void PutElement(nlmsghdr* message, uint32_t place, std::string_view chain) {
  nlattr* element = StartNested(message, NFTA_LIST_ELEM);
  nlattr* key = StartNested(message, NFTA_SET_ELEM_KEY);
  PutValue(message, NFTA_DATA_VALUE, place);
  EndNested(message, key);
  nlattr* data = StartNested(message, NFTA_SET_ELEM_DATA);
  nlattr* verdict = StartNested(message, NFTA_DATA_VERDICT);
  PutNumber(message, NFTA_VERDICT_CODE, static_cast<uint32_t>(NFT_GOTO));
  PutText(message, NFTA_VERDICT_CHAIN, chain);
  EndNested(message, verdict);
  EndNested(message, data);
  EndNested(message, element);
}

/** Adds the elements in as few messages as their attributes allow. */
void AddElements(NftBatch& batch, const NftChoices& choices) {
  size_t longest = 0;
  for (const std::string& chain : choices.chains) longest = std::max(longest, TextBytes(chain));
  const size_t most = kMostNested / (kElementBytes + longest);
  for (size_t start = 0; start < choices.places.size(); start += most) {
    const size_t end = std::min(start + most, choices.places.size());
    const size_t room =
        NamesBytes(choices, choices.map) + kAttributeHeaderBytes + (end - start) * (kElementBytes + longest);
    nlmsghdr* message = batch.Start(NFT_MSG_NEWSETELEM, NLM_F_CREATE, room);
    PutText(message, NFTA_SET_ELEM_LIST_TABLE, choices.table);
    PutText(message, NFTA_SET_ELEM_LIST_SET, choices.map);
    nlattr* elements = StartNested(message, NFTA_SET_ELEM_LIST_ELEMENTS);
    for (size_t place = start; place < end; place++) {
      PutElement(message, static_cast<uint32_t>(place), choices.chains[choices.places[place]]);
    }
    EndNested(message, elements);
    batch.End();
  }
}

/** Begins an expression; both attributes are for EndExpression. */
struct Expression {
  nlattr* element;
  nlattr* data;
};

Expression StartExpression(nlmsghdr* message, std::string_view name) {
  nlattr* element = StartNested(message, NFTA_LIST_ELEM);
  PutText(message, NFTA_EXPR_NAME, name);
  return {element, StartNested(message, NFTA_EXPR_DATA)};
}

void EndExpression(nlmsghdr* message, const Expression& expression) {
  EndNested(message, expression.data);
  EndNested(message, expression.element);
}

void AddRotation(NftBatch& batch, const NftChoices& choices) {
  const size_t names = NamesBytes(choices, choices.rotation);
  nlmsghdr* message = batch.Start(NFT_MSG_DELRULE, 0, names);
  PutText(message, NFTA_RULE_TABLE, choices.table);
  PutText(message, NFTA_RULE_CHAIN, choices.rotation);
  batch.End();
  if (choices.places.empty()) return;

  message =
      batch.Start(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, names + kRuleBytes + TextBytes(choices.map));
  PutText(message, NFTA_RULE_TABLE, choices.table);
  PutText(message, NFTA_RULE_CHAIN, choices.rotation);
  nlattr* expressions = StartNested(message, NFTA_RULE_EXPRESSIONS);
  const Expression numgen = StartExpression(message, "numgen");
  PutNumber(message, NFTA_NG_DREG, NFT_REG_1);
  PutNumber(message, NFTA_NG_MODULUS, static_cast<uint32_t>(choices.places.size()));
  PutNumber(message, NFTA_NG_TYPE, NFT_NG_INCREMENTAL);
  PutNumber(message, NFTA_NG_OFFSET, 0);
  EndExpression(message, numgen);
  const Expression lookup = StartExpression(message, "lookup");
  PutText(message, NFTA_LOOKUP_SET, choices.map);
  PutNumber(message, NFTA_LOOKUP_SREG, NFT_REG_1);
  PutNumber(message, NFTA_LOOKUP_DREG, NFT_REG_VERDICT);
  EndExpression(message, lookup);
  EndNested(message, expressions);
  batch.End();
}

}  // namespace

void AddChoices(NftBatch& batch, const NftChoices& choices) {
  AddFlush(batch, choices);
  AddElements(batch, choices);
  if (!choices.rotation.empty()) AddRotation(batch, choices);
}

}  // namespace wanmark
