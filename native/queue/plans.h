// The plans of choices: what JS has decided beforehand, so that the first packet of a connection need not
// wait for it.
//
// A plan belongs to the packets of one family whose field of the mark has one value: 0, or a value that says
// how the packet is to be decided (LoopOptions::undecided_from). It is a sequence, whose choices are used up
// in their order, or a table, whose choice a hash of the packet's flow names. The loops of several queues
// share the plans, so a sequence stays one sequence over all of them. What a mark means is not known here.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "queue/flow_hash.h"
#include "queue/packet.h"

namespace wanmark {

/** Which packets a plan is for. */
struct PlanKey {
  /** The value of the field of the mark, in its place. */
  uint32_t field = 0;
  /** 4 or 6. */
  uint8_t family = 0;

  bool operator==(const PlanKey&) const = default;
  struct Hash {
    size_t operator()(const PlanKey& key) const {
      return static_cast<size_t>(uint64_t{key.field} << 8 | key.family);
    }
  };
};

/** What a plan chose. */
struct Planned {
  uint32_t mark = 0;
  /** Whether JS hears of each choice, or of some (Plans::TellSome). */
  bool tell = true;
};

/** How many packets of a plan got a mark. */
struct MarkCount {
  uint32_t mark = 0;
  uint32_t count = 0;
};

/** How far the I/O threads have come with a sequence. */
struct PlanProgress {
  /** Choices that are planned and not used. */
  uint32_t ahead = 0;
  /** How many choices were used since the plan was made, the repeated ones among them. It wraps. */
  uint32_t used = 0;
  /** How many of these repeated an earlier choice, because JS was late with more. It wraps. */
  uint32_t repeated = 0;
};

class Plans {
 public:
  /** How many choices a sequence can be ahead. A power of two. */
  static constexpr uint32_t kMostAhead = 4096;
  /** How many places a table can have. */
  static constexpr uint32_t kMostPlaces = 65536;
  /** How many flows can be asked about at a time. With more, every flow is, until some are forgotten. */
  static constexpr size_t kMostAsked = 16384;

  Plans();

  // --- the JS thread ---

  /**
   * Makes the sequence of a key go on with `marks`, at most as many as there is room for. The sequence is
   * made where there is none, or a table. When it runs out, its last `repeat` choices are used again and
   * again; 0: the packets are asked about. `repeated` is what the caller knows as PlanProgress::repeated:
   * when that has grown since, the choices do not follow the last one, and none is taken. Returns how many
   * were. `whole` says that the repeated choices are those that would follow, so that JS need not be asked
   * for more.
   */
  std::optional<uint32_t> Append(PlanKey key, std::span<const uint32_t> marks, uint32_t repeat,
                                 uint32_t repeated = 0, bool whole = false);
  /**
   * Replaces what follows the `keep` choices that came next when `used` was PlanProgress::used, as far as it
   * is not used yet. Returns the progress up to then. Keeping some gives the caller time to find the others.
   */
  PlanProgress Replace(PlanKey key, std::span<const uint32_t> marks, uint32_t repeat, uint32_t used,
                       uint32_t keep);
  /** Replaces the plan of a key by a table of 1 to kMostPlaces marks. */
  void SetTable(PlanKey key, std::vector<uint32_t> marks, HashFields fields);
  /** Makes the packets of another key use up the same plan. There must be a plan of the first key. */
  void Share(PlanKey key, PlanKey other);
  /**
   * Takes the plan of a key away, so that its packets, and those of keys that share it, are asked about.
   * Returns the progress up to then.
   */
  PlanProgress Clear(PlanKey key);
  PlanProgress Progress(PlanKey key) const;
  /**
   * Uses the next choice of a sequence for a packet that was asked about, without counting it; nothing where
   * there is none. Choices that are made while the packet waits come in their order, as if it had not been
   * asked about.
   */
  std::optional<uint32_t> Take(PlanKey key);

