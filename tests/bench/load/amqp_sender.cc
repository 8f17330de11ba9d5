#include "load/amqp_sender.h"

#include <algorithm>

#include "amqp/message.h"

namespace linarite::load {
namespace {

// More than a link's credit; the engine allows no more unsettled deliveries than this anyway.
constexpr size_t kUnsettledMax = 32'768;
constexpr std::chrono::seconds kTick{5};

// Service protocol, 1.4: `{policy}@sas.root.{first label of the host}` and a whole token.
Bytes plain_response(const Session& session) {
  const std::string hub = session.host_name().substr(0, session.host_name().find('.'));
  const std::string user = session.policy_name() + "@sas.root." + hub;
  return Bytes(1, '\0') + user + Bytes(1, '\0') + session.policy_token();
}

}  // namespace

// The stream's end of a sender, which outlives it.
class AmqpSender::Handler final : public net::StreamHandler {
 public:
  explicit Handler(AmqpSender& sender) : sender_(sender) {}
  void on_bytes(ByteView bytes) override { sender_.on_bytes(bytes); }
  void on_closed(net::CloseReason /*reason*/) override {
    give_up("the server closed an AMQP connection");
  }

 private:
  AmqpSender& sender_;
};

AmqpSender::AmqpSender(Session& session, SenderSink& sink)
    : session_(session), sink_(sink), tokens_(kUnsettledMax) {
  session.connect(session.options().amqp_port, [this](net::Stream& stream) {
    on_stream(stream);
    return std::make_unique<Handler>(*this);
  });
}

void AmqpSender::on_stream(net::Stream& stream) {
  stream_ = &stream;
  amqp::ConnectionOptions options;
  options.server = false;
  options.container_id = "hub_load";
  options.hostname = session_.host_name();
  options.sasl_mechanism = "PLAIN";
  options.sasl_initial_response = plain_response(session_);
  engine_ = std::make_unique<amqp::Connection>(
      std::make_shared<const amqp::ConnectionOptions>(std::move(options)), session_.now());
  flush();
  keep_alive();
}

// Heartbeats, and the events that calls other than receive() caused.
void AmqpSender::keep_alive() {
  engine_->tick(session_.now(), events_);
  handle_events();
  session_.loop().run_after(kTick, [this] { keep_alive(); });
}

void AmqpSender::flush() {
  const ByteView output = engine_->output();
  if (output.empty()) return;
  stream_->send(output);
  engine_->clear_output();
}

void AmqpSender::on_bytes(ByteView bytes) {
  engine_->receive(bytes, session_.now(), events_);
  handle_events();
}

void AmqpSender::handle_events() {
  for (const amqp::Event& event : events_) handle(event);
  events_.clear();
  flush();
}

void AmqpSender::handle(const amqp::Event& event) {
  if (const auto* update = std::get_if<amqp::DeliveryUpdated>(&event)) {
    handle_outcome(*update);
  } else if (std::holds_alternative<amqp::CreditChanged>(event)) {
    sink_.on_room();
  } else if (std::holds_alternative<amqp::Opened>(event)) {
    if (!engine_->begin_session()) give_up("AMQP: begin");
  } else if (const auto* begun = std::get_if<amqp::SessionBegun>(&event)) {
    attach(begun->session);
  } else if (const auto* detached = std::get_if<amqp::LinkDetached>(&event)) {
    give_up("AMQP: detach " + (detached->error ? detached->error->description : ""));
  } else if (const auto* closed = std::get_if<amqp::Closed>(&event)) {
    give_up("AMQP: close " + (closed->error ? closed->error->description : ""));
  }
}

void AmqpSender::attach(amqp::SessionId session) {
  amqp::Attach attach;
  attach.name = "c2d";
  attach.role = amqp::Role::kSender;
  attach.source = amqp::Source{.address = "hub_load"};
  attach.target = amqp::Target{.address = "/messages/devicebound"};
  const auto link = engine_->attach(session, std::move(attach));
  if (!link) give_up("AMQP: " + link.error().message);
  link_ = *link;
}

void AmqpSender::handle_outcome(const amqp::DeliveryUpdated& update) {
  if (!update.state.is_terminal()) return;
  if (!update.settled) engine_->settle(link_, update.delivery_id, update.state);
  --unsettled_;
  const uint64_t token = tokens_[update.delivery_id % kUnsettledMax];
  if (update.state.kind == amqp::StateKind::kAccepted) {
    sink_.on_accepted(token);
  } else {
    const bool says_why = update.state.error != nullptr;
    sink_.on_refused(token, says_why ? update.state.error->description : "no reason given");
  }
  sink_.on_room();
}

size_t AmqpSender::room() const {
  return std::min<size_t>(engine_->credit(link_), kUnsettledMax - unsettled_);
}

void AmqpSender::send(size_t device, ByteView payload, uint64_t token) {
  amqp::Properties properties;
  properties.message_id = amqp::Value::string(fmt::format("m{}", token));
  properties.to = "/devices/" + Session::device_id(device) + "/messages/devicebound";
  message_.clear();
  amqp::write_properties(properties, message_);
  amqp::write_data(payload, message_);
  const auto delivery = engine_->send(link_, fmt::format("{}", token), message_);
  if (!delivery) give_up("AMQP: " + delivery.error().message);
  tokens_[*delivery % kUnsettledMax] = token;
  ++unsettled_;
}

}  // namespace linarite::load
