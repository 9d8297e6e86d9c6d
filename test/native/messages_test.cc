// Tests the messages that we send, byte for byte: verdicts and configuration.
#include "check.h"
#include "packets.h"
#include "queue/nfq_config.h"
#include "queue/verdicts.h"

using namespace wanmark;

namespace {

void CheckBytes(const void* data, size_t size, const Bytes& expected) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  CHECK_EQUAL(size, expected.size());
  for (size_t i = 0; i < size; i++) {
    if (bytes[i] != expected[i])
      std::fprintf(stderr, "byte %zu is %02x, not %02x\n", i, bytes[i], expected[i]);
    CHECK(bytes[i] == expected[i]);
  }
}

// Netlink headers are in host order; these bytes are a little-endian machine's.
const Bytes kAccept = {
    32, 0, 0,    0,    1, 3, 1, 0, 0x01, 0x02, 0,    0,   0, 0, 0, 0,  // nlmsghdr, seq = packet id
    0,  0, 0x12, 0x34,                                                 // nfgenmsg, queue 0x1234
    12, 0, 2,    0,    0, 0, 0, 1, 0,    0,    0x02, 0x01};            // VERDICT_HDR: ACCEPT, id 0x201
const Bytes kRepeat = {
    40, 0, 0,    0,    1,    3,    1,    0,   0x02, 0x02, 0, 0, 0, 0, 0,    0,
    0,  0, 0x12, 0x34, 12,   0,    2,    0,   0,    0,    0, 4, 0, 0, 0x02, 0x02,  // REPEAT, id 0x202
    8,  0, 3,    0,    0xde, 0xad, 0xbe, 0x01};                                    // MARK 0xdeadbe01

void TestVerdicts() {
  Verdicts verdicts(0x1234, 2);
  verdicts.Add(0x201, NF_ACCEPT);
  CheckBytes(verdicts.data(), verdicts.size(), kAccept);
  verdicts.Add(0x202, NF_REPEAT, 0xdeadbe01);
  CheckBytes(verdicts.data(), verdicts.size(), kAccept + kRepeat);
  CHECK_EQUAL(verdicts.count(), 2);

  // Nothing of the last batch shows through, and two of the longest fit.
  verdicts.Clear();
  CHECK_EQUAL(verdicts.size(), 0);
  verdicts.Add(0x202, NF_REPEAT, 0xdeadbe01);
  verdicts.Add(0x202, NF_REPEAT, 0xdeadbe01);
  CheckBytes(verdicts.data(), verdicts.size(), kRepeat + kRepeat);
}

void TestConfig() {
  alignas(nlmsghdr) uint8_t buffer[kConfigBytes];
  QueueConfig config;
  config.num = 0x1234;
  config.max_length = 0x10000;
  config.copy_range = 128;
  const Bytes head = {68, 0, 0, 0, 2, 3, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34};
  const Bytes bind = {8, 0, 1, 0, 1, 0, 0, 0};                  // CMD: BIND
  const Bytes params = {9, 0, 2, 0, 0, 0, 0, 128, 2, 0, 0, 0};  // PARAMS: 128 bytes, COPY_PACKET
  const Bytes max_length = {8, 0, 3, 0, 0, 1, 0, 0};
  const Bytes open = {8, 0, 5, 0, 0, 0, 0, 5}, closed = {8, 0, 5, 0, 0, 0, 0, 4};  // FLAGS: GSO, FAIL_OPEN
  const Bytes mask = {8, 0, 4, 0, 0, 0, 0, 5};

  std::memset(buffer, 0xee, sizeof(buffer));
  const nlmsghdr* message = BuildBind(buffer, config);
  Bytes expected = head + bind + params + max_length + open + mask;
  expected[0] = static_cast<uint8_t>(expected.size());
  CheckBytes(message, message->nlmsg_len, expected);

  config.fail_open = false;
  message = BuildBind(buffer, config);
  expected = head + bind + params + max_length + closed + mask;
  expected[0] = static_cast<uint8_t>(expected.size());
  CheckBytes(message, message->nlmsg_len, expected);

  message = BuildStopQueueing(buffer, 0x1234);
  CheckBytes(message, message->nlmsg_len,
             {28, 0, 0, 0, 2, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 8, 0, 3, 0, 0, 0, 0, 0});
}

}  // namespace

int main() {
  TestVerdicts();
  TestConfig();
}
