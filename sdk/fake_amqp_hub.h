// A hub for tests of clients, as far as AMQP shows it, on the bytes of one connection.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "amqp/connection.h"
#include "amqp/message.h"
#include "base/time.h"
#include "wire/service_json.h"

namespace linarite::sdk {

// One connection's end: it lets everybody in and keeps what comes.
class FakeAmqpHub {
 public:
  using Send = std::function<void(Bytes)>;
  FakeAmqpHub(const Clock& clock, Send send)
      : clock_(clock),
        send_(std::move(send)),
        engine_(std::make_shared<const amqp::ConnectionOptions>(), clock.now()) {}
  virtual ~FakeAmqpHub() = default;

  // What the client sent, perhaps nothing.
  void receive(ByteView bytes) {
    // What events show lives in the bytes, until the engine is called again.
    engine_.receive(bytes, clock_.now(), events_);
    handle_events();
    engine_.tick(clock_.now(), events_);
    handle_events();
    flush();
  }
  void settle(size_t index, const amqp::DeliveryState& state) {
    engine_.settle(sender_, messages.at(index).delivery_id, state);
    flush();
  }
  void send_feedback(const std::vector<wire::FeedbackRecord>& records) {
    amqp::Message message;
    message.body_kind = amqp::BodyKind::kData;
    message.data = {wire::feedback_json(records)};
    Bytes payload;
    amqp::write_message(message, payload);
    const auto delivery = engine_.send(feedback_, "tag" + std::to_string(++tags_), payload);
    ASSERT_TRUE(delivery);
    feedback_sent_.push_back(*delivery);
    flush();
  }
  // 0 also while no receiver is attached.
  uint32_t feedback_credit() const { return engine_.credit(feedback_); }
  void detach_sender(amqp::Error error) {
    engine_.detach(sender_, true, std::move(error));
    flush();
  }

  struct Received {
    uint32_t delivery_id;
    amqp::Message message;
  };
  std::vector<Received> messages;
  std::vector<std::string> feedback_outcomes;
  std::vector<size_t> feedback_decided;  // Which batch each of them is about, from 0.
  int tokens = 0;
  int32_t cbs_status = 200;
  bool closed = false;
  std::string sasl_mechanism;
  std::string cbs_name;  // Of the last token.

 protected:
  // A link or message of an address of its own. True: nothing else is to happen.
  virtual bool accept_own(const amqp::LinkRequested& /*asked*/) { return false; }
  virtual bool take_own(const amqp::MessageReceived& /*received*/) { return false; }
  void send(amqp::LinkId link, const amqp::Message& message) {
    Bytes payload;
    amqp::write_message(message, payload);
    ASSERT_TRUE(engine_.send(link, "tag" + std::to_string(++tags_), payload));
  }
  amqp::Connection& engine() { return engine_; }
  const amqp::Connection& engine() const { return engine_; }
  void flush() {
    if (engine_.output().empty()) return;
    send_(Bytes(engine_.output()));
    engine_.clear_output();
  }

 private:
  void handle_events() {
    const amqp::Events events = std::exchange(events_, {});
    for (const amqp::Event& event : events) handle(event);
  }
  void handle(const amqp::Event& event) {
    if (const auto* sasl = std::get_if<amqp::SaslReceived>(&event)) {
      sasl_mechanism = sasl->mechanism;
      engine_.sasl_outcome(amqp::SaslCode::kOk, clock_.now());
    } else if (const auto* asked = std::get_if<amqp::LinkRequested>(&event)) {
      accept(*asked);
    } else if (const auto* message = std::get_if<amqp::MessageReceived>(&event)) {
      take(*message);
    } else if (const auto* update = std::get_if<amqp::DeliveryUpdated>(&event)) {
      if (update->link != feedback_) return;
      feedback_outcomes.emplace_back(update->state.kind == amqp::StateKind::kAccepted ? "accepted"
                                                                                      : "released");
      const auto sent = std::ranges::find(feedback_sent_, update->delivery_id);
      feedback_decided.push_back(static_cast<size_t>(sent - feedback_sent_.begin()));
    } else if (std::holds_alternative<amqp::Closed>(event)) {
      closed = true;
    }
  }
  void accept(const amqp::LinkRequested& asked) {
    if (accept_own(asked)) return;
    engine_.accept_link(asked.link,
                        {.source = asked.attach->source, .target = asked.attach->target});
    const bool from_client = asked.attach->role == amqp::Role::kSender;
    const std::string address = from_client ? asked.attach->target->address.value_or("")
                                            : asked.attach->source->address.value_or("");
    if (from_client) engine_.grant_credit(asked.link, 100);
    if (address == "$cbs") (from_client ? cbs_in_ : cbs_out_) = asked.link;
    if (address == "/messages/devicebound") sender_ = asked.link;
    if (address == "/messages/servicebound/feedback") feedback_ = asked.link;
  }
  void take(const amqp::MessageReceived& received) {
    if (take_own(received)) return;
    auto message = *amqp::decode_message(received.payload);
    if (received.link != cbs_in_) {
      messages.push_back({received.delivery_id, std::move(message)});
      return;
    }
    ++tokens;
    if (const auto* name = message.application_properties.find("name")) {
      cbs_name = name->text().value_or("");
    }
    engine_.settle(cbs_in_, received.delivery_id, amqp::DeliveryState::accepted());
    amqp::Message reply;
    reply.properties.correlation_id = message.properties.message_id;
    reply.application_properties = amqp::Value::map(
        {amqp::Value::string("status-code"), amqp::Value::from_int32(cbs_status),
         amqp::Value::string("status-description"), amqp::Value::string("as the test says")});
    send(cbs_out_, reply);
  }

  const Clock& clock_;
  const Send send_;
  amqp::Connection engine_;
  amqp::Events events_;
  amqp::LinkId cbs_in_{}, cbs_out_{}, sender_{}, feedback_{};
  int tags_ = 0;
  std::vector<uint32_t> feedback_sent_;  // Delivery ids.
};

}  // namespace linarite::sdk
