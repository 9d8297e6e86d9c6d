// Tests the whole I/O thread against a kernel that is played by the test: a socketpair, on whose other end
// the test writes packet messages and reads verdicts. Whatever JS does, there must be one verdict for each
// packet.
#include "queue/loop.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <semaphore>
#include <vector>

#include "base/netlink.h"
#include "base/thread.h"
#include "check.h"
#include "packets.h"

using namespace wanmark;

namespace {

struct Verdict {
  uint32_t id;
  uint32_t verdict;
  bool has_mark;
  uint32_t mark;

  bool operator==(const Verdict&) const = default;
};

Verdict Accept(uint32_t id) { return {id, NF_ACCEPT, false, 0}; }
Verdict Repeat(uint32_t id, uint32_t mark) { return {id, NF_REPEAT, true, mark}; }

Verdict Drop(uint32_t id) { return {id, NF_DROP, false, 0}; }

Bytes Udp(uint32_t id, uint16_t sport, uint32_t mark = 0) {
  return PacketMessage(id, Ipv4(IPPROTO_UDP, Ports(sport)), mark);
}

/** A loop with its fake kernel. The test itself is the JS thread. */
class Lab {
 public:
  explicit Lab(std::chrono::milliseconds deadline = std::chrono::seconds(60), uint32_t max_length = 1024,
               uint32_t undecided_from = 0) {
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    kernel_ = ends[0];
    LoopOptions options;
    options.queue.num = 3;
    options.queue.max_length = max_length;
    options.mask = 0xff;
    options.undecided_from = undecided_from;
    options.deadline = deadline;
    options.verdict = NF_REPEAT;
    options.now_ms = [this, test = pthread_self()] {
      if (!pthread_equal(pthread_self(), test)) hold.acquire(), hold.release();
      return now_ms.load();
    };
    loop = std::make_unique<QueueLoop>(options, NetlinkSocket(ends[1]), memory, told_memory, plans, stats,
                                       [this] { wakes_.release(); });
  }
  ~Lab() {
    if (kernel_ >= 0) close(kernel_);
  }

  void Start() {
    CHECK(thread_.Start("loop", [this] { loop->Run(); }) == 0);
  }
  void Join() { thread_.Join(); }

  /** Queues packets as the kernel does. Before Start they are one batch. */
  void Queue(const Bytes& message) {
    CHECK(send(kernel_, message.data(), message.size(), 0) == static_cast<ssize_t>(message.size()));
  }

  /** Sleeps, as the JS thread does, until it is woken up with a question. */
  uint32_t Take() {
    while (true) {
      wakes_.acquire();
      if (const uint32_t count = loop->handoff().Take()) return count;
    }
  }

  void AwaitPong() {
    do {
      wakes_.acquire();
    } while (!loop->TakePong());
  }

  /** Sleeps until it is woken up because a sequence is short. */
  void AwaitShort() {
    do {
      wakes_.acquire();
    } while (!loop->TakeShort());
  }

  /** Whether there is something to read. */
  bool HasSent() {
    pollfd readable{kernel_, POLLIN, 0};
    return poll(&readable, 1, 0) == 1;
  }

  /** Reads one sendmsg of the loop. A configuration message comes back as an empty list. */
  std::vector<Verdict> Read() {
    alignas(8) char buffer[8192];
    const ssize_t size = recv(kernel_, buffer, sizeof(buffer), 0);
    CHECK(size >= 0);
    std::vector<Verdict> verdicts;
    int left = static_cast<int>(size);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer); IsMessage(message, left);
         message = NextMessage(message, left)) {
      if (message->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT)) continue;
      Verdict verdict{};
      ForEachAttributeOf<nfgenmsg>(message, [&](const nlattr* attribute) {
        if (AttributeType(attribute) == NFQA_MARK) {
          verdict.has_mark = true;
          verdict.mark = ntohl(AttributeValue<uint32_t>(attribute));
        } else {
          const auto header = AttributeValue<nfqnl_msg_verdict_hdr>(attribute);
          verdict.id = ntohl(header.id);
          verdict.verdict = ntohl(header.verdict);
        }
      });
      verdicts.push_back(verdict);
    }
    return verdicts;
  }

  void Expect(const std::vector<Verdict>& expected) {
    const std::vector<Verdict> actual = Read();
    CHECK_EQUAL(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); i++) {
      CHECK_EQUAL(actual[i].id, expected[i].id);
      CHECK_EQUAL(actual[i].verdict, expected[i].verdict);
      CHECK_EQUAL(actual[i].mark, expected[i].mark);
      CHECK(actual[i] == expected[i]);
    }
  }

  void Answer(std::initializer_list<uint32_t> marks) {
    std::copy(marks.begin(), marks.end(), memory.marks);
    loop->handoff().Answer();
  }

  /** Queues a packet of a new flow, and gives it a mark. */
  void Decide(uint32_t id, uint16_t sport, uint32_t mark) {
    Queue(Udp(id, sport));
    CHECK_EQUAL(Take(), 1);
    Answer({mark});
    Expect({Repeat(id, mark)});
  }

  /** Closes the loop, and reads the message by which it stops the kernel's queueing. */
  void Close() {
    loop->RequestClose();
    CHECK(Read().empty());
    thread_.Join();
    CHECK(loop->finished());
  }

  /** Checks after Close that nothing was sent that the test has not read. */
  void ExpectNothingMore() {
    char byte;
    CHECK_EQUAL(recv(kernel_, &byte, 1, MSG_DONTWAIT), 0);
  }

  std::atomic<uint64_t> now_ms{1000};
  /**
   * While the test holds this lock, the loop stops where it asks for the time: before the cache, and before
   * the answers.
   */
  std::binary_semaphore hold{1};
  BatchMemory memory;
  ToldMemory told_memory;
  Plans plans;
  Stats stats;
  std::unique_ptr<QueueLoop> loop;

 private:
  int kernel_ = -1;
  std::counting_semaphore<> wakes_{0};
  Thread thread_;
};

