#include "conntrack/loop.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include "base/netlink.h"
#include "base/random_key.h"
#include "conntrack/messages.h"

namespace wanmark {

namespace {

// The size of an event's buffer. An event of ctnetlink has at most 600 bytes: two IPv6 tuples, status, mark,
// accounting, TCP.
constexpr size_t kEventBytes = 1024;
constexpr size_t kEventBatch = 64;
// The most batches of events that are read between two datagrams of a dump. Without a limit the dump might
// never end.
constexpr int kEventBatchesAtOnce = 16;
// The kernel fills datagrams of a dump up to 32 KiB when they are read with as much (netlink_recvmsg).
constexpr size_t kDumpBytes = 32 << 10;
// How long it takes at most until a decision's connection is in the table. It is there once its verdict is
// sent.
constexpr uint64_t kGraceUs = 50'000;
constexpr uint64_t kTickUs = 100'000;
// How long events are left to gather, so that the packets that cause them do not each wake this thread up. A
// buffer below kGatherBuffer cannot hold what gathers.
constexpr int kGatherMs = 5;
constexpr uint32_t kGatherBuffer = 1 << 20;
// Above this rate UPDATE events are given up for a while. Each event costs the packet that causes it some 2
// us and us another 1, and for each one that we are shown, the filter drops one.
constexpr uint64_t kMostEventsPerSecond = 20'000;
constexpr uint64_t kUpdatesPauseUs = 10'000'000;
// How many entries that are not ours make one more pass over the table worth it. A filtered dump walks the
// whole table once for each bit of the numbers. A walk costs some 10 ms, an entry that is shown 3 us, one
// that is skipped 0.2 us.
constexpr uint64_t kEntriesWorthAPass = 10'000;
constexpr uint32_t kFilteredDumps = 32;
constexpr int kDumpTimeoutMs = 2000;
constexpr int kNice = 10;
// The pause after a receive error that has no name here. A close request ends it.
constexpr int kTroublePauseMs = 100;
constexpr uint64_t kRetryUs = 1'000'000;

uint64_t Clock(clockid_t id) {
  timespec time{};
  clock_gettime(id, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000 + static_cast<uint64_t>(time.tv_nsec) / 1000;
}

uint64_t NowUs() { return Clock(CLOCK_MONOTONIC); }
uint64_t ThreadCpuUs() { return Clock(CLOCK_THREAD_CPUTIME_ID); }

int SetMembership(int fd, int option, int group) {
  return setsockopt(fd, SOL_NETLINK, option, &group, sizeof(group)) < 0 ? errno : 0;
}

int AttachFilter(int fd, const CtOptions& options) {
  std::vector<sock_filter> filter = BuildCtEventFilter(options.field.mask, options.field.established);
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? errno : 0;
}

int OpenDumpSocket(NetlinkSocket& socket) {
  if (const int error = socket.Open(NETLINK_NETFILTER)) return error;
  return socket.BindAndConnect();
}

}  // namespace

CtSockets OpenCt(const CtOptions& options) {
  CtSockets sockets;
  const auto fail = [&](CtStep step) { sockets.failed = step; };
  if ((sockets.error = OpenDumpSocket(sockets.dump))) {
    fail(CtStep::kSocket);
    return sockets;
  }
  // No packet has this tuple, so the kernel must answer that there is no such connection.
  CtTuple nowhere;
  nowhere.family = AF_INET;
  nowhere.proto = IPPROTO_UDP;
  alignas(nlmsghdr) char buffer[kCtMessageBytes];
  sockets.error = sockets.dump.Request(BuildCtGet(buffer, nowhere));
  if (sockets.error && sockets.error != ENOENT) {
    fail(sockets.error == EPERM ? CtStep::kPrivilege : CtStep::kSupport);
    return sockets;
  }
  sockets.error = sockets.events.Open(NETLINK_NETFILTER);
  if (!sockets.error) sockets.receive_buffer = sockets.events.SetReceiveBuffer(options.receive_buffer);
  const int fd = sockets.events.fd();
  if (!sockets.error) sockets.error = AttachFilter(fd, options);
  if (!sockets.error) sockets.error = sockets.events.BindAndConnect();
  if (!sockets.error) sockets.error = SetMembership(fd, NETLINK_ADD_MEMBERSHIP, NFNLGRP_CONNTRACK_DESTROY);
  if (!sockets.error && options.updates) {
    sockets.error = SetMembership(fd, NETLINK_ADD_MEMBERSHIP, NFNLGRP_CONNTRACK_UPDATE);
  }
  if (sockets.error) fail(sockets.error == EPERM ? CtStep::kPrivilege : CtStep::kEvents);
  return sockets;
}

CtLoop::CtLoop(const CtOptions& options, CtSockets sockets, CountMemory& memory, CtStats& stats,
               std::function<void()> wake)
    : options_(options),
      hash_key_(RandomKey()),
      granted_buffer_(sockets.receive_buffer),
      dump_socket_(std::move(sockets.dump)),
      event_socket_(std::move(sockets.events)),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      stats_(stats),
      wake_js_(std::move(wake)),
      tally_(options.field, memory),
      pace_(options.least_interval_us),
      receiver_(kEventBatch, kEventBytes),
      dump_buffer_(kDumpBytes),
      listens_to_updates_(options.updates) {
  stats_.receive_buffer.store(granted_buffer_, std::memory_order_relaxed);
  const int bits = std::bit_width(memory.numbers - 1);
  // The kernel can compare, but it cannot be asked for "not 0". Each number other than 0 has exactly one
  // lowest bit, so one pass for each bit shows all of them.
  for (int i = 0; i < bits; i++) {
    const uint32_t lowest = 1u << (i + options.field.shift());
    passes_.push_back({lowest, (lowest | (lowest - 1)) & options.field.mask});
  }
}

CtLoop::~CtLoop() {
  if (wake_fd_ >= 0) close(wake_fd_);
}

void CtLoop::RequestClose() {
  close_requested_.store(true, std::memory_order_release);
  eventfd_write(wake_fd_, 1);
}

void CtLoop::Exclude(std::shared_ptr<const CtExclusion> exclusion) {
  const std::lock_guard lock(exclusion_mutex_);
  next_exclusion_ = std::move(exclusion);
  exclusion_waits_.store(true, std::memory_order_release);
}

void CtLoop::TakeExclusion() {
  if (!exclusion_waits_.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(exclusion_mutex_);
  exclusion_waits_.store(false, std::memory_order_relaxed);
  tally_.Exclude(std::move(next_exclusion_));
}

void CtLoop::Run() {
  // A dump of a large table takes a whole CPU for some 100 ms, so packets go first. The priority is this
  // thread's alone: in Linux each thread has its own (setpriority(2), BUGS).
  setpriority(PRIO_PROCESS, 0, kNice);
  while (!Closing()) {
    if (dumping_) {
      ReadDump();
    } else {
      Rest();
      const uint64_t now = NowUs();
      tally_.Expire(now);
      Step(now);
    }
    ReadEvents();
  }
  dump_socket_.Close();
  event_socket_.Close();
  finished_.store(true, std::memory_order_release);
  wake_js_();
}

void CtLoop::Rest() {
  pollfd fds[] = {{wake_fd_, POLLIN, 0}, {event_socket_.fd(), POLLIN, 0}};
  if (had_events_ && granted_buffer_ >= kGatherBuffer) poll(fds, 1, kGatherMs);
  const uint64_t now = NowUs();
  const uint64_t next = std::min(cut_at_ ? cut_at_ + kGraceUs : pace_.due(), now + kTickUs);
  if (next > now) poll(fds, 2, static_cast<int>((next - now + 999) / 1000));
}

void CtLoop::Step(uint64_t now) {
  Observe(now);
  LimitUpdates(now);
  if (!cut_at_) {
    const bool unsettled = tally_.has_pending() || overrun_at_ || !listens_to_updates_ ||
                           exclusion_waits_.load(std::memory_order_acquire);
    const uint64_t since = unsettled ? std::max<uint64_t>({1, decided_at_, overrun_at_}) : 0;
    if (!pace_.IsDue(now, since)) return;
    tally_.Cut();
    cut_at_ = now;
  }
  // The first dump need not wait, since there are no decisions before it.
  if (now >= cut_at_ + kGraceUs || !ready()) StartDump(now);
}

void CtLoop::Observe(uint64_t now) {
  if (now < observed_at_ + kTickUs) return;
  observed_at_ = now;
  const uint64_t decisions = tally_.decisions();
  if (decisions != decisions_) decided_at_ = now;
  if (!listens_to_updates_) Expose(decisions - decisions_);
  decisions_ = decisions;
}

void CtLoop::Expose(uint64_t more) {
  exposure_ += more;
  tally_.Expose(exposure_);
}

void CtLoop::LimitUpdates(uint64_t now) {
  if (!options_.updates || now < second_at_ + (listens_to_updates_ ? 1'000'000 : kUpdatesPauseUs)) return;
  const uint64_t events = stats_.events.Get();
  const uint64_t most = kMostEventsPerSecond * (now - second_at_) / 1'000'000;
  const bool listen = !listens_to_updates_ || second_at_ == 0 || events - events_at_second_ <= most;
  second_at_ = now;
  events_at_second_ = events;
  if (listen == listens_to_updates_) return;
  const int option = listen ? NETLINK_ADD_MEMBERSHIP : NETLINK_DROP_MEMBERSHIP;
  if (const int error = SetMembership(event_socket_.fd(), option, NFNLGRP_CONNTRACK_UPDATE)) {
    ReportTrouble(error);
    return;
  }
  listens_to_updates_ = listen;
}

void CtLoop::ChoosePasses() {
  const size_t bits = passes_.size();
  if (filtered_ && bits > 1 && --dumps_until_unfiltered_ == 0) {
    filtered_ = false;
  } else if (!filtered_) {
    const uint64_t others = shown_ - shown_ours_;
    filtered_ = bits == 1 || others > kEntriesWorthAPass * bits + shown_ours_ * bits / 8;
    dumps_until_unfiltered_ = kFilteredDumps;
  }
}

void CtLoop::StartDump(uint64_t now) {
  stats_.interval_us.store(started_at_ ? now - started_at_ : 0, std::memory_order_relaxed);
  ChoosePasses();
  TakeExclusion();
  dumping_ = true;
  started_at_ = filled_at_ = now;
  cost_us_ = 0;
  pass_ = 0;
  shown_ = shown_ours_ = 0;
  // The horizon is twice the pause that follows a dump of the last one's cost, so that a dump may come late.
  tally_.BeginDump(now, 2 * std::max(last_cost_us_ * CtPace::kInverseShare, CtPace::kIdleUs));
  SendPass();
}

void CtLoop::SendPass() {
  const uint64_t cpu = ThreadCpuUs();
  alignas(nlmsghdr) char buffer[kCtMessageBytes];
  const Pass pass = filtered_ ? passes_[pass_] : Pass{0, 0};
  const nlmsghdr* message = BuildCtDump(buffer, pass.mark, pass.mask);
  const int error = dump_socket_.Send(message, message->nlmsg_len);
  cost_us_ += ThreadCpuUs() - cpu;
  if (error) FailDump(error);
}

void CtLoop::ReadDump() {
  const uint64_t cpu = ThreadCpuUs();
  const ssize_t size = recv(dump_socket_.fd(), dump_buffer_.data(), dump_buffer_.size(), MSG_DONTWAIT);
  if (size >= 0) {
    ReadDumped(static_cast<size_t>(size));
    // By taking a datagram we have just made the kernel fill the next one.
    filled_at_ = NowUs();
  } else if (errno == EAGAIN) {
    // The kernel fills a datagram whenever we take one, so this does not happen. If it did, it would be an
    // endless loop without the poll.
    pollfd fds[] = {{dump_socket_.fd(), POLLIN, 0}, {wake_fd_, POLLIN, 0}};
    if (poll(fds, 2, kDumpTimeoutMs) == 0) FailDump(ETIMEDOUT);
  } else if (errno != EINTR) {
    FailDump(errno);
  }
  if (dumping_) cost_us_ += ThreadCpuUs() - cpu;
}

void CtLoop::ReadDumped(size_t size) {
  const auto* message = reinterpret_cast<const nlmsghdr*>(dump_buffer_.data());
  int left = static_cast<int>(size);
  while (IsMessage(message, left)) {
    if (message->nlmsg_type == NLMSG_DONE) return EndPass();
    if (message->nlmsg_type == NLMSG_ERROR) {
      if (message->nlmsg_len < kMessageHeaderBytes + sizeof(nlmsgerr)) return FailDump(EBADMSG);
      return FailDump(MessageError(message));
    }
    CtEntry entry;
    const std::span bytes(reinterpret_cast<const uint8_t*>(message), message->nlmsg_len);
    if (ParseCtEntry(bytes, hash_key_, entry)) {
      shown_++;
      if (entry.mark & options_.field.mask) {
        shown_ours_++;
        tally_.OnDumped(entry, filled_at_);
      }
    }
    message = NextMessage(message, left);
  }
}

void CtLoop::EndPass() {
  if (filtered_ && ++pass_ < passes_.size()) return SendPass();
  EndDump();
}

void CtLoop::EndDump() {
  const uint64_t cpu = ThreadCpuUs();
  tally_.EndDump();
  dumping_ = false;
  cut_at_ = 0;
  // An overrun during this dump is left to the next one.
  if (overrun_at_ < started_at_) overrun_at_ = 0;
  stats_.dumps.Add();
  stats_.entries.Add(shown_);
  stats_.missed.Add(tally_.missed() - stats_.missed.Get());
  stats_.found.Add(tally_.found() - stats_.found.Get());
  const uint64_t events = stats_.events.Get();
  const uint64_t changes = tally_.missed() + tally_.found();
  const bool active = events != events_at_dump_ || changes != changes_at_dump_ ||
                      decisions_ != decisions_at_dump_ || overrun_at_;
  events_at_dump_ = events;
  changes_at_dump_ = changes;
  decisions_at_dump_ = decisions_;
  cost_us_ += ThreadCpuUs() - cpu;
  stats_.dump_us.Add(cost_us_);
  last_cost_us_ = cost_us_;
  pace_.Ended(started_at_, cost_us_, active);
  if (!ready_.exchange(true)) wake_js_();
}

void CtLoop::FailDump(int error) {
  tally_.AbandonDump();
  dumping_ = false;
  cut_at_ = 0;
  stats_.dump_us.Add(cost_us_);
  ReportTrouble(error);
  // A new socket is opened, because the rest of this dump would be taken for the next one.
  if (const int again = OpenDumpSocket(dump_socket_)) ReportTrouble(again);
  pace_.Ended(started_at_, std::max(cost_us_, kRetryUs / CtPace::kInverseShare), true);
}

void CtLoop::ReadEvents() {
  const uint64_t cpu = ThreadCpuUs();
  const uint64_t ended = tally_.ended();
  bool overrun = false;
  had_events_ = false;
  for (int i = 0; i < kEventBatchesAtOnce; i++) {
    const int received = receiver_.Receive(event_socket_.fd());
    if (received == -EAGAIN) break;
    if (received == -ENOBUFS) {
      stats_.overruns.Add();
      overrun = true;
      overrun_at_ = NowUs();
      GrowBuffer();
      continue;
    }
    if (received < 0) {
      ReportTrouble(-received);
      pollfd wake{wake_fd_, POLLIN, 0};
      poll(&wake, 1, kTroublePauseMs);
      break;
    }
    had_events_ = true;
    stats_.events.Add(static_cast<uint64_t>(received));
    for (int k = 0; k < received; k++) ReadEvent(receiver_.Datagram(static_cast<size_t>(k)));
  }
  if (overrun) Expose(1 + tally_.ended() - ended);
  if (had_events_) stats_.event_us.Add(ThreadCpuUs() - cpu);
}

void CtLoop::GrowBuffer() {
  // The kernel grants twice the size that was asked for (socket(7)).
  if (granted_buffer_ > options_.most_receive_buffer) return;
  granted_buffer_ = std::max(granted_buffer_, event_socket_.SetReceiveBuffer(granted_buffer_));
  stats_.receive_buffer.store(granted_buffer_, std::memory_order_relaxed);
}

void CtLoop::ReadEvent(std::span<const uint8_t> datagram) {
  CtEntry entry;
  if (!ParseCtEntry(datagram, hash_key_, entry)) return;
  switch (reinterpret_cast<const nlmsghdr*>(datagram.data())->nlmsg_type) {
    case NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW:
      tally_.OnUpdate(entry);
      break;
    case NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE:
      tally_.OnDestroy(entry);
      break;
  }
}

void CtLoop::ReportTrouble(int error) {
  stats_.errors.Add();
  if (std::exchange(reported_trouble_, true)) return;
  trouble_ = error;
  wake_js_();
}

}  // namespace wanmark
