// Tests the transactions of nftables: that every message is whole, whatever the number of places and the
// length of the names.
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>

#include <string>
#include <vector>

#include "base/netlink.h"
#include "check.h"
#include "nft/choices.h"

using namespace wanmark;

namespace {

std::string TextOf(const nlattr* attribute) {
  return reinterpret_cast<const char*>(AttributeData(attribute));
}

/** What the messages of a transaction say. */
struct Read {
  std::vector<uint16_t> types;
  std::vector<std::string> elements;
  uint32_t modulus = 0;
};

void ReadElement(const nlattr* element, Read& read) {
  ForEachNested(element, [&](const nlattr* part) {
    ForEachNested(part, [&](const nlattr* inner) {
      if (AttributeType(part) == NFTA_SET_ELEM_KEY) {
        CHECK_EQUAL(AttributeValue<uint32_t>(inner), read.elements.size());
      } else {
        ForEachNested(inner, [&](const nlattr* verdict) {
          if (AttributeType(verdict) == NFTA_VERDICT_CHAIN)
            read.elements.push_back(TextOf(verdict));
          else
            CHECK_EQUAL(static_cast<int>(ntohl(AttributeValue<uint32_t>(verdict))), NFT_GOTO);
        });
      }
    });
  });
}

void ReadExpressions(const nlattr* expressions, Read& read) {
  ForEachNested(expressions, [&](const nlattr* expression) {
    std::string name;
    ForEachNested(expression, [&](const nlattr* part) {
      if (AttributeType(part) == NFTA_EXPR_NAME) name = TextOf(part);
      if (AttributeType(part) != NFTA_EXPR_DATA || name != "numgen") return;
      ForEachNested(part, [&](const nlattr* value) {
        if (AttributeType(value) == NFTA_NG_MODULUS) read.modulus = ntohl(AttributeValue<uint32_t>(value));
      });
    });
  });
}

Read ReadBatch(const NftBatch& batch) {
  Read read;
  const auto* message = reinterpret_cast<const nlmsghdr*>(batch.data());
  int left = static_cast<int>(batch.size());
  while (left > 0) {
    CHECK(IsMessage(message, left));
    const uint16_t type = message->nlmsg_type & 0xff;
    read.types.push_back(message->nlmsg_type < NLMSG_MIN_TYPE + 2 ? message->nlmsg_type : type);
    size_t bytes = AttributesAt(sizeof(nfgenmsg));
    ForEachAttributeOf<nfgenmsg>(message, [&](const nlattr* attribute) {
      bytes += NetlinkAlign(attribute->nla_len);
      if (type == NFT_MSG_NEWSETELEM && AttributeType(attribute) == NFTA_SET_ELEM_LIST_ELEMENTS) {
        ForEachNested(attribute, [&](const nlattr* element) { ReadElement(element, read); });
      }
      if (type == NFT_MSG_NEWRULE && AttributeType(attribute) == NFTA_RULE_EXPRESSIONS) {
        ReadExpressions(attribute, read);
      }
    });
    // All of it are attributes that are whole.
    CHECK_EQUAL(bytes, message->nlmsg_len);
    message = NextMessage(message, left);
  }
  CHECK_EQUAL(left, 0);
  return read;
}

NftChoices Choices(size_t places, size_t name_bytes) {
  NftChoices choices;
  choices.table = std::string(name_bytes, 't');
  choices.chain = std::string(name_bytes, 'c');
  choices.targets = {std::string(name_bytes, 'a'), "b"};
  for (size_t i = 0; i < places; i++) choices.places.push_back(i % 3 == 0 ? 1 : 0);
  return choices;
}

void TestPlaces() {
  for (const size_t name_bytes : {1, 2, 3, 4, 31, 255}) {
    for (const size_t places : {1, 2, 700, 5000, 65536}) {
      const NftChoices choices = Choices(places, name_bytes);
      NftBatch batch(1);
      AddChoices(batch, choices, 1);
      const Read read = ReadBatch(batch);
      CHECK_EQUAL(read.elements.size(), places);
      for (size_t i = 0; i < places; i++) CHECK(read.elements[i] == choices.targets[choices.places[i]]);
      CHECK_EQUAL(read.modulus, places);
      CHECK_EQUAL(read.types.front(), NFNL_MSG_BATCH_BEGIN);
      CHECK_EQUAL(read.types[1], NFT_MSG_DELRULE);
      CHECK_EQUAL(read.types[2], NFT_MSG_NEWSET);
      CHECK_EQUAL(read.types.back(), NFT_MSG_NEWRULE);
    }
  }
}

void TestWithoutRule() {
  const NftChoices choices = Choices(0, 8);
  NftBatch none(1);
  AddChoices(none, choices, 1);
  CHECK_EQUAL(ReadBatch(none).types.back(), NFT_MSG_DELRULE);
}

}  // namespace

int main() {
  TestPlaces();
  TestWithoutRule();
  return 0;
}