/**
 * Different packets of one batch take one call. The answers are in place, foreign bits are kept, and the odd
 * packets go to the kernel.
 */
void TestBatch() {
  Lab lab;
  lab.Queue(Udp(1, 1000));
  lab.Queue(Udp(2, 1001, 0xabcd0000));
  lab.Queue(Udp(3, 1000));
  lab.Queue(Udp(4, 1002, 0x5500));
  lab.Queue(Udp(5, 1003));
  lab.Queue(Udp(6, 1003));
  lab.Start();
  CHECK_EQUAL(lab.Take(), 4);
  CHECK_EQUAL(lab.memory.sport[1], 1001);
  CHECK_EQUAL(lab.memory.old_mark[1], 0xabcd0000);
  CHECK_EQUAL(lab.memory.in_ifindex[0], 3);
  CHECK_EQUAL(lab.memory.marks[3], BatchMemory::kKernelDecides);
  CHECK_EQUAL(lab.memory.bytes[0], 0x45);
  CHECK_EQUAL(lab.memory.copied[0], lab.memory.length[0]);
  lab.Answer({1, 2, 0x101, BatchMemory::kKernelDecides});
  lab.Expect({Repeat(1, 1), Repeat(2, 0xabcd0002), Repeat(3, 1), Accept(4), Accept(5), Accept(6)});

  // A decision is remembered across batches, unless the kernel decided or the answer was wrong.
  lab.Queue(Udp(7, 1001));
  lab.Expect({Repeat(7, 2)});
  lab.Decide(8, 1003, 3);
  lab.now_ms += 3000;
  lab.Decide(9, 1001, 1);

  lab.Close();
  lab.ExpectNothingMore();
  const Stats& stats = lab.stats;
  CHECK_EQUAL(stats.packets.Get(), 9);
  CHECK_EQUAL(stats.verdicts.Get(), 9);
  CHECK_EQUAL(stats.decisions.Get(), 4);
  CHECK_EQUAL(stats.cache_hits.Get(), 2);
  CHECK_EQUAL(stats.kernel_decided.Get(), 3);
  CHECK_EQUAL(stats.invalid.Get(), 1);
  CHECK_EQUAL(stats.batches.Get(), 4);
  CHECK_EQUAL(stats.late.Get(), 0);
}

/**
 * A packet that has a mark in our field comes from rules that do not look at it. It goes on as it is,
 * undecided.
 */
void TestMarked() {
  Lab lab;
  lab.Queue(Udp(1, 1000, 0xab02));
  lab.Queue(Udp(2, 1000));
  lab.Start();
  CHECK_EQUAL(lab.Take(), 1);
  lab.Expect({Accept(1)});
  lab.Answer({1});
  lab.Expect({Repeat(2, 1)});
  lab.Close();
  CHECK_EQUAL(lab.stats.marked.Get(), 1);
  CHECK_EQUAL(lab.stats.kernel_decided.Get(), 0);
}

/** A mark that says how a packet is to be decided is no decision, and the answer takes its place. */
void TestUndecidedMark() {
  Lab lab(std::chrono::seconds(60), 1024, 0xf0);
  lab.Queue(Udp(1, 1000, 0xabef));
  lab.Queue(Udp(2, 1001, 0xabf0));
  lab.Queue(Udp(3, 1002, 0xabff));
  lab.Start();
  CHECK_EQUAL(lab.Take(), 2);
  CHECK_EQUAL(lab.memory.old_mark[0], 0xabf0);
  lab.Expect({Accept(1)});
  lab.Answer({1, BatchMemory::kKernelDecides});
  lab.Expect({Repeat(2, 0xab01), Accept(3)});
  lab.Close();
  CHECK_EQUAL(lab.stats.marked.Get(), 1);
  CHECK_EQUAL(lab.stats.kernel_decided.Get(), 1);
}

/**
 * Rules that wipe the mark and queue the packet again would do so for ever. The packet is let go after a
 * while, with its mark.
 */
void TestLoop() {
  Lab lab;
  lab.Start();
  lab.Decide(1, 1000, 1);
  for (uint32_t id = 2; id <= 33; id++) {
    lab.Queue(Udp(id, 1000));
    lab.Expect({Repeat(id, 1)});
  }
  lab.Queue(Udp(34, 1000, 0x100));
  lab.Expect({Verdict{34, NF_ACCEPT, true, 0x101}});
  lab.Close();
  CHECK_EQUAL(lab.stats.loops.Get(), 1);
  CHECK_EQUAL(lab.stats.cache_hits.Get(), 33);
}

