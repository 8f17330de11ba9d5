#include "cli/bench/message_load.h"

#include <utility>

namespace linarite::cli {

MessageLoad::MessageLoad(const Clock& clock, Options options, Send send)
    : Load(clock, options.load),
      depth_(options.depth),
      ends_accepted_(options.ends_accepted),
      times_receipt_(options.load.latencies.size() > 1),
      send_(std::move(send)),
      ledger_(options.ledger),
      under_way_(options.ledger.devices) {}

// To one device after the other, as far as they have room.
bool MessageLoad::begin(uint64_t number, Instant due) {
  for (size_t tried = 0; tried < under_way_.size(); ++tried) {
    const size_t device = next_device_;
    next_device_ = (next_device_ + 1) % under_way_.size();
    if (under_way_[device] >= depth_) continue;
    ++under_way_[device];
    ledger_.begin(device, due);
    send_(*this, device, number, ledger_.body(number));
    return true;
  }
  return false;
}

void MessageLoad::accepted(uint64_t number) {
  const auto step = ledger_.accepted(number);
  if (!step) return;
  ++accepted_;
  time(0, step->due);
  if (step->complete || ends_accepted_) end(*step);
}

void MessageLoad::refused(uint64_t number, Failure why) {
  keep_refusal(std::move(why));
  if (const auto step = ledger_.refused(number)) end(*step);
}

void MessageLoad::received(size_t device, std::string_view body, bool marked_as_repeated) {
  const auto step = ledger_.received(device, body, marked_as_repeated);
  if (!step) return;
  ++received_;
  if (times_receipt_) time(1, step->due);
  if (step->complete && !ends_accepted_) end(*step);
}

// A device that is away keeps its messages, so its room is not given back.
void MessageLoad::end(const Ledger::Step& step) {
  if (!ends_accepted_) --under_way_[step.device];
  finish();
}

void MessageLoad::give_up() {
  ledger_.close();
  Load::give_up();
}

LoadFigures MessageLoad::figures() const {
  LoadFigures out = Load::figures();
  out.repeated = ledger_.repeated();
  return out;
}

}  // namespace linarite::cli
