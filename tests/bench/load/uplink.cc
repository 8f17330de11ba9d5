#include "load/uplink.h"

#include <algorithm>
#include <utility>

#include "base/random.h"

namespace linarite::load {
namespace {

constexpr double kDrainLimitS = 60;
constexpr double kSendAllLimitS = 900;
constexpr double kReadLimitS = 900;
constexpr std::chrono::milliseconds kPaceStep{1};

}  // namespace

Uplink::Uplink(Session& session)
    : session_(session),
      fleet_(session, *this, Fleet::Subscriptions::kNone),
      under_way_(session.options().devices),
      payload_(payload_of(session.options().payload_bytes)) {
  fleet_.grow_to(session.options().devices);
  for (size_t i = 0; i < under_way_.size(); ++i) {
    topics_.push_back("devices/" + Session::device_id(i) + "/messages/events/");
  }
  for (size_t i = 0; i < session.options().stalled_readers; ++i) {
    stalled_.push_back(open_stalled_reader(session));
  }
  if (session.options().readers == 0) return;
  reader_ =
      open_events_reader(session, ReadFrom::kEnd, [this](ByteView payload) { on_read(payload); });
}

void Uplink::measure(Report& report) {
  const Options& options = session_.options();
  session_.on_loop([this] {
    sending_ = true;
    start_pacing();
    pump();
  });
  session_.run_for(options.warm_up_s);
  to_acknowledged_.clear();
  to_reader_.clear();
  const uint64_t completed_before = completed_;
  const Window window(options.server, session_.now_s());
  session_.run_for(options.seconds);
  window.add_to(report, completed_ - completed_before, session_.now_s());
  to_acknowledged_.add_to(report, "acknowledged");
  if (reader_) to_reader_.add_to(report, "read");
  sending_ = false;
  session_.run_until([this] { return completed_ == sent_; }, kDrainLimitS, "the last events");
  report.add("sent", sent_);
  report.add("completed", completed_);
}

void Uplink::send_all(size_t count) {
  sent_max_ = count;
  session_.on_loop([this] {
    sending_ = true;
    pump();
  });
  session_.run_until([&] { return completed_ == count; }, kSendAllLimitS, "sending the events");
}

void Uplink::start_pacing() {
  pace_start_ = session_.now();
  if (session_.options().rate == 0) return;
  struct Step {
    Uplink& self;
    void operator()() const {
      self.pump();
      self.session_.loop().run_after(kPaceStep, Step{self});
    }
  };
  Step{*this}();
}

// Once per turn of the loop, whatever happened in it.
void Uplink::pump_soon() {
  if (pump_due_) return;
  pump_due_ = true;
  session_.loop().post([this] {
    pump_due_ = false;
    pump();
  });
}

void Uplink::pump() {
  while (may_send() && send_one()) {
  }
  for (MqttClient* client : touched_) client->flush();
  touched_.clear();
}

bool Uplink::may_send() const {
  const Options& options = session_.options();
  if (!sending_ || sent_ == sent_max_) return false;
  if (options.rate == 0) return sent_ - completed_ < options.window;
  const auto passed = std::chrono::duration<double>(session_.now() - pace_start_).count();
  return static_cast<double>(sent_) <= passed * options.rate;
}

// By the next device that may have one more under way; false if none may.
bool Uplink::send_one() {
  const double rate = session_.options().rate;
  for (size_t tried = 0; tried < under_way_.size(); ++tried) {
    const size_t device = next_device_;
    next_device_ = (next_device_ + 1) % under_way_.size();
    MqttClient& client = fleet_[device];
    if (under_way_[device] >= session_.options().depth || client.room() == 0) continue;
    const auto offset =
        std::chrono::duration<double>(rate == 0 ? 0 : static_cast<double>(sent_) / rate);
    const Instant due =
        rate == 0 ? session_.now() : pace_start_ + std::chrono::duration_cast<Duration>(offset);
    events_.push_back({.device = static_cast<uint32_t>(device), .due = due});
    ++under_way_[device];
    const uint64_t token = sent_++;
    put_token(payload_, token);
    noise_.put(payload_, token);
    client.publish(topics_[device], payload_, token);
    touched_.push_back(&client);
    return true;
  }
  return false;
}

Uplink::Sent& Uplink::sent(uint64_t token) {
  if (token < first_ || token - first_ >= events_.size()) {
    give_up(fmt::format("event {} came a second time", token));
  }
  return events_[token - first_];
}

void Uplink::on_puback(MqttClient& /*client*/, uint64_t token) {
  Sent& found = sent(token);
  if (found.acknowledged) give_up(fmt::format("event {} was acknowledged twice", token));
  found.acknowledged = true;
  to_acknowledged_.add(session_.now() - found.due);
  complete(found);
}

void Uplink::on_read(ByteView payload) {
  const auto token = token_of(payload, payload_.size());
  if (!token) give_up("an event was changed on its way");
  Sent& found = sent(*token);
  if (found.read) give_up(fmt::format("event {} was read twice", *token));
  found.read = true;
  to_reader_.add(session_.now() - found.due);
  complete(found);
}

void Uplink::complete(Sent& event) {
  const auto is_complete = [this](const Sent& s) { return s.acknowledged && (s.read || !reader_); };
  if (!is_complete(event)) return;
  --under_way_[event.device];
  ++completed_;
  while (!events_.empty() && is_complete(events_.front())) {
    events_.pop_front();
    ++first_;
  }
  pump_soon();
}

void measure_readback(Session& session, Report& report) {
  const Options& options = session.options();
  uint64_t count = 0;
  uint64_t bytes = 0;
  const double start = session.now_s();
  const Window window(options.server, start);
  const auto reader = open_events_reader(session, ReadFrom::kBeginning, [&](ByteView payload) {
    ++count;
    bytes += payload.size();
  });
  session.run_until([&] { return count >= options.messages; }, kReadLimitS, "reading the events");
  const double end = session.now_s();
  window.add_to(report, count, end);
  report.add("read", count);
  report.add("body_mb_per_second", static_cast<double>(bytes) / 1e6 / (end - start));
}

}  // namespace linarite::load