/** More packets are there than a batch holds, and they are handed over while the loop sleeps. */
void TestManyBatches() {
  Lab lab;
  constexpr uint32_t kFull = BatchMemory::kCapacity;
  constexpr uint32_t kPackets = 2 * kFull + 22;
  for (uint32_t id = 1; id <= kPackets; id++) lab.Queue(Udp(id, static_cast<uint16_t>(id)));
  lab.Start();
  uint32_t id = 1;
  for (const uint32_t count : {kFull, kFull, 22u}) {
    CHECK_EQUAL(lab.Take(), count);
    for (uint32_t i = 0; i < count; i++) lab.memory.marks[i] = 7;
    lab.loop->handoff().Answer();
    for (const Verdict& verdict : lab.Read()) CHECK(verdict == Repeat(id++, 7));
  }
  CHECK_EQUAL(id, kPackets + 1);
  lab.Close();
}

/**
 * When JS is late, this batch and the next ones are the kernel's. Flows in the cache go on, and the late
 * answer counts for nothing.
 */
void TestLate() {
  Lab lab(std::chrono::milliseconds(20));
  lab.Start();
  lab.Decide(1, 1000, 1);

  lab.Queue(Udp(2, 1001));
  CHECK_EQUAL(lab.Take(), 1);
  lab.Expect({Accept(2)});
  lab.Queue(Udp(3, 1002));
  lab.Queue(Udp(4, 1000));
  // In one batch, the remembered one is answered first; in two, it comes second.
  std::vector<Verdict> verdicts = {lab.Read().at(0), lab.Read().at(0)};
  if (verdicts[0].id == 4) std::swap(verdicts[0], verdicts[1]);
  CHECK(verdicts[0] == Accept(3) && verdicts[1] == Repeat(4, 1));
  CHECK_EQUAL(lab.memory.sport[0], 1001);
  CHECK_EQUAL(lab.stats.late.Get(), 1);
  CHECK_EQUAL(lab.stats.late_flows.Get(), 2);
  CHECK(lab.loop->handoff().Lateness().count() >= 0);
  CHECK_EQUAL(lab.loop->handoff().TakeLateness().count(), 0);
  Told& told = lab.loop->told();
  CHECK_EQUAL(told.Run(), 2);
  for (const uint32_t place : {0u, 1u}) {
    CHECK_EQUAL(told.place(), place);
    CHECK_EQUAL(lab.told_memory.at_ms[place], 1000);
    CHECK_EQUAL(lab.told_memory.sport[place], 1001 + place);
    CHECK_EQUAL(lab.told_memory.marks[place], BatchMemory::kKernelDecides);
    told.Drop(1);
  }
  CHECK_EQUAL(told.Count(), 0);

  lab.Answer({5});
  CHECK(lab.loop->handoff().TakeLateness().count() >= 1);
  CHECK_EQUAL(lab.loop->handoff().TakeLateness().count(), 0);
  CHECK_EQUAL(lab.loop->handoff().Lateness().count(), 0);
  lab.Decide(5, 1001, 6);
  lab.Close();
  lab.ExpectNothingMore();
  CHECK_EQUAL(lab.stats.kernel_decided.Get(), 2);
}

/**
 * While JS is late, as many flows are noted as there is room for. JS is woken up for them also when it came
 * back before.
 */
void TestLateFlows() {
  Lab lab(std::chrono::milliseconds(1), 65536);
  lab.Start();
  constexpr uint32_t kRoom = Told::kCapacity;
  Told& told = lab.loop->told();
  for (const uint32_t first : {0u, 100u}) {
    lab.Queue(Udp(1, static_cast<uint16_t>(1000 + first)));
    lab.Expect({Accept(1)});
    lab.now_ms += 5;
    for (uint32_t n = 1; n < kRoom + 10; n++) {
      lab.Queue(Udp(n, static_cast<uint16_t>(1000 + first + n)));
      lab.Expect({Accept(n)});
    }
    CHECK_EQUAL(lab.loop->handoff().Take(), 0);
    CHECK_EQUAL(told.Count(), kRoom);
    CHECK_EQUAL(told.Run(), kRoom - told.place());
    for (uint32_t n = 0; n < kRoom; n++, told.Drop(1)) {
      CHECK_EQUAL(lab.told_memory.sport[told.place()], 1000 + first + n);
      CHECK_EQUAL(lab.told_memory.at_ms[told.place()], lab.now_ms.load() - (n == 0 ? 5 : 0));
    }
    CHECK_EQUAL(told.Count(), 0);
  }
  lab.Close();
  CHECK_EQUAL(lab.stats.late_flows.Get(), 2 * (kRoom + 10));
}

/**
 * A ping is answered once, by an idle loop as well as by one that has packets, but never while the loop waits
 * for JS.
 */
void TestPing() {
  Lab lab;
  lab.Start();
  CHECK(!lab.loop->TakePong());
  lab.loop->Ping();
  lab.AwaitPong();
  CHECK(!lab.loop->TakePong());
  lab.Queue(Udp(1, 1000));
  CHECK_EQUAL(lab.Take(), 1);
  lab.loop->Ping();
  CHECK(!lab.loop->TakePong());
  lab.Answer({1});
  lab.Expect({Repeat(1, 1)});
  lab.AwaitPong();
  lab.Close();
  lab.ExpectNothingMore();
}

/** When the deadline passes before JS even looks, the question is not handed out. */
void TestNeverTaken() {
  Lab lab(std::chrono::milliseconds(1));
  lab.Start();
  lab.Queue(Udp(1, 1000));
  lab.Expect({Accept(1)});
  CHECK_EQUAL(lab.loop->handoff().Take(), 0);
  CHECK(lab.loop->handoff().Idle());
  lab.Close();
}

