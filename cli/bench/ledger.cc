#include "cli/bench/ledger.h"

#include <bit>
#include <cstring>

#include "base/random.h"

namespace linarite::cli {
namespace {

// Two messages whose numbers differ by less than this have different bytes all over.
constexpr size_t kNoiseShifts = 251;
constexpr uint64_t kNoiseSeed = 1;

static_assert(std::endian::native == std::endian::little);

}  // namespace

Ledger::Ledger(Options options)
    : options_(options),
      noise_(SeededRandom(kNoiseSeed).bytes(options.body_bytes + kNoiseShifts)),
      behind_(options.devices) {}

std::string Ledger::body(uint64_t number) const {
  std::string out(options_.body_bytes, '\0');
  std::memcpy(out.data(), &options_.run, sizeof options_.run);
  std::memcpy(out.data() + sizeof options_.run, &number, sizeof number);
  std::memcpy(out.data() + kBodyMin, noise_.data() + number % kNoiseShifts, out.size() - kBodyMin);
  return out;
}

std::optional<uint64_t> Ledger::number_in(std::string_view body) const {
  if (body.size() != options_.body_bytes) return std::nullopt;
  uint64_t run = 0;
  uint64_t number = 0;
  std::memcpy(&run, body.data(), sizeof run);
  std::memcpy(&number, body.data() + sizeof run, sizeof number);
  const bool same = run == options_.run && number < begun() &&
                    std::memcmp(body.data() + kBodyMin, noise_.data() + number % kNoiseShifts,
                                body.size() - kBodyMin) == 0;
  return same ? std::optional(number) : std::nullopt;
}

void Ledger::begin(size_t device, Instant due) {
  if (entries_.size() >= options_.entries_max) {
    give_up(entries_.front());
    entries_.pop_front();
    ++first_;
    forget_complete();
  }
  entries_.push_back({.due = due, .device = static_cast<uint32_t>(device)});
}

Ledger::Entry* Ledger::find(uint64_t number) {
  if (number < first_ || number - first_ >= entries_.size()) return nullptr;
  return &entries_[number - first_];
}

std::optional<Ledger::Step> Ledger::accepted(uint64_t number) {
  Entry* const found = find(number);
  if (found == nullptr) return std::nullopt;
  found->accepted = true;
  return step(*found);
}

std::optional<Ledger::Step> Ledger::refused(uint64_t number) {
  Entry* const found = find(number);
  if (found == nullptr) return std::nullopt;
  ++mistakes_.refused;
  found->over = true;
  return step(*found);
}

std::optional<Ledger::Step> Ledger::received(size_t device, std::string_view body,
                                             bool marked_as_repeated) {
  const auto number = number_in(body);
  if (!number) {
    ++mistakes_.changed;
    return std::nullopt;
  }
  Entry* const found = find(*number);
  if (found == nullptr || found->received) {
    ++(marked_as_repeated ? repeated_ : mistakes_.doubled);
    return std::nullopt;
  }
  if (found->device != device) {
    ++mistakes_.misdirected;
    return std::nullopt;
  }
  uint64_t& behind = behind_[device];
  if (*number < behind) {
    // What is delivered again may come behind what was not.
    ++(marked_as_repeated ? repeated_ : mistakes_.disordered);
  } else {
    behind = *number + 1;
  }
  found->received = true;
  return step(*found);
}

bool Ledger::is_complete(const Entry& entry) const {
  if (entry.over) return true;
  return entry.accepted && (entry.received || !options_.awaits_receipt);
}

Ledger::Step Ledger::step(const Entry& entry) {
  const Step out{.device = entry.device, .due = entry.due, .complete = is_complete(entry)};
  if (out.complete) forget_complete();
  return out;
}

void Ledger::forget_complete() {
  while (!entries_.empty() && is_complete(entries_.front())) {
    entries_.pop_front();
    ++first_;
  }
}

void Ledger::give_up(const Entry& entry) {
  if (is_complete(entry)) return;
  ++(entry.accepted ? mistakes_.lost : mistakes_.refused);
}

void Ledger::close() {
  for (const Entry& entry : entries_) give_up(entry);
  first_ += entries_.size();
  entries_.clear();
}

}  // namespace linarite::cli
