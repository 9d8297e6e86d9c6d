#include "conntrack/tally.h"

#include <linux/netfilter/nf_conntrack_tcp.h>

#include <algorithm>
#include <utility>

namespace wanmark {

namespace {

/** Whether counter `a` has passed `b`; both wrap. */
bool IsBehind(uint32_t a, uint32_t b) { return static_cast<int32_t>(b - a) > 0; }

}  // namespace

CtTally::CtTally(const CountField& field, CountMemory& memory)
    : field_(field), memory_(memory), numbers_(memory.numbers) {}

uint16_t CtTally::NumberOf(const CtEntry& entry) const {
  const uint32_t number = field_.NumberOf(entry.mark);
  return number < numbers_.size() && !entry.is_clash() ? static_cast<uint16_t>(number) : 0;
}

bool CtTally::Counts(const CtEntry& entry) const {
  return field_.established ? entry.is_established() : entry.is_live();
}

uint32_t CtTally::Decided(uint32_t number) const {
  return std::atomic_ref(memory_.decided(number)).load(std::memory_order_relaxed) +
         std::atomic_ref(memory_.planned(number)).load(std::memory_order_relaxed);
}

bool CtTally::Resolve(uint32_t number) {
  Number& n = numbers_[number];
  if (!IsBehind(n.resolved, Decided(number))) return false;
  n.resolved++;
  return true;
}

void CtTally::Publish(uint32_t number) {
  const Number& n = numbers_[number];
  std::atomic_ref(memory_.count(number))
      .store(n.known - n.resolved - std::min(n.presumed, n.known), std::memory_order_relaxed);
}

void CtTally::Exclude(std::shared_ptr<const CtExclusion> exclusion) {
  exclusion_ = std::move(exclusion);
  exclusion_changed_ = true;
}

void CtTally::OnUpdate(const CtEntry& entry) {
  const uint16_t number = NumberOf(entry);
  // An update that does not tell the TCP state changed something else.
  if (number == 0 || (entry.is_tcp() && entry.tcp_state == kTcpStateUntold)) return;
  if (IsExcluded(entry)) return;
  if (Counts(entry)) {
    Add(entry, number);
    return;
  }
  if (Remove(entry)) {
    ended_++;
    return;
  }
  // This one came and went unseen: it was refused, or its beginning was lost in an overrun.
  if (entry.tcp_state != TCP_CONNTRACK_FIN_WAIT && !entry.is_reset()) return;
  if (Resolve(number)) {
    numbers_[number].by_events++;
    Publish(number);
  }
}

void CtTally::OnDestroy(const CtEntry& entry) {
  if (Remove(entry)) ended_++;
}

void CtTally::Add(const CtEntry& entry, uint16_t number) {
  const uint16_t before = known_.Find(entry.key);
  if (before == number) return;
  // Its mark has been changed.
  if (before) Remove(entry);
  known_.Insert(entry.key, number);
  Number& n = numbers_[number];
  n.known++;
  if (dumping_ && dumped_.Insert(entry.key, number)) n.dumped++;
  if (!before && Resolve(number)) n.by_events++;
  Publish(number);
}

bool CtTally::Remove(const CtEntry& entry) {
  if (dumping_) {
    if (const uint16_t number = dumped_.Erase(entry.key)) numbers_[number].dumped--;
    departed_.Insert(entry.key, 1);
  }
  const uint16_t number = known_.Erase(entry.key);
  if (number == 0) return false;
  numbers_[number].known--;
  Publish(number);
  return true;
}

void CtTally::Cut() {
  for (uint32_t i = 0; i < numbers_.size(); i++) {
    Number& n = numbers_[i];
    n.cut = Decided(i);
    n.resolved_at_cut = n.resolved;
    n.by_events = n.by_dump = 0;
  }
}

void CtTally::BeginDump(uint64_t now, uint64_t horizon) {
  AbandonDump();
  dumping_ = true;
  horizon_ = std::min(horizon, CtExpiry::kHorizonUs);
  next_expiry_->Clear(now);
}

void CtTally::OnDumped(const CtEntry& entry, uint64_t now) {
  const uint16_t number = NumberOf(entry);
  if (number == 0 || !Counts(entry) || IsExcluded(entry) || departed_.Find(entry.key)) return;
  Number& n = numbers_[number];
  if (!dumped_.Insert(entry.key, number)) return;
  n.dumped++;
  // The kernel rounds the seconds down, so half a second is added for what is missing on average.
  const uint64_t left = uint64_t{entry.timeout} * 1'000'000 + 500'000;
  if (left <= horizon_) next_expiry_->Add(now + left, entry.key);
  if (!known_.Insert(entry.key, number)) return;
  n.known++;
  found_++;
  if (Resolve(number)) n.by_dump++;
  Publish(number);
}

void CtTally::EndDump() {
  dumping_ = false;
  // Everything that lives is in the dump, except for the few that expired meanwhile. All other known
  // connections have ended without an event, or are left out from now on, which is no sample of the former.
  const bool is_sample = !std::exchange(exclusion_changed_, false);
  if (is_sample && known_.size() > dumped_.size()) missed_ += known_.size() - dumped_.size();
  const auto exposed = static_cast<double>(exposure_ - exposure_at_dump_);
  exposure_at_dump_ = exposure_;
  std::swap(known_, dumped_);
  std::swap(expiry_, next_expiry_);
  for (uint32_t i = 0; i < numbers_.size(); i++) {
    Number& n = numbers_[i];
    // The dump has resolved all decisions before the cut. Of the later ones, those are resolved that events
    // followed, and those that the dump showed beyond what was pending at the cut.
    const uint32_t was_pending = n.cut - n.resolved_at_cut;
    const uint32_t later = n.by_events + (n.by_dump > was_pending ? n.by_dump - was_pending : 0);
    const uint32_t decided = Decided(i);
    const uint32_t resolved = IsBehind(n.cut + later, decided) ? n.cut + later : decided;
    // This adds the ends that were missed to the connections of which both the beginning and the end were
    // missed.
    const uint32_t missed = (n.known > n.dumped ? n.known - n.dumped : 0) +
                            (IsBehind(n.resolved, resolved) ? resolved - n.resolved : 0);
    const double each = exposed > 0 ? missed / exposed : 0;
    // One interval is a small sample, so the new value counts for half, unless there was none before.
    if (is_sample) n.missed_each = n.missed_each > 0 ? (n.missed_each + each) / 2 : each;
    n.presumed = 0;
    n.known = n.dumped;
    n.resolved = resolved;
    Publish(i);
  }
  AbandonDump();
}

void CtTally::AbandonDump() {
  dumping_ = false;
  dumped_.Clear();
  departed_.Clear();
  for (Number& n : numbers_) n.dumped = 0;
}

void CtTally::Expire(uint64_t now) {
  // Remove is not used here, because a running dump knows better whether the connection still lives.
  expiry_->Take(now, [this](uint64_t key) {
    if (const uint16_t number = known_.Erase(key)) {
      numbers_[number].known--;
      Publish(number);
    }
  });
}

void CtTally::Expose(uint64_t exposure) {
  if (exposure == exposure_) return;
  exposure_ = exposure;
  const auto exposed = static_cast<double>(exposure_ - exposure_at_dump_);
  for (uint32_t i = 0; i < numbers_.size(); i++) {
    Number& n = numbers_[i];
    if (n.missed_each == 0) continue;
    n.presumed = static_cast<uint32_t>(n.missed_each * exposed);
    Publish(i);
  }
}

uint64_t CtTally::decisions() const {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < numbers_.size(); i++) sum += Decided(i);
  return sum;
}

bool CtTally::has_pending() const {
  for (uint32_t i = 0; i < numbers_.size(); i++) {
    if (IsBehind(numbers_[i].resolved, Decided(i))) return true;
  }
  return false;
}

}  // namespace wanmark
