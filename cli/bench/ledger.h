// Keeps the books of messages: which are under way, and whether each came once, whole, in order and
// to the device it was for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace linarite::cli {

// What must not happen, and how often it did.
struct Mistakes {
  uint64_t refused = 0;      // By the hub, or without an outcome.
  uint64_t lost = 0;         // Accepted, and never received.
  uint64_t doubled = 0;      // Received again, without being marked as that.
  uint64_t changed = 0;      // Not what was sent.
  uint64_t misdirected = 0;  // Another device's.
  uint64_t disordered = 0;   // Behind a later one of the same device.

  uint64_t total() const { return refused + lost + doubled + changed + misdirected + disordered; }
  bool operator==(const Mistakes&) const = default;
};

class Ledger {
 public:
  // A body begins with the run's number and its own.
  static constexpr size_t kBodyMin = 16;
  // Entries at most, 16 bytes each. Beyond that the oldest, which waits, is given up as lost.
  static constexpr size_t kEntriesMax = size_t{4} << 20U;

  struct Options {
    size_t devices = 0;
    size_t body_bytes = kBodyMin;
    uint64_t run = 0;            // Tells the messages of this run from all others.
    bool awaits_receipt = true;  // Else a message is complete once it was accepted.
    size_t entries_max = kEntriesMax;
  };
  explicit Ledger(Options options);

  // The body of message `number`; those of two messages differ all over.
  std::string body(uint64_t number) const;

  // Messages are numbered from 0 in the order of these calls.
  void begin(size_t device, Instant due);
  uint64_t begun() const { return first_ + entries_.size(); }

  struct Step {
    size_t device = 0;
    Instant due;
    bool complete = false;  // With this the message is.
  };
  // None if it was given up before.
  std::optional<Step> accepted(uint64_t number);
  std::optional<Step> refused(uint64_t number);
  // None for a mistake, which is counted, and for a repetition that is marked as one.
  std::optional<Step> received(size_t device, std::string_view body, bool marked_as_repeated);

  // Nothing more will come: what is accepted and not received is lost, what has no outcome is
  // counted as refused.
  void close();

  uint64_t repeated() const { return repeated_; }  // And marked as that: allowed.
  const Mistakes& mistakes() const { return mistakes_; }

 private:
  struct Entry {
    Instant due;
    uint32_t device = 0;
    bool accepted = false;
    bool received = false;
    bool over = false;  // Refused.
  };

  Entry* find(uint64_t number);
  std::optional<uint64_t> number_in(std::string_view body) const;
  bool is_complete(const Entry& entry) const;
  Step step(const Entry& entry);
  void forget_complete();
  void give_up(const Entry& entry);

  const Options options_;
  std::string noise_;
  std::deque<Entry> entries_;  // From the oldest that is not complete; its number is first_.
  uint64_t first_ = 0;
  std::vector<uint64_t> behind_;  // By device: one more than the number received last.
  uint64_t repeated_ = 0;
  Mistakes mistakes_;
};

}  // namespace linarite::cli