/** At close, an open question is waited for. What is queued behind it is decided before the socket closes. */
void TestCloseDrains() {
  Lab lab;
  lab.Start();
  lab.Queue(Udp(1, 1000));
  CHECK_EQUAL(lab.Take(), 1);
  lab.Queue(Udp(2, 1001));
  lab.loop->RequestClose();
  lab.Answer({1});
  lab.Expect({Repeat(1, 1)});
  CHECK(lab.Read().empty());
  CHECK_EQUAL(lab.Take(), 1);
  lab.Answer({2});
  lab.Expect({Repeat(2, 2)});
  lab.Join();
  lab.ExpectNothingMore();
}

/** At close, nobody is waited for when JS is gone for good. */
void TestAbandon() {
  Lab lab;
  lab.Start();
  lab.Queue(Udp(1, 1000));
  CHECK_EQUAL(lab.Take(), 1);
  for (uint32_t id = 2; id <= 100; id++) lab.Queue(Udp(id, static_cast<uint16_t>(id)));
  lab.loop->handoff().Abandon();
  lab.loop->RequestClose();
  uint32_t id = 1;
  while (id <= 100) {
    for (const Verdict& verdict : lab.Read()) CHECK(verdict == Accept(id++));
  }
  lab.Join();
  lab.loop->handoff().Answer();
  CHECK_EQUAL(lab.stats.verdicts.Get(), 100);
}

/**
 * Forget drops what is remembered. An answer that is written but not read is withdrawn, and the kernel
 * decides.
 */
void TestForget() {
  Lab lab;
  lab.Start();
  lab.Decide(1, 1000, 1);
  CHECK_EQUAL(lab.loop->Forget(2, 0xff), 0);
  CHECK_EQUAL(lab.loop->Forget(1, 0xff), 1);
  lab.Queue(Udp(2, 1000));
  CHECK_EQUAL(lab.Take(), 1);
  lab.hold.acquire();
  lab.Answer({2});
  CHECK_EQUAL(lab.loop->Forget(2, 0xff), 0);
  lab.hold.release();
  lab.Expect({Accept(2)});
  lab.Decide(3, 1000, 3);
  lab.Close();
}

/**
 * What is remembered does not wait for JS. Otherwise it could get its mark after Forget, and with it a
 * connection that conntrack has forgotten meanwhile would come back.
 */
void TestKnownDoesNotWait() {
  Lab lab;
  lab.Start();
  lab.Decide(1, 1000, 1);
  lab.Queue(Udp(2, 1001));
  CHECK_EQUAL(lab.Take(), 1);
  lab.Queue(Udp(3, 1000));
  lab.Queue(Udp(4, 1002));
  lab.Answer({2});
  lab.Expect({Repeat(2, 2)});
  CHECK_EQUAL(lab.Take(), 1);
  CHECK_EQUAL(lab.memory.sport[0], 1002);
  CHECK(lab.HasSent());
  lab.Expect({Repeat(3, 1)});
  CHECK_EQUAL(lab.loop->Forget(1, 0xff), 1);
  lab.Answer({2});
  lab.Expect({Repeat(4, 2)});
  lab.Close();
}

/** An ICMP error about a packet that was sent from this port. */
Bytes Unreachable(uint32_t id, uint16_t sport, uint32_t mark) {
  return PacketMessage(
      id, Ipv4(IPPROTO_ICMP, Bytes{3, 1, 0, 0, 0, 0, 0, 0} + Ipv4(IPPROTO_UDP, Ports(sport))), mark);
}

/**
 * ICMP errors are each asked about, although their flow keys are equal and although they have the mark of the
 * connection that they are about. They are dropped or accepted, and never repeated or remembered.
 */
void TestIcmpErrors() {
  constexpr uint32_t kDrop = BatchMemory::kDrop, kPass = BatchMemory::kKernelDecides;
  Lab lab;
  for (uint32_t id = 1; id <= 3; id++) lab.Queue(Unreachable(id, static_cast<uint16_t>(id), 0xab02));
  lab.Queue(Udp(4, 1000));
  lab.Start();
  CHECK_EQUAL(lab.Take(), 4);
  CHECK_EQUAL(lab.memory.old_mark[2], 0xab02);
  CHECK_EQUAL(lab.memory.dport[2], 3 << 8 | 1);
  lab.Answer({kDrop, kPass, 0x105, 1});
  lab.Expect({Drop(1), Accept(2), Accept(3), Repeat(4, 1)});
  CHECK_EQUAL(lab.stats.invalid.Get(), 1);

  // A loop of the rules ends here, because an error that got a mark is accepted.
  for (uint32_t id = 5; id <= 6; id++) {
    lab.Queue(Unreachable(id, 1, id == 5 ? 0 : 0xab02));
    CHECK_EQUAL(lab.Take(), 1);
    lab.Answer({1});
    lab.Expect({Verdict{id, NF_ACCEPT, true, id == 5 ? 1u : 0xab01}});
  }
  lab.Close();
  lab.ExpectNothingMore();
  CHECK_EQUAL(lab.stats.packets.Get(), 6);
  CHECK_EQUAL(lab.stats.dropped_errors.Get(), 1);
  CHECK_EQUAL(lab.stats.marked.Get(), 2);
  CHECK_EQUAL(lab.stats.kernel_decided.Get(), 0);
  CHECK_EQUAL(lab.stats.decisions.Get(), 3);
}

/** A connection's first packet can be dropped, and that is not remembered: the next one is asked about, too.
 */
