// An AMQP gateway on a real hub in memory, and back ends that talk to it through our own AMQP
// client: tests read as what a back end does and sees.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "amqp/client_attach.h"
#include "amqp/test_peer.h"
#include "gateway/amqp_gateway.h"
#include "gateway/fake_stream.h"
#include "hub/hub_fixture.h"

namespace linarite::gateway {

using amqp::Role;
using amqp::Value;
using amqp::test::Lines;

// A back end with its own connection.
class BackEnd {
 public:
  BackEnd(AmqpGateway& gateway, Loop& loop, amqp::ConnectionOptions options) : stream(loop) {
    stream.peer_info.tls = true;
    handler = gateway.accept(stream);
    options.server = false;
    options.container_id = "backend";
    client.emplace(std::make_shared<const amqp::ConnectionOptions>(std::move(options)),
                   loop.clock().now());
  }
  ~BackEnd() { drop(); }

  // The connection breaks or, after the gateway closed it, ends.
  void drop() {
    if (!handler) return;
    handler->on_closed(stream.closed ? net::CloseReason::kClosedHere : net::CloseReason::kReset);
    handler.reset();
  }

  FakeStream stream;
  std::unique_ptr<net::StreamHandler> handler;
  std::optional<amqp::Connection> client;
  amqp::SessionId session{};

  // What came since the last look, as lines; messages also whole.
  Lines seen;
  std::vector<amqp::Message> messages;
  std::vector<amqp::MessageReceived> received;  // Without views.
  std::vector<Bytes> tags;
  std::vector<amqp::DeliveryState> outcomes;
};

// A link of a back end.
struct Attached {
  amqp::LinkId link{};
  Lines seen;  // What the attach led to.
};

class AmqpFixture : public hub::HubFixture {
 protected:
  explicit AmqpFixture(hub::HubOptions options = {}) : HubFixture(std::move(options)) {}

  void SetUp() override {
    ASSERT_TRUE(create("dev1"));
    open_gateway({});
  }
  void open_gateway(AmqpOptions options) {
    gateway_metrics_ = std::make_unique<prometheus::Registry>();
    gateway_ =
        std::make_unique<AmqpGateway>(options, AmqpGateway::Parts{*hub_, log_, *gateway_metrics_});
  }

  // A connection without SASL, as Node and .NET make it, with a session.
  std::unique_ptr<BackEnd> open(amqp::ConnectionOptions options = {}) {
    auto peer = std::make_unique<BackEnd>(*gateway_, loop_, std::move(options));
    exchange(*peer);
    if (auto session = peer->client->begin_session()) {
      peer->session = *session;
      exchange(*peer);
    }
    return peer;
  }
  // A connection with SASL PLAIN.
  std::unique_ptr<BackEnd> plain(const std::string& user, const std::string& password,
                                 const std::string& authorization = {}) {
    return open({.sasl_mechanism = "PLAIN",
                 .sasl_initial_response = authorization + '\0' + user + '\0' + password});
  }
  // A connection with a valid token of the policy.
  std::unique_ptr<BackEnd> logged_in(const std::string& policy = "service") {
    auto peer = plain(policy + "@sas.root.127", policy_token(policy));
    EXPECT_FALSE(peer->stream.closed);
    peer->seen.clear();
    return peer;
  }

  // Carries bytes both ways until nothing moves. Returns what the back end saw since the last look.
  Lines exchange(BackEnd& peer) {
    for (bool moved = true; moved;) {
      run();
      const Bytes out(peer.client->output());
      peer.client->clear_output();
      if (!out.empty() && peer.handler) peer.handler->on_bytes(out);
      run();
      moved = !out.empty();
      if (peer.stream.stuck || peer.stream.sent.empty()) continue;
      const Bytes in = std::exchange(peer.stream.sent, {});
      amqp::Events events;
      peer.client->receive(in, clock_.now(), events);
      for (const amqp::Event& event : events) note(peer, event);
      moved = true;
    }
    if (peer.stream.closed) peer.seen.emplace_back("stream closed");
    return std::exchange(peer.seen, {});
  }
  Lines advance(BackEnd& peer, Duration by) {
    loop_.run_for(by);
    return exchange(peer);
  }

  Attached attach(BackEnd& peer, Role role, const std::string& address,
                  std::function<void(amqp::Attach&)> change = {}) {
    amqp::Attach body = amqp::client_attach(fmt::format("link{}", ++last_name_), role, address);
    if (change) change(body);
    auto link = peer.client->attach(peer.session, body);
    EXPECT_TRUE(link);
    Attached attached{link.value_or(amqp::LinkId{}), {}};
    attached.seen = exchange(peer);
    return attached;
  }
  amqp::LinkId attach_sender(BackEnd& peer) {
    return attach(peer, Role::kSender, "/messages/devicebound").link;
  }
  amqp::LinkId attach_feedback(BackEnd& peer, uint32_t credit,
                               amqp::ReceiverSettleMode mode = amqp::ReceiverSettleMode::kFirst) {
    const auto link = attach(peer, Role::kReceiver, "/messages/serviceBound/feedback",
                             [mode](amqp::Attach& body) { body.rcv_settle_mode = mode; })
                          .link;
    peer.client->grant_credit(link, credit);
    exchange(peer);
    return link;
  }