  /**
   * Has JS told of some of the choices of a plan, which there must be, or of each one again, as it is without
   * this. It holds until there is another plan for the key.
   */
  void TellSome(PlanKey key, bool some);
  /**
   * Returns how many packets of a key, and of those that share its plan, were given each mark since the last
   * call, by the plan that there is or by earlier ones.
   */
  std::vector<MarkCount> TakeCounts(PlanKey key);

  /**
   * Adds 1 to `words[n]` for each choice of a mark with the number n, which is the mark shifted by `shift`,
   * so that it counts at once; for numbers below `words.size()`. The words must stay until other ones, or
   * none, are given.
   */
  void CountIn(std::span<uint32_t> words, int shift);

  /** Packets that came in by these interfaces are asked about. */
  void AskByInterface(std::vector<uint32_t> ifindexes);
  /** Packets of this flow are asked about until `until_ms`. */
  void AskByFlow(const FlowKey& flow, uint64_t now_ms, uint64_t until_ms);

  // --- any thread ---

  /** Whether a sequence has become short since the last call, so that JS should say more. */
  bool TakeShort() { return short_.load(std::memory_order_relaxed) && short_.exchange(false); }

  /** Chooses for several packets at one moment: between them JS changes nothing. */
  class Reader {
   public:
    explicit Reader(Plans& plans) : plans_(plans), lock_(plans.mutex_) {}
    /**
     * Chooses for a packet; returns nothing where JS has to be asked, as when it has to hear of the choice
     * and there is no room to note it. `field` is the value of the packet's field.
     */
    std::optional<Planned> Choose(const Packet& packet, uint32_t field, uint64_t now_ms,
                                  bool can_tell = true) {
      return plans_.Choose(packet, field, now_ms, can_tell);
    }

   private:
    Plans& plans_;
    std::lock_guard<std::mutex> lock_;
  };

 private:
  // By mark. A plan has few.
  using Counts = std::vector<MarkCount>;

  struct Plan {
    // The ring of a sequence, made when it is first used.
    std::vector<uint32_t> ring;
    uint32_t repeat = 0;
    // How many choices were added since the others were replaced, up to kMostAhead: only these may be
    // repeated.
    uint32_t made = 0;
    // Both only grow, and wrap together with the places of the ring.
    uint32_t begin = 0;
    uint32_t end = 0;
    // At how many choices ahead JS is asked for more; 0: it is not, or was already.
    uint32_t short_at = 0;
    PlanProgress progress;
    bool tell_some = false;
    Counts counts;
    // Not empty for a table.
    std::vector<uint32_t> table;
    HashFields fields;
  };
  struct FlowHash {
    SipKey key;
    size_t operator()(const FlowKey& flow) const { return flow.Hash(key); }
  };

  std::optional<Planned> Choose(const Packet& packet, uint32_t field, uint64_t now_ms, bool can_tell);
  std::optional<uint32_t> Next(Plan& plan);
  void Count(Plan& plan, uint32_t mark);
  static void AddTo(Counts& counts, MarkCount added);
  /** Keeps the counts of a plan that another one follows, or none. */
  void Retire(PlanKey key, const Plan& plan);
  bool IsAsked(const Packet& packet, uint64_t now_ms);
  /** The plan of a key; null where there is none. */
  Plan* Find(PlanKey key) const;
  Plan& SequenceOf(PlanKey key, uint32_t repeat);
  static PlanProgress ProgressOf(const Plan& plan);
  static uint32_t Add(Plan& plan, std::span<const uint32_t> marks);

  // Held for as long as it takes to choose for a batch, or to copy a plan: no thread waits long.
  mutable std::mutex mutex_;
  std::unordered_map<PlanKey, std::shared_ptr<Plan>, PlanKey::Hash> plans_;
  // What plans that are gone have counted.
  std::unordered_map<PlanKey, Counts, PlanKey::Hash> retired_;
  std::atomic<bool> short_{false};
  std::span<uint32_t> counted_;
  int counted_shift_ = 0;
  std::vector<uint32_t> asked_interfaces_;
  std::unordered_map<FlowKey, uint64_t, FlowHash> asked_flows_;
  // Until when every flow is asked about, because not all of the asked ones have room.
  uint64_t all_asked_until_ms_ = 0;
};

}  // namespace wanmark
