#include "queue/plans.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/random_key.h"

namespace wanmark {

Plans::Plans() : asked_flows_(0, FlowHash{RandomKey()}) {}

std::optional<uint32_t> Plans::Append(PlanKey key, std::span<const uint32_t> marks, uint32_t repeat,
                                      uint32_t repeated, bool whole) {
  std::lock_guard lock(mutex_);
  Plan& plan = SequenceOf(key, repeat);
  if (plan.progress.repeated != repeated) return std::nullopt;
  const uint32_t count = Add(plan, marks);
  if (whole) plan.short_at = 0;
  return count;
}

PlanProgress Plans::Replace(PlanKey key, std::span<const uint32_t> marks, uint32_t repeat, uint32_t used,
                            uint32_t keep) {
  std::lock_guard lock(mutex_);
  Plan& plan = SequenceOf(key, repeat);
  const PlanProgress progress = ProgressOf(plan);
  const uint32_t used_since = plan.progress.used - used;
  const uint32_t kept = used_since < keep ? keep - used_since : 0;
  plan.end = plan.begin + std::min(kept, progress.ahead);
  plan.made = 0;
  Add(plan, marks);
  return progress;
}

void Plans::SetTable(PlanKey key, std::vector<uint32_t> marks, HashFields fields) {
  auto plan = std::make_shared<Plan>();
  plan->table = std::move(marks);
  plan->fields = fields;
  std::lock_guard lock(mutex_);
  std::swap(plans_[key], plan);
  if (plan != nullptr) Retire(key, *plan);
}

PlanProgress Plans::Clear(PlanKey key) {
  std::lock_guard lock(mutex_);
  const auto found = plans_.find(key);
  if (found == plans_.end()) return PlanProgress{};
  const std::shared_ptr<Plan> plan = found->second;
  std::erase_if(plans_, [&](const auto& entry) { return entry.second == plan; });
  Retire(key, *plan);
  return ProgressOf(*plan);
}

void Plans::Share(PlanKey key, PlanKey other) {
  std::lock_guard lock(mutex_);
  const auto found = plans_.find(key);
  if (found != plans_.end()) plans_[other] = found->second;
}

PlanProgress Plans::Progress(PlanKey key) const {
  std::lock_guard lock(mutex_);
  const Plan* plan = Find(key);
  return plan == nullptr ? PlanProgress{} : ProgressOf(*plan);
}

std::optional<uint32_t> Plans::Take(PlanKey key) {
  std::lock_guard lock(mutex_);
  Plan* plan = Find(key);
  return plan == nullptr || !plan->table.empty() ? std::nullopt : Next(*plan);
}

PlanProgress Plans::ProgressOf(const Plan& plan) {
  PlanProgress progress = plan.progress;
  progress.ahead = plan.end - plan.begin;
  return progress;
}

void Plans::TellSome(PlanKey key, bool some) {
  std::lock_guard lock(mutex_);
  if (Plan* plan = Find(key)) plan->tell_some = some;
}

std::vector<MarkCount> Plans::TakeCounts(PlanKey key) {
  std::lock_guard lock(mutex_);
  if (Plan* plan = Find(key)) {
    Retire(key, *plan);
    plan->counts.clear();
  }
  Counts counts;
  if (const auto found = retired_.find(key); found != retired_.end()) {
    counts = std::move(found->second);
    retired_.erase(found);
  }
  return counts;
}

void Plans::Retire(PlanKey key, const Plan& plan) {
  if (plan.counts.empty()) return;
  Counts& kept = retired_[key];
  for (const MarkCount& one : plan.counts) AddTo(kept, one);
}

void Plans::AddTo(Counts& counts, MarkCount added) {
  for (MarkCount& one : counts) {
    if (one.mark != added.mark) continue;
    one.count += added.count;
    return;
  }
  counts.push_back(added);
}

void Plans::CountIn(std::span<uint32_t> words, int shift) {
  std::lock_guard lock(mutex_);
  counted_ = words;
  counted_shift_ = shift;
}

void Plans::AskByInterface(std::vector<uint32_t> ifindexes) {
  std::lock_guard lock(mutex_);
  asked_interfaces_ = std::move(ifindexes);
}

void Plans::AskByFlow(const FlowKey& flow, uint64_t now_ms, uint64_t until_ms) {
  std::lock_guard lock(mutex_);
  if (asked_flows_.size() >= kMostAsked) {
    std::erase_if(asked_flows_, [&](const auto& asked) { return asked.second <= now_ms; });
  }
  if (asked_flows_.size() >= kMostAsked) {
    all_asked_until_ms_ = std::max(all_asked_until_ms_, until_ms);
  } else {
    asked_flows_[flow] = until_ms;
  }
}

Plans::Plan& Plans::SequenceOf(PlanKey key, uint32_t repeat) {
  std::shared_ptr<Plan>& plan = plans_[key];
  if (plan == nullptr || plan->ring.empty()) {
    if (plan != nullptr) Retire(key, *plan);
    plan = std::make_shared<Plan>();
    plan->ring.resize(kMostAhead);
  }
  plan->repeat = std::min(repeat, kMostAhead);
  return *plan;
}

Plans::Plan* Plans::Find(PlanKey key) const {
  const auto found = plans_.find(key);
  return found == plans_.end() ? nullptr : found->second.get();
}

uint32_t Plans::Add(Plan& plan, std::span<const uint32_t> marks) {
  const uint32_t room = kMostAhead - (plan.end - plan.begin);
  const auto count = std::min(room, static_cast<uint32_t>(marks.size()));
  for (uint32_t i = 0; i < count; i++) plan.ring[plan.end++ % kMostAhead] = marks[i];
  plan.made = std::min(kMostAhead, plan.made + count);
  plan.short_at = (plan.end - plan.begin + 1) / 2;
  return count;
}

std::optional<Planned> Plans::Choose(const Packet& packet, uint32_t field, uint64_t now_ms, bool can_tell) {
  const FlowKey& flow = packet.flow;
  Plan* found = Find(PlanKey{field, flow.family});
  if (found == nullptr || flow.is_icmp_error() || IsAsked(packet, now_ms)) return std::nullopt;
  Plan& plan = *found;
  const bool tell = !plan.tell_some;
  if (tell && !can_tell) return std::nullopt;
  std::optional<uint32_t> mark;
  if (plan.table.empty()) {
    mark = Next(plan);
  } else {
    mark = plan.table[PlaceOf(HashFlow(flow, plan.fields), static_cast<uint32_t>(plan.table.size()))];
  }
  if (!mark) return std::nullopt;
  Count(plan, *mark);
  return Planned{*mark, tell};
}

void Plans::Count(Plan& plan, uint32_t mark) {
  AddTo(plan.counts, {mark, 1});
  const size_t number = mark >> counted_shift_;
  // Only the holder of the mutex writes, but others read.
  if (number < counted_.size()) {
    std::atomic_ref word(counted_[number]);
    word.store(word.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
}

std::optional<uint32_t> Plans::Next(Plan& plan) {
  if (plan.begin == plan.end) {
    const uint32_t repeat = std::min(plan.repeat, plan.made);
    if (repeat == 0) return std::nullopt;
    plan.ring[plan.end % kMostAhead] = plan.ring[(plan.end - repeat) % kMostAhead];
    plan.end++;
    plan.progress.repeated++;
  }
  plan.progress.used++;
  const uint32_t mark = plan.ring[plan.begin++ % kMostAhead];
  if (plan.short_at != 0 && plan.end - plan.begin <= plan.short_at) {
    plan.short_at = 0;
    short_.store(true, std::memory_order_relaxed);
  }
  return mark;
}

bool Plans::IsAsked(const Packet& packet, uint64_t now_ms) {
  if (packet.in_ifindex != 0 &&
      std::ranges::find(asked_interfaces_, packet.in_ifindex) != asked_interfaces_.end())
    return true;
  if (now_ms < all_asked_until_ms_) return true;
  if (asked_flows_.empty()) return false;
  const auto found = asked_flows_.find(packet.flow);
  if (found == asked_flows_.end()) return false;
  if (now_ms < found->second) return true;
  asked_flows_.erase(found);
  return false;
}

}  // namespace wanmark
