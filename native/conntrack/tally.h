// The live connections of each mark number. Pure bookkeeping: what a dump and the events said comes in,
// numbers that JS reads go out.
//
// The dump is the truth. Between two of them the events refine it, and because each connection is known by
// its key, nothing is counted twice: not one that a dump shows and an event ends, not one that ended before
// it was ever counted, as the kernel's garbage collector reports them late.
//
// A decision counts from the moment it is made, as "pending", until something shows its connection: an event,
// or a dump in which it is new. Which decision led to which connection is not known and need not be: any
// connection seen for the first time takes one pending decision of its mark. What a whole dump has not shown
// by its end (the packet was dropped behind us) was no connection.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "conntrack/entry.h"
#include "conntrack/expiry.h"
#include "conntrack/set.h"

namespace wanmark {

/** Shared with JS: the connections of number n are counts[n] + decided[n], modulo 2^32 and as a signed
 * number. */
struct CountMemory {
  explicit CountMemory(uint32_t numbers)
      : numbers(numbers), words(std::make_unique<uint32_t[]>(size_t{2} * numbers)) {}

  /** Written here only. One word, so that JS never sees half of a change. */
  uint32_t& count(uint32_t number) { return words[number]; }
  /** Decisions so far, written by JS only. */
  uint32_t& decided(uint32_t number) { return words[numbers + number]; }
  size_t bytes() const { return size_t{2} * numbers * sizeof(uint32_t); }

  const uint32_t numbers;
  const std::unique_ptr<uint32_t[]> words;
};

struct CountField {
  uint32_t mask = 0xff;
  /** TCP in ESTABLISHED only, instead of everything that is live. */
  bool established = false;

  int shift() const { return __builtin_ctz(mask); }
  uint32_t NumberOf(uint32_t mark) const { return (mark & mask) >> shift(); }
};

class CtTally {
 public:
  /** `memory` outlives the tally. */
  CtTally(const CountField& field, CountMemory& memory);

  // --- events ---

  void OnUpdate(const CtEntry& entry);
  void OnDestroy(const CtEntry& entry);

  // --- dumps ---

  /** Decisions up to now will have their connections in the table, if any, when the next dump begins. */
  void Cut();
  /** `horizon`: how long it may take until the next dump has ended; what expires by then is noted. */
  void BeginDump(uint64_t now, uint64_t horizon);
  void OnDumped(const CtEntry& entry, uint64_t now);
  /** The dump has shown everything; from here on it is the truth. */
  void EndDump();
  /** The dump broke off and says nothing. */
  void AbandonDump();

  /** Takes out what has expired, going by the last dump. What was refreshed meanwhile comes back with the
   * next. */
  void Expire(uint64_t now);

  /**
   * A counter of what goes along with ends that no event tells: ends told in between, decisions while
   * nobody listens to ends. The last dumps have shown how many ends were missed for each of it; so many are
   * taken off until the next one.
   */
  void Expose(uint64_t exposure);

  /** Decisions ever, and those that nothing has shown yet. */
  uint64_t decisions() const;
  bool has_pending() const;
  /** Ends that events told. */
  uint64_t ended() const { return ended_; }
  /** Ends that no event told, found by dumps; and connections that a dump was the first to show. */
  uint64_t missed() const { return missed_; }
  uint64_t found() const { return found_; }

 private:
  struct Number {
    /** Connections known by key. */
    uint32_t known = 0;
    /** Of the running dump. */
    uint32_t dumped = 0;
    /** Decisions that are not pending any more. */
    uint32_t resolved = 0;
    /** decided and resolved at the time of Cut. */
    uint32_t cut = 0;
    uint32_t resolved_at_cut = 0;
    /** Resolved since: by events, which follow a decision within milliseconds, and by what a dump showed. */
    uint32_t by_events = 0;
    uint32_t by_dump = 0;
    /** Ends missed for each exposure, and how many that makes since the last dump. */
    double missed_each = 0;
    uint32_t presumed = 0;
  };

  /** 0 when the entry is none of ours. */
  uint16_t NumberOf(const CtEntry& entry) const;
  bool Counts(const CtEntry& entry) const;
  uint32_t Decided(uint32_t number) const;
  /** True when a decision was pending. */
  bool Resolve(uint32_t number);
  void Add(const CtEntry& entry, uint16_t number);
  /** True when it had been counted. */
  bool Remove(const CtEntry& entry);
  void Publish(uint32_t number);

  const CountField field_;
  CountMemory& memory_;
  std::vector<Number> numbers_;
  CtSet known_;
  bool dumping_ = false;
  CtSet dumped_;
  // Connections that ended while the dump ran. It may still show them alive: the kernel fills a datagram of a
  // dump before we ask for it.
  CtSet departed_;
  // Noted by the last dump, and by the one that runs.
  std::unique_ptr<CtExpiry> expiry_ = std::make_unique<CtExpiry>();
  std::unique_ptr<CtExpiry> next_expiry_ = std::make_unique<CtExpiry>();
  uint64_t horizon_ = 0;
  uint64_t exposure_ = 0;
  uint64_t exposure_at_dump_ = 0;
  uint64_t ended_ = 0;
  uint64_t missed_ = 0;
  uint64_t found_ = 0;
};

}  // namespace wanmark
