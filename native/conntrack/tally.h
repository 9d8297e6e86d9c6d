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
//
// What an exclusion leaves out is never counted and takes no decision: nobody decided about it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "conntrack/entry.h"
#include "conntrack/exclusion.h"
#include "conntrack/expiry.h"
#include "conntrack/set.h"

namespace wanmark {

/**
 * The memory that is shared with JS. The connections of number n are counts[n] + decided[n] + planned[n],
 * modulo 2^32 and as a signed number.
 */
struct CountMemory {
  explicit CountMemory(uint32_t numbers)
      : numbers(numbers), words(std::make_unique<uint32_t[]>(size_t{3} * numbers)) {}

  /** This third is written by native code only. A count is one word, so JS never sees half of a change. */
  uint32_t& count(uint32_t number) { return words[number]; }
  /** The decisions of JS so far. This third is written by JS only. */
  uint32_t& decided(uint32_t number) { return words[numbers + number]; }
  /** The decisions of plans so far. This third is written by whoever reads the plans (queue/plans.h). */
  uint32_t& planned(uint32_t number) { return words[size_t{2} * numbers + number]; }
  size_t bytes() const { return size_t{3} * numbers * sizeof(uint32_t); }

  const uint32_t numbers;
  const std::unique_ptr<uint32_t[]> words;
};

struct CountField {
  uint32_t mask = 0xff;
  /** Whether only TCP connections in ESTABLISHED are counted, instead of everything that is live. */
  bool established = false;

  int shift() const { return __builtin_ctz(mask); }
  uint32_t NumberOf(uint32_t mark) const { return (mark & mask) >> shift(); }
};

class CtTally {
 public:
  /** `memory` must outlive the tally. */
  CtTally(const CountField& field, CountMemory& memory);

  /**
   * Sets what is left out from here on. Connections that are counted already stay so until the next dump has
   * ended.
   */
  void Exclude(std::shared_ptr<const CtExclusion> exclusion);

  // --- events ---

  void OnUpdate(const CtEntry& entry);
  void OnDestroy(const CtEntry& entry);

  // --- dumps ---

  /**
   * Says that the connections of all decisions up to now will be in the table, if anywhere, when the next
   * dump begins.
   */
  void Cut();
  /**
   * Begins a dump. `horizon` is how long it may take until the next dump has ended; connections that expire
   * by then are noted.
   */
  void BeginDump(uint64_t now, uint64_t horizon);
  void OnDumped(const CtEntry& entry, uint64_t now);
  /** Ends a dump that has shown everything. From here on it is the truth. */
  void EndDump();
  /** Drops a dump that broke off, which says nothing. */
  void AbandonDump();

  /**
   * Takes out the connections that have expired, going by the last dump. One that was refreshed meanwhile
   * comes back with the next dump.
   */
  void Expire(uint64_t now);

  /**
   * Sets the exposure: a counter of things that go along with ends that no event tells, such as ends told
   * during an overrun, or decisions made while nobody listens to ends. The last dumps have shown how many
   * ends were missed for each of them, and so many are taken off until the next dump.
   */
  void Expose(uint64_t exposure);

  /**
   * decisions() is the number of all decisions ever; has_pending() says whether there are some that nothing
   * has shown yet.
   */
  uint64_t decisions() const;
  bool has_pending() const;
  /** The ends that events told. */
  uint64_t ended() const { return ended_; }
  /**
   * missed() counts ends that no event told and a dump found, found() connections that a dump was the first
   * to show.
   */
  uint64_t missed() const { return missed_; }
  uint64_t found() const { return found_; }

 private:
  struct Number {
    /** The connections that are known by their key. */
    uint32_t known = 0;
    /** The connections that the running dump has shown. */
    uint32_t dumped = 0;
    /** The decisions that are not pending any more. */
    uint32_t resolved = 0;
    /** The values of decided and resolved at the time of Cut. */
    uint32_t cut = 0;
    uint32_t resolved_at_cut = 0;
    /**
     * The decisions resolved since Cut: by events, which follow a decision within milliseconds, and by what a
     * dump showed.
     */
    uint32_t by_events = 0;
    uint32_t by_dump = 0;
    /** The number of ends missed for each unit of exposure, and how many that makes since the last dump. */
    double missed_each = 0;
    uint32_t presumed = 0;
  };

  /** Returns the number of an entry; 0 when it is not one of ours. */
  uint16_t NumberOf(const CtEntry& entry) const;
  bool Counts(const CtEntry& entry) const;
  bool IsExcluded(const CtEntry& entry) const { return exclusion_ && exclusion_->Excludes(entry); }
  uint32_t Decided(uint32_t number) const;
  /** Takes one pending decision. Returns false when there is none. */
  bool Resolve(uint32_t number);
  void Add(const CtEntry& entry, uint16_t number);
  /** Returns whether the connection had been counted. */
  bool Remove(const CtEntry& entry);
  void Publish(uint32_t number);

  const CountField field_;
  CountMemory& memory_;
  std::vector<Number> numbers_;
  std::shared_ptr<const CtExclusion> exclusion_;
  // Whether the known connections are still those of another exclusion.
  bool exclusion_changed_ = false;
  CtSet known_;
  bool dumping_ = false;
  CtSet dumped_;
  // The connections that ended while the dump ran. The dump may still show them alive, because the kernel
  // fills each datagram before we ask for it.
  CtSet departed_;
  // What the last dump noted, and what the running one notes.
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
