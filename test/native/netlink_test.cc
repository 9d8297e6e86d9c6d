// Tests how messages and attributes are cut apart and put together, at the edges that no kernel sends and a
// cut buffer has.
#include "base/netlink.h"

#include <linux/netfilter/nfnetlink.h>

#include <vector>

#include "check.h"

using namespace wanmark;

namespace {

/** The types of the attributes that lie wholly in the first `size` bytes. */
std::vector<int> Types(const void* data, size_t size) {
  std::vector<int> types;
  ForEachAttribute(data, size, [&](const nlattr* attribute) { types.push_back(AttributeType(attribute)); });
  return types;
}

void TestAttributesThatAreCut() {
  // The second one is 5 bytes long, and its padding is missing.
  alignas(nlattr) const uint8_t bytes[] = {8, 0, 1, 0, 1, 2, 3, 4, 5, 0, 2, 0x80, 9};
  const std::vector<int> both{1, 2}, first{1}, none;
  CHECK(Types(bytes, sizeof(bytes)) == both);
  for (size_t size = 8; size < sizeof(bytes); size++) CHECK(Types(bytes, size) == first);
  for (size_t size = 0; size < 8; size++) CHECK(Types(bytes, size) == none);
}

/** A length below the header's own would never end the loop. */
void TestAttributeOfNoLength() {
  for (const uint8_t length : {0, 1, 3}) {
    alignas(nlattr) const uint8_t bytes[] = {4, 0, 1, 0, length, 0, 2, 0, 4, 0, 3, 0};
    CHECK(Types(bytes, sizeof(bytes)) == std::vector<int>{1});
  }
}

void TestMessagesThatAreCut() {
  nlmsghdr messages[2]{};
  messages[0].nlmsg_len = messages[1].nlmsg_len = sizeof(nlmsghdr);
  int left = sizeof(messages);
  CHECK(IsMessage(messages, left));
  CHECK(NextMessage(messages, left) == messages + 1);
  CHECK_EQUAL(left, sizeof(nlmsghdr));
  CHECK(IsMessage(messages + 1, left) && !IsMessage(messages + 1, left - 1));
  messages[1].nlmsg_len = sizeof(nlmsghdr) - 1;
  CHECK(!IsMessage(messages + 1, left));
  // The padding of the last one may be missing.
  messages[0].nlmsg_len = sizeof(nlmsghdr) + 1;
  left = sizeof(nlmsghdr) + 1;
  CHECK(IsMessage(messages, left));
  CHECK(!IsMessage(NextMessage(messages, left), left));
}

/** What the buffer held before does not show in the padding, nor in a header. */
void TestPuttingTogether() {
  alignas(nlmsghdr) uint8_t buffer[64];
  std::memset(buffer, 0xff, sizeof(buffer));
  nlmsghdr* message = StartMessage(buffer);
  AppendHeader<nfgenmsg>(message)->nfgen_family = 7;
  nlattr* nested = StartNested(message, 1);
  PutValue(message, 2, uint8_t{5});
  EndNested(message, nested);
  CHECK_EQUAL(message->nlmsg_len, 32);
  const uint8_t expected[] = {7, 0, 0, 0, 12, 0, 1, 0x80, 5, 0, 2, 0, 5, 0, 0, 0};
  CHECK(std::memcmp(buffer + sizeof(nlmsghdr), expected, sizeof(expected)) == 0);
  CHECK_EQUAL(buffer[32], 0xff);

  int nests = 0;
  ForEachAttributeOf<nfgenmsg>(message, [&](const nlattr* outer) {
    ForEachNested(outer, [&](const nlattr* inner) {
      CHECK_EQUAL(AttributeType(inner), 2);
      CHECK_EQUAL(AttributeBytes(inner), 1);
      CHECK_EQUAL(AttributeValue<uint8_t>(inner), 5);
      nests++;
    });
  });
  CHECK_EQUAL(nests, 1);
  // A message that is too short for the header of its family has no attributes.
  message->nlmsg_len = sizeof(nlmsghdr) + 1;
  ForEachAttributeOf<nfgenmsg>(message, [](const nlattr*) { CHECK(false); });
}

}  // namespace

int main() {
  TestAttributesThatAreCut();
  TestAttributeOfNoLength();
  TestMessagesThatAreCut();
  TestPuttingTogether();
}