void TestDrop() {
  Lab lab;
  lab.Start();
  for (uint32_t id = 1; id <= 2; id++) {
    lab.Queue(Udp(id, 1000));
    CHECK_EQUAL(lab.Take(), 1);
    lab.Answer({BatchMemory::kDrop});
    lab.Expect({Drop(id)});
  }
  lab.Decide(3, 1000, 1);
  lab.Close();
  CHECK_EQUAL(lab.stats.dropped.Get(), 2);
  CHECK_EQUAL(lab.stats.invalid.Get(), 0);
}

Bytes ErrorMessage(int error) {
  alignas(8) char buffer[64] = {};
  nlmsghdr* message = StartMessage(buffer);
  message->nlmsg_type = NLMSG_ERROR;
  auto* body = AppendHeader<nlmsgerr>(message);
  body->error = -error;
  return Bytes(buffer, buffer + message->nlmsg_len);
}

/** Errors are counted, also between packets of one datagram, and each is reported once by what it means. */
void TestErrors() {
  Lab lab;
  lab.Queue(ErrorMessage(ENOENT) + Udp(1, 1000) + ErrorMessage(EPERM));
  lab.Queue(ErrorMessage(EPERM));
  lab.Queue(ErrorMessage(ENODEV));
  lab.Queue(ErrorMessage(EINVAL));
  lab.Queue(ErrorMessage(0));
  lab.Queue({1, 2, 3});
  lab.Queue(PacketMessage(9, Bytes(10, 0xff)));
  Bytes no_id = Udp(8, 8);
  no_id[22] = NFQA_TIMESTAMP;
  lab.Queue(no_id);
  lab.Start();
  CHECK_EQUAL(lab.Take(), 2);
  CHECK_EQUAL(lab.memory.family[1], 0);
  lab.Answer({1, 2});
  lab.Expect({Repeat(1, 1), Repeat(9, 2)});
  CHECK_EQUAL(lab.loop->TakeTrouble(), kTroublePermission | kTroubleGone);
  CHECK_EQUAL(lab.loop->TakeTrouble(), 0);
  lab.Close();
  const Stats& stats = lab.stats;
  CHECK_EQUAL(stats.enoent.Get(), 1);
  CHECK_EQUAL(stats.eperm.Get(), 2);
  CHECK_EQUAL(stats.enodev.Get(), 1);
  CHECK_EQUAL(stats.other_errors.Get(), 1);
  CHECK_EQUAL(stats.malformed.Get(), 1);
}

/**
 * Two loops of one process have nothing in common but the JS thread. With the same packets, each gets its own
 * answers.
 */
void TestTwoAtOnce() {
  constexpr uint32_t kRounds = 300;
  Lab labs[2];
  for (Lab& lab : labs) lab.Start();
  for (uint32_t round = 1; round <= kRounds; round++) {
    for (Lab& lab : labs) lab.Queue(Udp(round, static_cast<uint16_t>(1000 + round)));
    // The second loop asks before the first is answered.
    for (Lab& lab : labs) CHECK_EQUAL(lab.Take(), 1);
    for (uint32_t i = 0; i < 2; i++) labs[i].Answer({i + 1});
    if (round % 10 == 0) CHECK(labs[0].loop->Forget(1, 0xff) > 0);
    for (uint32_t i = 0; i < 2; i++) {
      const std::vector<Verdict> verdicts = labs[i].Read();
      CHECK_EQUAL(verdicts.size(), 1);
      // What is forgotten between its answer and its verdict is left to the kernel.
      const bool forgotten = i == 0 && round % 10 == 0 && verdicts[0] == Accept(round);
      CHECK(forgotten || verdicts[0] == Repeat(round, i + 1));
    }
  }
  CHECK_EQUAL(labs[1].loop->Forget(2, 0xff), kRounds);
  CHECK_EQUAL(labs[1].loop->Forget(1, 0xff), 0);
  for (Lab& lab : labs) {
    lab.Close();
    lab.ExpectNothingMore();
    CHECK_EQUAL(lab.stats.packets.Get(), kRounds);
    CHECK_EQUAL(lab.stats.verdicts.Get(), kRounds);
  }
}

/** Whether JS has been asked; false within a moment in which everything else was answered. */
bool IsAsked(Lab& lab) { return lab.loop->handoff().Take() > 0; }

/** What is planned is answered in its order without JS, which is told of it. A duplicate gets the same mark.
 */
void TestPlan() {
  Lab lab;
  const uint32_t marks[] = {1, 2, 2, 1};
  CHECK_EQUAL(lab.plans.Append({0, 4}, marks, 0).value(), 4);
  lab.now_ms = 5000;
  for (uint16_t n = 0; n < 4; n++) lab.Queue(Udp(n + 1, 1000 + n));
  lab.Queue(Udp(5, 1001));
  lab.Start();
  lab.Expect({Repeat(1, 1), Repeat(2, 2), Repeat(3, 2), Repeat(4, 1), Repeat(5, 2)});
  CHECK(!IsAsked(lab));
  Told& told = lab.loop->told();
  lab.loop->NoteAll();
  CHECK_EQUAL(told.Count(), 4);
  for (uint16_t n = 0; n < 4; n++) {
    CHECK_EQUAL(lab.told_memory.sport[n], 1000 + n);
    CHECK_EQUAL(lab.told_memory.marks[n], marks[n]);
    CHECK_EQUAL(lab.told_memory.at_ms[n], 5000);
  }
  told.Drop(4);
  CHECK_EQUAL(lab.stats.planned.Get(), 4);
  CHECK_EQUAL(lab.stats.decisions.Get(), 4);
  CHECK_EQUAL(lab.stats.cache_hits.Get(), 1);

  // The plan is used up, so JS is asked as without one.
  lab.Decide(6, 1006, 3);
  CHECK_EQUAL(lab.stats.planned.Get(), 4);
  lab.Close();
  lab.ExpectNothingMore();
}

