#include "queue/plans.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/random_key.h"

namespace wanmark {

Plans::Plans() : asked_flows_(0, FlowHash{RandomKey()}) {}

std::optional<uint32_t> Plans::Append(PlanKey key, std::span<const uint32_t> marks, uint32_t repeat,
                                      uint32_t repeated) {
  std::lock_guard lock(mutex_);
  Plan& plan = SequenceOf(key, repeat);
  if (plan.progress.repeated != repeated) return std::nullopt;
  return Add(plan, marks);
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
}

PlanProgress Plans::Clear(PlanKey key) {
  std::lock_guard lock(mutex_);
  const auto found = plans_.find(key);
  if (found == plans_.end()) return PlanProgress{};
  const std::shared_ptr<Plan> plan = found->second;
  std::erase_if(plans_, [&](const auto& entry) { return entry.second == plan; });
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
  return count;
}

std::optional<uint32_t> Plans::Choose(const Packet& packet, uint32_t field, uint64_t now_ms) {
  const FlowKey& flow = packet.flow;
  Plan* found = Find(PlanKey{field, flow.family});
  if (found == nullptr || flow.is_icmp_error() || IsAsked(packet, now_ms)) return std::nullopt;
  Plan& plan = *found;
  std::optional<uint32_t> mark;
  if (plan.table.empty()) {
    mark = Next(plan);
  } else {
    mark = plan.table[PlaceOf(HashFlow(flow, plan.fields), static_cast<uint32_t>(plan.table.size()))];
  }
  if (mark) Count(*mark);
  return mark;
}

void Plans::Count(uint32_t mark) {
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
  return plan.ring[plan.begin++ % kMostAhead];
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
