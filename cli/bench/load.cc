#include "cli/bench/load.h"

#include <algorithm>
#include <cmath>

namespace linarite::cli {

Load::Load(const Clock& clock, Options options) : clock_(clock), options_(std::move(options)) {
  for (const std::string& name : options_.latencies) latencies_.emplace_back(name, Latencies());
}

void Load::start() {
  started_ = clock_.now();
  running_ = true;
  pump();
}

void Load::pump() {
  if (std::exchange(pumping_, true)) return;
  const Instant now = clock_.now();
  while (may_begin(now)) {
    if (!begin(begun_, options_.rate == 0 ? now : due(begun_))) break;
    ++begun_;
    ++under_way_;
  }
  pumping_ = false;
}

bool Load::may_begin(Instant now) const {
  if (!running_ || has_failed()) return false;
  if (options_.operations != 0 && begun_ >= options_.operations) return false;
  if (options_.rate == 0) return under_way_ < options_.window;
  return under_way_ < kUnderWayMax && due(begun_) <= now;
}

Instant Load::due(uint64_t number) const {
  const std::chrono::duration<double> since(static_cast<double>(number) / options_.rate);
  return started_ + std::chrono::duration_cast<Duration>(since);
}

std::optional<Instant> Load::next_due() const {
  if (!running_ || options_.rate == 0) return std::nullopt;
  if (options_.operations != 0 && begun_ >= options_.operations) return std::nullopt;
  return due(begun_);
}

bool Load::is_over() const {
  if (under_way_ > 0) return false;
  const bool all = options_.operations != 0 && begun_ >= options_.operations;
  return !running_ || all || has_failed();
}

void Load::open_window() { window_begin_ = clock_.now(); }

void Load::close_window() {
  if (window_end_) return;
  window_end_ = clock_.now();
  const uint64_t due = due_until(*window_end_);
  behind_ = due > begun_ ? due - begun_ : 0;
}

uint64_t Load::due_until(Instant now) const {
  if (options_.rate == 0) return 0;
  const std::chrono::duration<double> since = now - started_;
  const auto out = static_cast<uint64_t>(std::floor(since.count() * options_.rate));
  return options_.operations == 0 ? out : std::min(out, options_.operations);
}

void Load::finish() {
  ++done_;
  if (under_way_ > 0) --under_way_;
  if (window_begin_ && !window_end_) ++count_;
  pump();
  if (on_over_ && is_over()) on_over_();
}

void Load::time(size_t which, Instant due) {
  if (!window_begin_ || due < *window_begin_) return;
  if (window_end_ && due >= *window_end_) return;
  latencies_.at(which).second.add(clock_.now() - due);
}

void Load::fail(Failure why) {
  keep_refusal(std::move(why));
  failed_ = true;
  if (on_over_ && is_over()) on_over_();
}

void Load::keep_refusal(Failure why) {
  if (!first_refusal_) first_refusal_ = std::move(why);
}

LoadFigures Load::figures() const {
  return {.name = options_.name,
          .begun = begun_,
          .count = count_,
          .behind = behind_,
          .mistakes = mistakes(),
          .first_refusal = first_refusal_,
          .latencies = latencies_};
}

}  // namespace linarite::cli