/** A sequence that runs out goes on with its last choices again. What was replaced is not among them. */
void TestPlanRepeats() {
  Lab lab;
  const uint32_t former[] = {7, 7, 7};
  const uint32_t marks[] = {9, 1, 2};
  lab.plans.Append({0, 4}, former, 3);
  lab.Start();
  lab.Queue(Udp(1, 1000));
  lab.Expect({Repeat(1, 7)});
  CHECK_EQUAL(lab.plans.Replace({0, 4}, marks, 2, 1, 0).ahead, 2);
  const uint32_t expected[] = {9, 1, 2, 1, 2, 1};
  for (uint16_t n = 0; n < 6; n++) {
    lab.Queue(Udp(2 + n, 1001 + n));
    lab.Expect({Repeat(2 + n, expected[n])});
  }
  PlanProgress progress = lab.plans.Progress({0, 4});
  CHECK_EQUAL(progress.ahead, 0);
  CHECK_EQUAL(progress.used, 7);
  CHECK_EQUAL(progress.repeated, 3);
  // What follows the state of before is not taken.
  CHECK(!lab.plans.Append({0, 4}, former, 2, 2));
  CHECK_EQUAL(lab.plans.Progress({0, 4}).ahead, 0);

  const uint32_t one[] = {4};
  CHECK_EQUAL(lab.plans.Replace({0, 4}, one, 50, 7, 0).used, 7);
  for (uint16_t n = 0; n < 3; n++) {
    lab.Queue(Udp(20 + n, 1020 + n));
    lab.Expect({Repeat(20 + n, 4)});
  }
  CHECK(!IsAsked(lab));
  CHECK_EQUAL(lab.plans.Clear({0, 4}).repeated, 5);
  lab.Decide(30, 1030, 5);
  lab.Close();
}

/** What comes next is kept, as far as it was not used meanwhile, so that it is known what the new choices
 * follow. */
void TestPlanKeeps() {
  Plans plans;
  const uint32_t marks[] = {1, 2, 3, 4, 5, 6};
  const uint32_t others[] = {7, 8};
  Packet packet;
  packet.flow.family = 4;
  const auto next = [&] { return Plans::Reader(plans).Choose(packet, 0, 0).value().mark; };
  plans.Append({0, 4}, marks, 1);
  CHECK_EQUAL(next(), 1);
  CHECK_EQUAL(next(), 2);
  CHECK_EQUAL(plans.Replace({0, 4}, others, 1, 1, 3).ahead, 4);
  for (const uint32_t mark : {3, 4, 7, 8}) CHECK_EQUAL(next(), mark);
  // All that was to be kept is used by now, and more.
  plans.Append({0, 4}, marks, 1);
  CHECK_EQUAL(next(), 1);
  CHECK_EQUAL(plans.Replace({0, 4}, others, 1, 5, 1).used, 7);
  CHECK_EQUAL(next(), 7);
  // There is less than was to be kept.
  CHECK_EQUAL(plans.Replace({0, 4}, marks, 1, 8, 9).ahead, 1);
  CHECK_EQUAL(next(), 8);
  CHECK_EQUAL(next(), 1);
}

/** A sequence takes what it has room for, over the end of its ring, too. */
void TestPlanRoom() {
  Plans plans;
  std::vector<uint32_t> marks(Plans::kMostAhead - 1);
  for (uint32_t i = 0; i < marks.size(); i++) marks[i] = i + 1;
  CHECK_EQUAL(plans.Append({0, 4}, marks, 0).value(), marks.size());
  CHECK_EQUAL(plans.Append({0, 4}, marks, 0).value(), 1);
  CHECK_EQUAL(plans.Append({0, 4}, marks, 0).value(), 0);
  Packet packet;
  packet.flow.family = 4;
  const auto next = [&] { return Plans::Reader(plans).Choose(packet, 0, 0); };
  for (const uint32_t mark : marks) CHECK_EQUAL(next().value().mark, mark);
  CHECK_EQUAL(plans.Append({0, 4}, marks, 0).value(), marks.size());
  CHECK_EQUAL(next().value().mark, 1);
  for (const uint32_t mark : marks) CHECK_EQUAL(next().value().mark, mark);
  CHECK(!next());
}

/** A plan is for one family and one value of the field; what has to be asked about is, whatever the plan
 * says. */
