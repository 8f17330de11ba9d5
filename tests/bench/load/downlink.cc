#include "load/downlink.h"

#include "base/check.h"
#include "load/token.h"

namespace linarite::load {
namespace {

constexpr double kDrainLimitS = 60;
constexpr double kSendAllLimitS = 600;
constexpr std::chrono::milliseconds kPaceStep{1};

}  // namespace

Downlink::Downlink(Session& session, bool connect_devices)
    : session_(session),
      connect_devices_(connect_devices),
      fleet_(session, *this),
      under_way_(session.options().devices),
      last_token_(session.options().devices),
      payload_(payload_of(session.options().payload_bytes)) {
  if (connect_devices) fleet_.grow_to(session.options().devices);
  senders_ = open_senders(session, *this);
}

void Downlink::measure(Report& report) {
  const Options& options = session_.options();
  session_.on_loop([this] {
    sending_ = true;
    start_pacing();
    pump();
  });
  session_.run_for(options.warm_up_s);
  to_accepted_.clear();
  to_device_.clear();
  const uint64_t completed_before = completed_;
  const Window window(options.server, session_.now_s());
  session_.run_for(options.seconds);
  const double end = session_.now_s();
  window.add_to(report, completed_ - completed_before, end);
  to_accepted_.add_to(report, "accepted");
  to_device_.add_to(report, "delivered");
  sending_ = false;
  session_.run_until([this] { return completed_ == sent_; }, kDrainLimitS, "the last messages");
  report.add("sent", sent_);
  report.add("completed", completed_);
}

void Downlink::send_all(size_t count) {
  sent_max_ = count;
  session_.on_loop([this] {
    sending_ = true;
    pump();
  });
  session_.run_until([&] { return completed_ == count; }, kSendAllLimitS, "sending the messages");
}

void Downlink::start_pacing() {
  pace_start_ = session_.now();
  if (session_.options().rate == 0) return;
  struct Step {
    Downlink& self;
    void operator()() const {
      self.pump();
      self.session_.loop().run_after(kPaceStep, Step{self});
    }
  };
  Step{*this}();
}

// Once per turn of the loop, whatever happened in it.
void Downlink::pump_soon() {
  if (pump_due_) return;
  pump_due_ = true;
  session_.loop().post([this] {
    pump_due_ = false;
    pump();
  });
}

void Downlink::pump() {
  while (may_send()) {
    Sender* sender = sender_with_room();
    if (sender == nullptr) break;
    const auto device = device_with_room();
    if (!device) break;
    send_one(*sender, *device);
  }
  for (const auto& sender : senders_) sender->flush();
}

bool Downlink::may_send() const {
  const Options& options = session_.options();
  if (!sending_ || sent_ == sent_max_) return false;
  if (options.rate == 0) return sent_ - completed_ < options.window;
  const auto passed = std::chrono::duration<double>(session_.now() - pace_start_).count();
  return static_cast<double>(sent_) <= passed * options.rate;
}

Sender* Downlink::sender_with_room() {
  for (size_t tried = 0; tried < senders_.size(); ++tried) {
    Sender& sender = *senders_[next_sender_];
    next_sender_ = (next_sender_ + 1) % senders_.size();
    if (sender.room() > 0) return &sender;
  }
  return nullptr;
}

std::optional<size_t> Downlink::device_with_room() {
  for (size_t tried = 0; tried < under_way_.size(); ++tried) {
    const size_t device = next_device_;
    next_device_ = (next_device_ + 1) % under_way_.size();
    if (under_way_[device] < session_.options().depth) return device;
  }
  return std::nullopt;
}

void Downlink::send_one(Sender& sender, size_t device) {
  const double rate = session_.options().rate;
  const auto offset =
      std::chrono::duration<double>(rate == 0 ? 0 : static_cast<double>(sent_) / rate);
  const Instant due =
      rate == 0 ? session_.now() : pace_start_ + std::chrono::duration_cast<Duration>(offset);
  messages_.push_back({.device = static_cast<uint32_t>(device), .due = due});
  ++under_way_[device];
  const uint64_t token = sent_++;
  put_token(payload_, token);
  sender.send(device, payload_, token);
}

Downlink::Message& Downlink::message(uint64_t token) {
  if (token < first_ || token - first_ >= messages_.size()) {
    give_up(fmt::format("message {} came a second time", token));
  }
  return messages_[token - first_];
}

void Downlink::on_message(MqttClient& client, const mqtt::Publish& publish) {
  const auto read = token_of(publish.payload, payload_.size());
  if (!read) give_up("a message was changed on its way");
  const uint64_t token = *read;
  Message& found = message(token);
  if (found.device != client.number()) give_up("a message came to another device");
  if (found.received) give_up(fmt::format("message {} came a second time", token));
  // One back end's messages to one device keep their order; with several the server may see
  // another.
  if (senders_.size() == 1) {
    if (token < last_token_[found.device]) give_up("messages of a device are out of order");
    last_token_[found.device] = token + 1;
  }
  found.received = true;
  to_device_.add(session_.now() - found.due);
  complete(found);
}

void Downlink::on_accepted(uint64_t token) {
  Message& found = message(token);
  CHECK(!found.accepted);
  found.accepted = true;
  to_accepted_.add(session_.now() - found.due);
  complete(found);
}

void Downlink::on_refused(uint64_t token, const std::string& why) {
  give_up(fmt::format("message {} was refused: {}", token, why));
}

void Downlink::complete(Message& message) {
  if (!message.accepted || (connect_devices_ && !message.received)) return;
  --under_way_[message.device];
  ++completed_;
  const auto is_complete = [this](const Message& m) {
    return m.accepted && (m.received || !connect_devices_);
  };
  while (!messages_.empty() && is_complete(messages_.front())) {
    messages_.pop_front();
    ++first_;
  }
  pump_soon();
}

}  // namespace linarite::load
