#include "queue/loop.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/netlink.h"
#include "base/random_key.h"

namespace wanmark {

namespace {

// The size of a receive buffer. A packet message has at most 350 bytes: 128 of the packet, the rest
// attributes.
constexpr size_t kDatagramBytes = 1024;
// The number of finds that show a loop. A rule that wipes the mark before it queues turns NF_REPEAT into an
// endless loop. A flow that was found this often within the cache's few seconds is accepted, with its mark,
// and only misses the rest of the table.
constexpr uint32_t kLoopFinds = 32;
// The pause before a call is repeated that failed for lack of memory.
constexpr int kRetryMs = 1;
// The pause after a receive error that has no name here. A close request ends it.
constexpr int kTroublePauseMs = 100;
// How late JS must be before this thread says so. A strategy that is less late can still say so itself.
constexpr std::chrono::seconds kNoticeAfter{1};
// Within what time JS hears of a decision where it hears of each one, and after how many it does at once.
// Each time costs two context switches, which is more than what a decision costs.
constexpr uint32_t kTellWithinMs = 10;
constexpr uint32_t kTellAtOnce = 512;

}  // namespace

QueueLoop::QueueLoop(const LoopOptions& options, NetlinkSocket socket, BatchMemory& memory,
                     ToldMemory& told_memory, Plans& plans, Stats& stats, std::function<void()> wake)
    : options_(options),
      hash_key_(RandomKey()),
      socket_(std::move(socket)),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      memory_(memory),
      stats_(stats),
      wake_js_(std::move(wake)),
      handoff_(wake_js_),
      told_(told_memory),
      plans_(plans),
      cache_(options.cache_ms),
      receiver_(BatchMemory::kCapacity, kDatagramBytes),
      verdicts_(options.queue.num, BatchMemory::kCapacity),
      undecided_from_(options.undecided_from) {}

QueueLoop::~QueueLoop() {
  if (wake_fd_ >= 0) close(wake_fd_);
}

void QueueLoop::RequestClose() {
  close_requested_.store(true, std::memory_order_release);
  eventfd_write(wake_fd_, 1);
}

void QueueLoop::Ping() {
  ping_.store(true, std::memory_order_release);
  eventfd_write(wake_fd_, 1);
}

void QueueLoop::AnswerPing() {
  if (!ping_.load(std::memory_order_relaxed) || !ping_.exchange(false)) return;
  pong_ = true;
  wake_js_();
}

void QueueLoop::Run() {
  // The timer slack of a thread is 50 us, which would be added to each pause (prctl(2)).
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  bool stopped_queueing = false;
  uint64_t drained_at = 0;
  while (true) {
    AnswerPing();
    const bool closing = close_requested_.load(std::memory_order_acquire);
    if (closing && !stopped_queueing) {
      // This message takes the kernel's queue lock, so whatever is queued before it is in our socket
      // afterwards. It is sent only with FAIL_OPEN, because without that, a MAXLEN of 0 would drop the
      // packets that it is meant to save.
      if (options_.queue.fail_open) {
        alignas(nlmsghdr) char buffer[kConfigBytes];
        const nlmsghdr* message = BuildStopQueueing(buffer, options_.queue.num);
        socket_.Send(message, message->nlmsg_len);
      }
      stopped_queueing = true;
      drained_at = stats_.packets.Get() + options_.queue.max_length;
    }
    // By now all that was queued is handled. Anything beyond that is newcomers to a queue without FAIL_OPEN,
    // which never end.
    if (closing && stats_.packets.Get() >= drained_at) break;

    const int received = receiver_.Receive(socket_.fd());
    if (received > 0) {
      for (int i = 0; i < received; i++) HandleDatagram(receiver_.Datagram(i));
      Settle();
      Tell();
      // One packet was most likely all there was, which poll finds out, too.
      if (closing || Gather(static_cast<uint32_t>(received)) || received > 1) continue;
      WaitForWork(false, Tell());
      continue;
    }
    if (received == -ENOBUFS) {
      stats_.enobufs.Add();
      continue;
    }
    if (closing) break;
    const bool failed = received != -EAGAIN;
    if (failed) {
      stats_.other_errors.Add();
      ReportTrouble(kTroubleSocket, -received);
    }
    WaitForWork(failed, Tell());
  }
  socket_.Close();
  finished_.store(true, std::memory_order_release);
  wake_js_();
}

bool QueueLoop::Gather(uint32_t received) {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  const uint64_t now_ns = static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
  const uint64_t pause = gathering_.Settled(received, misses_.count(), now_ns);
  if (pause == 0) return false;
  const timespec rest{0, static_cast<long>(pause)};
  nanosleep(&rest, nullptr);
  return true;
}

void QueueLoop::TellWithin(uint64_t now_ms, uint32_t within_ms) {
  tell_at_ms_ = std::min(tell_at_ms_, now_ms + within_ms);
}

int QueueLoop::Tell() {
  if (plans_.TakeShort()) {
    short_.store(true);
    wake_js_();
  }
  const uint32_t count = told_.Count();
  told_count_ = std::min(told_count_, count);
  if (count == 0) tell_at_ms_ = kNever;
  if (tell_at_ms_ == kNever) return -1;
  const uint64_t now_ms = options_.now_ms();
  // While JS has not come by, it is not woken up again for the same.
  if (now_ms < tell_at_ms_ && count < told_count_ + kTellAtOnce)
    return static_cast<int>(tell_at_ms_ - now_ms);
  tell_at_ms_ = kNever;
  told_count_ = count;
  wake_js_();
  return -1;
}

void QueueLoop::WaitForWork(bool socket_failed, int timeout_ms) {
  pollfd events[] = {{wake_fd_, POLLIN, 0}, {socket_.fd(), POLLIN, 0}};
  poll(events, socket_failed ? 1 : 2, socket_failed ? kTroublePauseMs : timeout_ms);
  eventfd_t count;
  if (events[0].revents) eventfd_read(wake_fd_, &count);
}

void QueueLoop::HandleDatagram(std::span<const uint8_t> datagram) {
  const auto* message = reinterpret_cast<const nlmsghdr*>(datagram.data());
  int left = static_cast<int>(datagram.size());
  while (left >= static_cast<int>(sizeof(nlmsghdr))) {
    if (message->nlmsg_type == (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET)) {
      if (packet_count_ == BatchMemory::kCapacity) Settle();
      if (ParsePacket(reinterpret_cast<const uint8_t*>(message), left, packets_[packet_count_])) {
        packet_count_++;
        stats_.packets.Add();
      } else {
        stats_.malformed.Add();
      }
    } else if (message->nlmsg_type == NLMSG_ERROR &&
               left >= static_cast<int>(kMessageHeaderBytes + sizeof(int))) {
      CountError(MessageError(message));
    }
    if (!IsMessage(message, left)) break;
    message = NextMessage(message, left);
  }
}

void QueueLoop::CountError(int error) {
  switch (error) {
    case 0:
      break;
    case ENOENT:
      stats_.enoent.Add();
      break;
    case EPERM:
      stats_.eperm.Add();
      ReportTrouble(kTroublePermission, error);
      break;
    case ENODEV:
      stats_.enodev.Add();
      ReportTrouble(kTroubleGone, error);
      break;
    default:
      stats_.other_errors.Add();
  }
}

void QueueLoop::Settle() {
  if (packet_count_ == 0) return;
  const uint64_t now_ms = options_.now_ms();
  SettleKnown(now_ms);
  if (misses_.count() > 0) SettleMisses(now_ms);
  packet_count_ = 0;
}

void QueueLoop::SettleKnown(uint64_t now_ms) {
  misses_.Clear();
  std::lock_guard lock(cache_mutex_);
  tellable_ = told_.room();
  {
    Plans::Reader plans(plans_);
    for (uint32_t i = 0; i < packet_count_; i++) slots_[i] = FindDecision(packets_[i], plans, now_ms);
  }
  SendVerdicts(false);
  NotePlanned(now_ms);
}

void QueueLoop::NotePlanned(uint64_t now_ms) {
  for (uint32_t i = 0; i < packet_count_; i++) {
    const Slot& slot = slots_[i];
    if (slot.kind != Slot::kPlanned) continue;
    uint32_t within_ms = kTellWithinMs;
    if (!slot.tell) {
      // The room for the others of the batch stays theirs.
      if (told_.room() <= BatchMemory::kCapacity) continue;
      const Sampling::Share* share = sampling_.Takes(packets_[i].flow, slot.mark, now_ms);
      if (share == nullptr) continue;
      within_ms = share->tell_within_ms;
    }
    told_.Note(packets_[i], slot.mark, now_ms);
    TellWithin(now_ms, within_ms);
  }
}

void QueueLoop::SettleMisses(uint64_t received_ms) {
  const bool answered = AskForMisses(received_ms);
  if (!answered) NoteLate(received_ms);
  const uint64_t now_ms = options_.now_ms();
  std::lock_guard lock(cache_mutex_);
  if (answered) {
    ReadAnswers(now_ms);
    handoff_.Release();
  }
  SendVerdicts(true);
}

void QueueLoop::NoteLate(uint64_t received_ms) {
  for (uint32_t i = 0; i < misses_.count(); i++) {
    const Packet& packet = *misses_[i].packet;
    if (packet.flow.identifies_flow()) told_.Note(packet, BatchMemory::kKernelDecides, received_ms);
  }
  // JS may have come back just before, and there may be no other packet for long.
  wake_js_();
}

bool QueueLoop::IsMarked(const Packet& packet) const {
  const uint32_t field = packet.old_mark & options_.mask;
  const uint32_t from = undecided_from_.load(std::memory_order_relaxed);
  return field != 0 && (from == 0 || field < from);
}

QueueLoop::Slot QueueLoop::FindDecision(const Packet& packet, Plans::Reader& plans, uint64_t now_ms) {
  // A packet that has a mark already comes from rules that do not look at it, and would be queued again after
  // NF_REPEAT for ever. An ICMP error has the mark of the connection that it is about, and never gets
  // NF_REPEAT.
  if (IsMarked(packet) && !packet.flow.is_icmp_error()) return Slot{Slot::kMarked, 0, 0, false};
  const uint64_t hash = packet.flow.Hash(hash_key_);
  uint32_t finds = 0;
  const auto known =
      packet.flow.identifies_flow() ? cache_.Find(packet.flow, hash, now_ms, &finds) : std::nullopt;
  if (!known) {
    // What JS could not be told of is asked about, so that no decision is missing in its log.
    const auto planned = plans.Choose(packet, packet.old_mark & options_.mask, now_ms, tellable_ > 0);
    if (!planned) return Slot{Slot::kMissed, 0, misses_.Add(packet, hash), false};
    if (planned->tell) tellable_--;
    if (packet.flow.identifies_flow()) cache_.Remember(packet.flow, hash, planned->mark, now_ms);
    return Slot{Slot::kPlanned, planned->mark, 0, planned->tell};
  }
  return Slot{finds > kLoopFinds ? Slot::kLooping : Slot::kFound, *known, 0, false};
}

bool QueueLoop::AskForMisses(uint64_t received_ms) {
  const uint32_t count = misses_.count();
  for (uint32_t i = 0; i < count; i++) answers_[i] = BatchMemory::kKernelDecides;
  if (!handoff_.Idle()) {
    stats_.late_flows.Add(count);
    SayLate();
    return false;
  }
  said_late_ = false;
  for (uint32_t i = 0; i < count; i++)
    memory_.Fill(i, *misses_[i].packet, BatchMemory::kKernelDecides, received_ms);
  if (handoff_.Ask(count, options_.deadline)) return true;
  stats_.late.Add();
  stats_.late_flows.Add(count);
  return false;
}

void QueueLoop::SayLate() {
  if (said_late_ || options_.late_notice.empty() || handoff_.Lateness() < kNoticeAfter) return;
  said_late_ = true;
  // A full pipe that nobody reads must not stop the packets. SIGPIPE is blocked in this thread.
  pollfd writable{STDERR_FILENO, POLLOUT, 0};
  if (poll(&writable, 1, 0) != 1 || !(writable.revents & POLLOUT)) return;
  [[maybe_unused]] const ssize_t written =
      write(STDERR_FILENO, options_.late_notice.data(), options_.late_notice.size());
}

void QueueLoop::ReadAnswers(uint64_t now_ms) {
  for (uint32_t i = 0; i < misses_.count(); i++) {
    // Each answer is read only once, so a callback that keeps writing after its return cannot get past the
    // check.
    const uint32_t mark = std::atomic_ref(memory_.marks[i]).load(std::memory_order_relaxed);
    if (mark == BatchMemory::kKernelDecides) continue;
    const Misses::Miss& miss = misses_[i];
    const bool dropped = IsDropped(*miss.packet, mark);
    if (mark & ~options_.mask && !dropped) {
      stats_.invalid.Add();
      continue;
    }
    answers_[i] = mark;
    if (!dropped && miss.packet->flow.identifies_flow())
      cache_.Remember(miss.packet->flow, miss.hash, mark, now_ms);
  }
}

/** With a mask of all 32 bits kDrop is a mark like others, except for ICMP errors, which never need one. */
bool QueueLoop::IsDropped(const Packet& packet, uint32_t mark) const {
  return mark == BatchMemory::kDrop && (packet.flow.is_icmp_error() || mark & ~options_.mask);
}

void QueueLoop::SendVerdicts(bool missed) {
  verdicts_.Clear();
  uint32_t asked = 0;
  for (uint32_t i = 0; i < packet_count_; i++) {
    const Packet& packet = packets_[i];
    const Slot& slot = slots_[i];
    if ((slot.kind == Slot::kMissed) != missed) continue;
    // Misses are numbered in the order of their first packets, so a number that was seen before is a
    // duplicate.
    const bool answer = slot.kind == Slot::kMissed && slot.miss == asked;
    if (answer) asked++;
    const bool first = answer || slot.kind == Slot::kPlanned;
    if (slot.kind == Slot::kPlanned) stats_.planned.Add();
    const uint32_t mark = slot.kind == Slot::kMissed ? answers_[slot.miss] : slot.mark;
    if (mark == BatchMemory::kKernelDecides) {
      verdicts_.Add(packet.id, NF_ACCEPT);
      (IsMarked(packet) ? stats_.marked : stats_.kernel_decided).Add();
      continue;
    }
    const bool is_error = packet.flow.is_icmp_error();
    if (IsDropped(packet, mark)) {
      verdicts_.Add(packet.id, NF_DROP);
      (is_error ? stats_.dropped_errors : stats_.dropped).Add();
      continue;
    }
    const bool looping = slot.kind == Slot::kLooping;
    if (looping) stats_.loops.Add();
    // An ICMP error is never repeated, because it is not remembered, so that a loop would not be noticed.
    verdicts_.Add(packet.id, looping || is_error ? NF_ACCEPT : options_.verdict,
                  (packet.old_mark & ~options_.mask) | mark);
    (first ? stats_.decisions : stats_.cache_hits).Add();
  }
  if (verdicts_.count() == 0) return;

  int error;
  while ((error = socket_.Send(verdicts_.data(), verdicts_.size()))) {
    if (error != ENOBUFS && error != ENOMEM && error != EAGAIN) break;
    poll(nullptr, 0, kRetryMs);
  }
  if (error) {
    stats_.other_errors.Add();
    ReportTrouble(kTroubleSocket, error);
    return;
  }
  stats_.batches.Add();
  stats_.verdicts.Add(verdicts_.count());
}

size_t QueueLoop::Forget(uint32_t mark, uint32_t mask) {
  std::lock_guard lock(cache_mutex_);
  size_t forgotten = cache_.Forget(mark, mask, options_.now_ms());
  // The answers are written and not read yet.
  if (handoff_.Answered()) {
    for (uint32_t& answer : memory_.marks) {
      std::atomic_ref value(answer);
      const uint32_t given = value.load(std::memory_order_relaxed);
      if (given == BatchMemory::kKernelDecides || (given & mask) != mark) continue;
      value.store(BatchMemory::kKernelDecides, std::memory_order_relaxed);
    }
  }
  return forgotten;
}

void QueueLoop::ReportTrouble(Trouble trouble, int error) {
  if (reported_trouble_ & trouble) return;
  reported_trouble_ |= trouble;
  last_errno_ = error;
  trouble_ |= trouble;
  wake_js_();
}

}  // namespace wanmark