void TestPlanIsFor() {
  Lab lab(std::chrono::seconds(60), 1024, 0x80);
  const uint32_t four[] = {1};
  const uint32_t policy[] = {2};
  lab.plans.Append({0, 4}, four, 1);
  lab.plans.Append({0x80, 4}, policy, 1);
  lab.Start();
  lab.Queue(Udp(1, 1000));
  lab.Expect({Repeat(1, 1)});
  lab.Queue(Udp(2, 1001, 0x5580));
  lab.Expect({Repeat(2, 0x5502)});
  lab.Queue(Udp(3, 1002, 0x81));
  CHECK_EQUAL(lab.Take(), 1);
  lab.Answer({3});
  lab.Expect({Repeat(3, 3)});

  FlowKey flow;
  CHECK(lab.memory.sport[0] == 1002);
  std::copy_n(lab.memory.src, 16, flow.src);
  std::copy_n(lab.memory.dst, 16, flow.dst);
  flow.sport = 1003;
  flow.dport = lab.memory.dport[0];
  flow.proto = lab.memory.proto[0];
  flow.family = 4;
  lab.plans.AskByFlow(flow, lab.now_ms, lab.now_ms + 10);
  lab.Decide(4, 1003, 4);
  lab.Queue(Udp(5, 1004));
  lab.Expect({Repeat(5, 1)});
  lab.now_ms += 10;
  CHECK_EQUAL(lab.loop->Forget(4, 0xff), 1);
  lab.Queue(Udp(6, 1003));
  lab.Expect({Repeat(6, 1)});
  lab.Close();

  Plans plans;
  plans.Append({0, 4}, four, 1);
  plans.AskByInterface({6, 7});
  Packet packet;
  packet.flow.family = 4;
  const auto next = [&] { return Plans::Reader(plans).Choose(packet, 0, 0); };
  CHECK(next());
  packet.in_ifindex = 7;
  CHECK(!next());
  packet.in_ifindex = 8;
  CHECK(next());
  packet.flow.proto = IPPROTO_ICMP;
  packet.flow.dport = ICMP_DEST_UNREACH << 8;
  CHECK(!next());
  packet.flow.dport = ICMP_ECHO << 8;
  CHECK(next());
  packet.flow.family = 6;
  CHECK(!next());
}

/** With more flows than there is room for, every flow is asked about for as long as the last one would have
 * been. */
void TestPlanAsksTooMany() {
  Plans plans;
  const uint32_t marks[] = {1};
  plans.Append({0, 4}, marks, 1);
  FlowKey flow;
  flow.family = 4;
  Packet packet;
  packet.flow.family = 4;
  packet.flow.sport = 9;
  const auto next = [&](uint64_t now_ms) { return Plans::Reader(plans).Choose(packet, 0, now_ms); };
  const auto ask = [&](uint32_t n, uint64_t now_ms, uint64_t until_ms) {
    flow.dst[0] = static_cast<uint8_t>(n >> 8);
    flow.dst[1] = static_cast<uint8_t>(n);
    plans.AskByFlow(flow, now_ms, until_ms);
  };
  for (uint32_t n = 0; n < Plans::kMostAsked; n++) ask(n, 0, 10);
  CHECK(next(0));
  ask(Plans::kMostAsked, 0, 20);
  CHECK(!next(0));
  CHECK(!next(19));
  CHECK(next(20));
  // The first ones are forgotten by now, so there is room.
  ask(Plans::kMostAsked, 20, 30);
  CHECK(next(20));
}

/** A table has one mark for each hash of the named fields. */
void TestPlanTable() {
  Plans plans;
  plans.SetTable({0, 4}, {1, 2, 3, 4}, HashFields{.sport = true});
  Packet packet;
  packet.flow.family = 4;
  uint32_t seen[5] = {};
  for (uint32_t port = 0; port < 4000; port++) {
    packet.flow.sport = static_cast<uint16_t>(port);
    packet.flow.dport = static_cast<uint16_t>(port % 7);
    const auto mark = Plans::Reader(plans).Choose(packet, 0, 0);
    CHECK_EQUAL(mark.value().mark, 1 + PlaceOf(Mix32(port), 4));
    seen[mark->mark]++;
  }
  for (uint32_t mark = 1; mark <= 4; mark++) CHECK(seen[mark] > 900 && seen[mark] < 1100);
  CHECK_EQUAL(plans.Clear({0, 4}).ahead, 0);
  CHECK(!Plans::Reader(plans).Choose(packet, 0, 0));
}

/** What JS cannot be told of any more is asked about: no decision is missing in its log. */
void TestPlanTellsAll() {
  Lab lab(std::chrono::seconds(60), 65536);
  const uint32_t marks[] = {1};
  lab.plans.Append({0, 4}, marks, 1);
  lab.Start();
  for (uint32_t n = 0; n < Told::kCapacity; n++) {
    lab.Queue(Udp(n, static_cast<uint16_t>(n)));
    lab.Expect({Repeat(n, 1)});
  }
  lab.loop->NoteAll();
  CHECK_EQUAL(lab.loop->told().room(), 0);
  lab.Decide(1, 60000, 2);
  CHECK_EQUAL(lab.told_memory.sport[0], 0);
  lab.loop->told().Drop(1);
  lab.Queue(Udp(2, 60001));
  lab.Expect({Repeat(2, 1)});
  lab.loop->NoteAll();
  CHECK_EQUAL(lab.told_memory.sport[0], 60001);
  lab.Close();
}

