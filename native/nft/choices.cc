#include "nft/choices.h"

#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <functional>
#include <iterator>
#include <span>
#include <string_view>

#include "base/netlink.h"

namespace wanmark {

namespace {

// An attribute has at most 65,535 bytes. Each element has six attributes around its number, its verdict and
// the name.
constexpr size_t kNumberBytes = kAttributeHeaderBytes + sizeof(uint32_t);
constexpr size_t kMostNested = 60'000;
constexpr size_t kElementBytes = 6 * kAttributeHeaderBytes + 2 * (sizeof(uint32_t) + kAttributeHeaderBytes);
constexpr size_t kMapBytes = 256;
constexpr std::string_view kMapName = "__map%d";
// What follows is for nft, which lists the map by it: TYPE_INTEGER of its datatype.h, and in the form of
// libnftnl (udata.h) NFTNL_UDATA_SET_KEYBYTEORDER with BYTEORDER_HOST_ENDIAN, a type, a length and a number
// in host order.
constexpr uint32_t kIntegerType = 4;
constexpr uint32_t kProtocolType = 12;  // TYPE_INET_PROTOCOL
constexpr uint8_t kHostOrder[] = {0,
                                  sizeof(uint32_t),
                                  std::endian::native == std::endian::little ? 1 : 0,
                                  0,
                                  0,
                                  std::endian::native == std::endian::little ? 0 : 1};

void PutNumber(nlmsghdr* message, uint16_t type, uint32_t number) { PutValue(message, type, htonl(number)); }

size_t NamesBytes(const NftChoices& choices, std::string_view name) {
  return TextBytes(choices.table) + TextBytes(name);
}

/** Adds the map of the rule, whose name the kernel makes. */
void AddMap(NftBatch& batch, const NftChoices& choices, uint32_t id) {
  nlmsghdr* message = batch.Start(NFT_MSG_NEWSET, NLM_F_CREATE, NamesBytes(choices, kMapName) + kMapBytes);
  PutText(message, NFTA_SET_TABLE, choices.table);
  PutText(message, NFTA_SET_NAME, kMapName);
  PutNumber(message, NFTA_SET_ID, id);
  PutNumber(message, NFTA_SET_FLAGS, NFT_SET_ANONYMOUS | NFT_SET_CONSTANT | NFT_SET_MAP);
  PutNumber(message, NFTA_SET_KEY_TYPE, kIntegerType);
  PutNumber(message, NFTA_SET_KEY_LEN, sizeof(uint32_t));
  PutNumber(message, NFTA_SET_DATA_TYPE, NFT_DATA_VERDICT);
  nlattr* size = StartNested(message, NFTA_SET_DESC);
  PutNumber(message, NFTA_SET_DESC_SIZE, static_cast<uint32_t>(choices.places.size()));
  EndNested(message, size);
  PutAttribute(message, NFTA_SET_USERDATA, kHostOrder, sizeof(kHostOrder));
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
void AddElements(NftBatch& batch, const NftChoices& choices, uint32_t id) {
  size_t longest = 0;
  for (const std::string& target : choices.targets) longest = std::max(longest, TextBytes(target));
  const size_t most = kMostNested / (kElementBytes + longest);
  for (size_t start = 0; start < choices.places.size(); start += most) {
    const size_t end = std::min(start + most, choices.places.size());
    const size_t room = NamesBytes(choices, kMapName) + kNumberBytes + kAttributeHeaderBytes +
                        (end - start) * (kElementBytes + longest);
    nlmsghdr* message = batch.Start(NFT_MSG_NEWSETELEM, NLM_F_CREATE, room);
    PutText(message, NFTA_SET_ELEM_LIST_TABLE, choices.table);
    PutText(message, NFTA_SET_ELEM_LIST_SET, kMapName);
    PutNumber(message, NFTA_SET_ELEM_LIST_SET_ID, id);
    nlattr* elements = StartNested(message, NFTA_SET_ELEM_LIST_ELEMENTS);
    for (size_t place = start; place < end; place++) {
      PutElement(message, static_cast<uint32_t>(place), choices.targets[choices.places[place]]);
    }
    EndNested(message, elements);
    batch.End();
  }
}

/** The protocols of which nft(8) knows ports by `th`. */
constexpr uint8_t kWithPorts[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_DCCP, IPPROTO_SCTP, IPPROTO_UDPLITE};
constexpr std::string_view kSetName = "__set%d";

/** Adds the set of these protocols. */
void AddPortProtocols(NftBatch& batch, const NftChoices& choices, uint32_t id) {
  nlmsghdr* message = batch.Start(NFT_MSG_NEWSET, NLM_F_CREATE, NamesBytes(choices, kSetName) + kMapBytes);
  PutText(message, NFTA_SET_TABLE, choices.table);
  PutText(message, NFTA_SET_NAME, kSetName);
  PutNumber(message, NFTA_SET_ID, id);
  PutNumber(message, NFTA_SET_FLAGS, NFT_SET_ANONYMOUS | NFT_SET_CONSTANT);
  PutNumber(message, NFTA_SET_KEY_TYPE, kProtocolType);
  PutNumber(message, NFTA_SET_KEY_LEN, sizeof(uint8_t));
  nlattr* size = StartNested(message, NFTA_SET_DESC);
  PutNumber(message, NFTA_SET_DESC_SIZE, sizeof(kWithPorts));
  EndNested(message, size);
  batch.End();
  message = batch.Start(NFT_MSG_NEWSETELEM, NLM_F_CREATE, NamesBytes(choices, kSetName) + kMapBytes);
  PutText(message, NFTA_SET_ELEM_LIST_TABLE, choices.table);
  PutText(message, NFTA_SET_ELEM_LIST_SET, kSetName);
  PutNumber(message, NFTA_SET_ELEM_LIST_SET_ID, id);
  nlattr* elements = StartNested(message, NFTA_SET_ELEM_LIST_ELEMENTS);
  for (const uint8_t protocol : kWithPorts) {
    nlattr* element = StartNested(message, NFTA_LIST_ELEM);
    nlattr* key = StartNested(message, NFTA_SET_ELEM_KEY);
    PutValue(message, NFTA_DATA_VALUE, protocol);
    EndNested(message, key);
    EndNested(message, element);
  }
  EndNested(message, elements);
  batch.End();
}

/**
 * Adds a rule that leads to the target of its place.
 * @param fields what is hashed; nothing where places are taken in turn
 * @param protocols the number of the set of protocols to which it is limited; 0: to none
 */
void AddRule(NftBatch& batch, const NftChoices& choices, std::span<const NftField> fields, uint32_t id,
             uint32_t protocols) {
  AddMap(batch, choices, id);
  AddElements(batch, choices, id);
  const size_t room = NamesBytes(choices, choices.chain) + kExpressionsBytes;
  nlmsghdr* message = batch.Start(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, room);
  PutText(message, NFTA_RULE_TABLE, choices.table);
  PutText(message, NFTA_RULE_CHAIN, choices.chain);
  nlattr* expressions = StartNested(message, NFTA_RULE_EXPRESSIONS);
  if (protocols) {
    PutProtocol(message);
    PutLookup(message, kSetName, protocols, false);
  }
  const auto count = static_cast<uint32_t>(choices.places.size());
  if (fields.empty())
    PutTurn(message, count);
  else
    PutHash(message, fields, choices.ipv6, count);
  PutLookup(message, kMapName, id, true);
  EndNested(message, expressions);
  batch.End();
}

bool IsPort(NftField field) { return field == NftField::kSourcePort || field == NftField::kDestinationPort; }

}  // namespace

void AddChoices(NftBatch& batch, const NftChoices& choices, uint32_t id) {
  nlmsghdr* message = batch.Start(NFT_MSG_DELRULE, 0, NamesBytes(choices, choices.chain));
  PutText(message, NFTA_RULE_TABLE, choices.table);
  PutText(message, NFTA_RULE_CHAIN, choices.chain);
  batch.End();
  if (choices.places.empty()) return;
  std::vector<NftField> portless;
  std::ranges::copy_if(choices.fields, std::back_inserter(portless), std::not_fn(IsPort));
  const bool hashes_ports = portless.size() < choices.fields.size();
  if (hashes_ports) AddPortProtocols(batch, choices, id + 2);
  AddRule(batch, choices, choices.fields, id, hashes_ports ? id + 2 : 0);
  if (!hashes_ports) return;
  // All of a protocol are equal where nothing but ports is asked.
  if (portless.empty()) portless.push_back(NftField::kProtocol);
  AddRule(batch, choices, portless, id + 1, 0);
}

}  // namespace wanmark