  // A cloud-to-device message to dev1.
  static amqp::Message c2d(const std::string& message_id = "m1",
                           const std::string& to = "/devices/dev1/messages/devicebound") {
    amqp::Message message;
    message.properties.message_id = Value::string(message_id);
    message.properties.to = to;
    message.body_kind = amqp::BodyKind::kData;
    message.data = {"body"};
    return message;
  }
  static void set_property(amqp::Message& message, const std::string& name, Value value) {
    auto items = message.application_properties.items();
    items.push_back(Value::string(name));
    items.push_back(std::move(value));
    message.application_properties = Value::map(std::move(items));
  }
  // Sends and returns the outcome: "accepted", or "rejected amqp:not-found 404001".
  std::string send(BackEnd& peer, amqp::LinkId link, const amqp::Message& message) {
    Bytes bytes;
    amqp::write_message(message, bytes);
    return send_bytes(peer, link, bytes);
  }
  std::string send_bytes(BackEnd& peer, amqp::LinkId link, ByteView bytes) {
    peer.outcomes.clear();
    if (!peer.client->send(link, "tag", bytes)) return "no credit";
    exchange(peer);
    if (peer.outcomes.empty()) return "no outcome";
    return outcome_text(peer.outcomes.back());
  }
  static std::string outcome_text(const amqp::DeliveryState& state) {
    std::string text = amqp::test::state_text(state);
    if (!state.error) return text;
    const std::string& description = state.error->description;
    const auto at = description.find("\"errorCode\":");
    if (at != std::string::npos) text += " " + description.substr(at + 12, 6);
    return text;
  }

  // --- $cbs

  struct Cbs {
    amqp::LinkId requests;
    amqp::LinkId replies;
  };
  Cbs attach_cbs(BackEnd& peer, uint32_t credit = 100) {
    Cbs cbs{attach(peer, Role::kSender, "$cbs").link,
            attach(peer, Role::kReceiver, "$cbs", [](amqp::Attach& body) {
              body.target->address = "cbs";
            }).link};
    if (credit != 0) peer.client->grant_credit(cbs.replies, credit);
    exchange(peer);
    return cbs;
  }
  static amqp::Message put_token_message(const std::string& token,
                                         const std::string& name = "127.0.0.1") {
    amqp::Message message;
    message.properties.message_id = Value::string("request-1");
    message.properties.to = "$cbs";
    message.properties.reply_to = "cbs";
    message.application_properties =
        Value::map({Value::string("operation"), Value::string("put-token"), Value::string("type"),
                    Value::string("servicebus.windows.net:sastoken"), Value::string("name"),
                    Value::string(name)});
    message.body_kind = amqp::BodyKind::kValue;
    message.value = Value::string(token);
    return message;
  }
  // Puts a token and returns the reply's "200 OK".
  std::string put_token(BackEnd& peer, const Cbs& cbs, const amqp::Message& message) {
    peer.messages.clear();
    Bytes bytes;
    amqp::write_message(message, bytes);
    if (!peer.client->send(cbs.requests, "t", bytes)) return "no credit";
    const Lines lines = exchange(peer);
    return peer.messages.empty() ? "no reply" : reply_text(peer.messages.back());
  }
  static std::string reply_text(const amqp::Message& reply) {
    const Value* code = reply.application_properties.find("status-code");
    const Value* text = reply.application_properties.find("status-description");
    if (code == nullptr || text == nullptr || code->type() != amqp::Type::kInt) return "malformed";
    return fmt::format("{} {}", static_cast<int32_t>(code->bits()), text->bytes());
  }

  // The store stops holding commits back.
  void release() {
    store_.hold_commits(false);
    store_.flush();
    run();
  }

  // What the hub holds for dev1: message ids in order of delivery.
  std::string queued() {
    hub::NotingLink link;
    connect("dev1", link, 100);
    last_ = link.last;
    partition("dev1").detach(link);
    return link.take();
  }

  wire::C2dMessage last_;  // The last message that queued() met.
  std::unique_ptr<prometheus::Registry> gateway_metrics_;
  std::unique_ptr<AmqpGateway> gateway_;

 private:
  void note(BackEnd& peer, const amqp::Event& event) {
    if (std::holds_alternative<amqp::CreditChanged>(event)) return;
    peer.seen.push_back(std::visit(amqp::test::EventText{}, event));
    if (const auto* message = std::get_if<amqp::MessageReceived>(&event)) {
      auto decoded = amqp::decode_message(message->payload);
      EXPECT_TRUE(decoded);
      if (decoded) peer.messages.push_back(*std::move(decoded));
      peer.received.push_back(*message);
      peer.tags.emplace_back(message->tag);
      peer.seen.back() = "message";
    } else if (const auto* updated = std::get_if<amqp::DeliveryUpdated>(&event)) {
      peer.outcomes.push_back(updated->state);
    } else if (const auto* settled = std::get_if<amqp::DeliverySettled>(&event)) {
      peer.outcomes.push_back(settled->state);
    }
  }

  int last_name_ = 0;
};

}  // namespace linarite::gateway
