#include "nft/expressions.h"

#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

#include "base/netlink.h"
#include "nft/batch.h"

namespace wanmark {

namespace {

constexpr uint32_t kSeed = 1;

void PutNumber(nlmsghdr* message, uint16_t type, uint32_t number) { PutValue(message, type, htonl(number)); }

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

void PutMeta(nlmsghdr* message, uint32_t key, uint32_t reg) {
  const Expression meta = StartExpression(message, "meta");
  PutNumber(message, NFTA_META_KEY, key);
  PutNumber(message, NFTA_META_DREG, reg);
  EndExpression(message, meta);
}

void PutPayload(nlmsghdr* message, uint32_t base, uint32_t offset, uint32_t bytes, uint32_t reg) {
  const Expression payload = StartExpression(message, "payload");
  PutNumber(message, NFTA_PAYLOAD_DREG, reg);
  PutNumber(message, NFTA_PAYLOAD_BASE, base);
  PutNumber(message, NFTA_PAYLOAD_OFFSET, offset);
  PutNumber(message, NFTA_PAYLOAD_LEN, bytes);
  EndExpression(message, payload);
}

/** Loads a field. Returns its bytes: what it leaves of the last register is 0. */
uint32_t PutField(nlmsghdr* message, NftField field, bool ipv6, uint32_t reg) {
  const uint32_t address = ipv6 ? sizeof(in6_addr) : sizeof(in_addr);
  // The addresses of ipv6hdr begin at 8, those of iphdr at 12; ports are the first of each protocol that has
  // them.
  const uint32_t source = ipv6 ? 8 : 12;
  switch (field) {
    case NftField::kSource:
      PutPayload(message, NFT_PAYLOAD_NETWORK_HEADER, source, address, reg);
      return address;
    case NftField::kDestination:
      PutPayload(message, NFT_PAYLOAD_NETWORK_HEADER, source + address, address, reg);
      return address;
    case NftField::kSourcePort:
      PutPayload(message, NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof(in_port_t), reg);
      return sizeof(in_port_t);
    case NftField::kDestinationPort:
      PutPayload(message, NFT_PAYLOAD_TRANSPORT_HEADER, sizeof(in_port_t), sizeof(in_port_t), reg);
      return sizeof(in_port_t);
    case NftField::kProtocol:
      PutMeta(message, NFT_META_L4PROTO, reg);
      return sizeof(uint8_t);
  }
  return 0;
}

}  // namespace

void PutTurn(nlmsghdr* message, uint32_t modulus) {
  const Expression numgen = StartExpression(message, "numgen");
  PutNumber(message, NFTA_NG_DREG, NFT_REG_1);
  PutNumber(message, NFTA_NG_MODULUS, modulus);
  PutNumber(message, NFTA_NG_TYPE, NFT_NG_INCREMENTAL);
  PutNumber(message, NFTA_NG_OFFSET, 0);
  EndExpression(message, numgen);
}

void PutHash(nlmsghdr* message, std::span<const NftField> fields, bool ipv6, uint32_t modulus) {
  // As nft has them: one alone is as long as it is, several begin with a register each.
  uint32_t bytes = 0;
  for (const NftField field : fields) {
    const uint32_t start = static_cast<uint32_t>(NetlinkAlign(bytes));
    bytes = start + PutField(message, field, ipv6, NFT_REG32_00 + start / NFT_REG32_SIZE);
  }
  if (fields.size() > 1) bytes = static_cast<uint32_t>(NetlinkAlign(bytes));
  const Expression hash = StartExpression(message, "hash");
  PutNumber(message, NFTA_HASH_SREG, NFT_REG32_00);
  PutNumber(message, NFTA_HASH_DREG, NFT_REG_1);
  PutNumber(message, NFTA_HASH_LEN, bytes);
  PutNumber(message, NFTA_HASH_MODULUS, modulus);
  PutNumber(message, NFTA_HASH_SEED, kSeed);
  PutNumber(message, NFTA_HASH_OFFSET, 0);
  PutNumber(message, NFTA_HASH_TYPE, NFT_HASH_JENKINS);
  EndExpression(message, hash);
}

void PutProtocol(nlmsghdr* message) { PutMeta(message, NFT_META_L4PROTO, NFT_REG_1); }

void PutLookup(nlmsghdr* message, std::string_view set, uint32_t id, bool maps) {
  const Expression lookup = StartExpression(message, "lookup");
  PutText(message, NFTA_LOOKUP_SET, set);
  PutNumber(message, NFTA_LOOKUP_SET_ID, id);
  PutNumber(message, NFTA_LOOKUP_SREG, NFT_REG_1);
  if (maps) PutNumber(message, NFTA_LOOKUP_DREG, NFT_REG_VERDICT);
  EndExpression(message, lookup);
}

}  // namespace wanmark