/** Where JS need not hear of each choice, it hears of all while they are few, and of some beyond that. */
void TestPlanTellsSome() {
  Lab lab(std::chrono::seconds(60), 65536);
  std::vector<uint32_t> marks;
  for (uint32_t n = 0; n < 1000; n++) marks.push_back(n % 2 + 1);
  lab.plans.Append({0, 4}, marks, 0);
  lab.plans.TellSome({0, 4}, true);
  lab.Start();
  for (uint32_t n = 0; n < 1000; n++) {
    lab.Queue(Udp(n, static_cast<uint16_t>(n)));
    lab.Expect({Repeat(n, marks[n])});
  }
  lab.loop->NoteAll();
  Told& told = lab.loop->told();
  const uint32_t few = Sampling::kUdp.all_of;
  for (uint32_t n = 0; n < 2 * few; n++) CHECK_EQUAL(lab.told_memory.sport[n], n);
  CHECK(told.Count() > 2 * few && told.Count() < 200);
  // A new window has its own.
  told.Drop(told.Count());
  lab.now_ms += Sampling::kWindowMs;
  const uint32_t more[] = {1};
  lab.plans.Append({0, 4}, more, 0);
  const uint32_t place = told.place();
  lab.Queue(Udp(2000, 2000));
  lab.Expect({Repeat(2000, 1)});
  lab.loop->NoteAll();
  CHECK_EQUAL(told.Count(), 1);
  CHECK_EQUAL(lab.told_memory.sport[place], 2000);

  // None is missing in the counts.
  const std::vector<MarkCount> counts = lab.plans.TakeCounts({0, 4});
  CHECK_EQUAL(counts.size(), 2);
  for (const MarkCount& one : counts) CHECK_EQUAL(one.count, one.mark == 1 ? 501 : 500);
  CHECK(lab.plans.TakeCounts({0, 4}).empty());
  lab.Close();
}

/** However full it is, what JS hears some of is planned, and does not take the place of what it hears all of.
 */
void TestPlanTellsSomeWhenFull() {
  Lab lab(std::chrono::seconds(60), 65536);
  const uint32_t marks[] = {1};
  lab.plans.Append({0, 4}, marks, 1);
  lab.Start();
  const uint32_t nearly = Told::kCapacity - BatchMemory::kCapacity;
  for (uint32_t n = 0; n < nearly; n++) {
    lab.Queue(Udp(n, static_cast<uint16_t>(n)));
    lab.Expect({Repeat(n, 1)});
  }
  lab.plans.TellSome({0, 4}, true);
  lab.Queue(Udp(1, 60000));
  lab.Expect({Repeat(1, 1)});
  lab.loop->NoteAll();
  CHECK_EQUAL(lab.loop->told().Count(), nearly);
  CHECK(!IsAsked(lab));
  lab.Close();
}

/** Counts outlive their plan; each packet counts once, whichever key of a shared plan it has. */
void TestPlanCounts() {
  Plans plans;
  const uint32_t marks[] = {5, 5, 6};
  Packet packet;
  const auto choose = [&](uint8_t family) {
    packet.flow.family = family;
    return Plans::Reader(plans).Choose(packet, 0, 0).has_value();
  };
  const auto count = [&](uint32_t mark) {
    for (const MarkCount& one : plans.TakeCounts({0, 4})) {
      if (one.mark == mark) return one.count;
    }
    return uint32_t{0};
  };
  plans.Append({0, 4}, marks, 0);
  plans.Share({0, 4}, {0, 6});
  CHECK(choose(4) && choose(6));
  plans.Clear({0, 4});
  CHECK(!choose(4));
  CHECK_EQUAL(count(5), 2);
  plans.SetTable({0, 4}, {7}, HashFields{.src = true});
  CHECK(choose(4));
  plans.SetTable({0, 4}, {7}, HashFields{.src = true});
  CHECK(choose(4));
  plans.Append({0, 4}, marks, 0);
  CHECK_EQUAL(count(7), 2);
  CHECK(!plans.Take({0, 6}));
  CHECK_EQUAL(plans.Take({0, 4}).value(), 5);
  CHECK_EQUAL(count(5), 0);
}

/** JS is woken up once when half of a sequence is used up. */
void TestPlanShort() {
  Lab lab;
  const uint32_t marks[] = {1, 1, 1, 1};
  lab.plans.Append({0, 4}, marks, 0);
  lab.Start();
  lab.Queue(Udp(1, 1001));
  lab.Expect({Repeat(1, 1)});
  lab.loop->NoteAll();
  CHECK(!lab.loop->TakeShort());
  lab.Queue(Udp(2, 1002));
  lab.Expect({Repeat(2, 1)});
  lab.AwaitShort();
  lab.Queue(Udp(3, 1003));
  lab.Expect({Repeat(3, 1)});
  lab.loop->NoteAll();
  CHECK(!lab.loop->TakeShort());
  lab.plans.Append({0, 4}, marks, 0);
  for (uint32_t n = 4; n <= 6; n++) {
    lab.Queue(Udp(n, static_cast<uint16_t>(1000 + n)));
    lab.Expect({Repeat(n, 1)});
  }
  lab.AwaitShort();
  // What goes on as it was needs no more.
  lab.plans.Append({0, 4}, marks, 4, 0, true);
  for (uint32_t n = 7; n <= 20; n++) {
    lab.Queue(Udp(n, static_cast<uint16_t>(1000 + n)));
    lab.Expect({Repeat(n, 1)});
  }
  lab.loop->NoteAll();
  CHECK(!lab.loop->TakeShort());
  lab.Close();
}

}  // namespace

int main() {
  TestTwoAtOnce();
  TestBatch();
  TestMarked();
  TestUndecidedMark();
  TestLoop();
  TestManyBatches();
  TestLate();
  TestLateFlows();
  TestPlan();
  TestPlanRepeats();
  TestPlanKeeps();
  TestPlanRoom();
  TestPlanIsFor();
  TestPlanAsksTooMany();
  TestPlanTable();
  TestPlanTellsAll();
  TestPlanTellsSome();
  TestPlanTellsSomeWhenFull();
  TestPlanCounts();
  TestPlanShort();
  TestPing();
  TestNeverTaken();
  TestCloseDrains();
  TestAbandon();
  TestForget();
  TestKnownDoesNotWait();
  TestIcmpErrors();
  TestDrop();
  TestErrors();
}
