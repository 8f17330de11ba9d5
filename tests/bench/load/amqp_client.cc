#include "load/amqp_client.h"

namespace linarite::load {
namespace {

constexpr std::chrono::seconds kTick{5};

// Service protocol, 1.4: `{policy}@sas.root.{first label of the host}` and a whole token.
Bytes plain_response(const Session& session) {
  const std::string hub = session.host_name().substr(0, session.host_name().find('.'));
  const std::string user = session.policy_name() + "@sas.root." + hub;
  return Bytes(1, '\0') + user + Bytes(1, '\0') + session.policy_token();
}

}  // namespace

// The stream's end of a client, which outlives it.
class AmqpClient::Handler final : public net::StreamHandler {
 public:
  explicit Handler(AmqpClient& client) : client_(client) {}
  void on_bytes(ByteView bytes) override { client_.on_bytes(bytes); }
  void on_closed(net::CloseReason /*reason*/) override {
    give_up("the server closed an AMQP connection");
  }

 private:
  AmqpClient& client_;
};

AmqpClient::AmqpClient(Session& session) : session_(session) {
  session.connect(session.options().amqp_port, [this](net::Stream& stream) {
    on_stream(stream);
    return std::make_unique<Handler>(*this);
  });
}

void AmqpClient::on_stream(net::Stream& stream) {
  stream_ = &stream;
  amqp::ConnectionOptions options;
  options.server = false;
  options.container_id = "hub_load";
  options.hostname = session_.host_name();
  options.sasl_mechanism = "PLAIN";
  options.sasl_initial_response = plain_response(session_);
  engine_ = std::make_unique<amqp::Connection>(
      std::make_shared<const amqp::ConnectionOptions>(std::move(options)), session_.now());
  flush_output();
  keep_alive();
}

// Heartbeats, and the events that calls other than receive() caused.
void AmqpClient::keep_alive() {
  engine_->tick(session_.now(), events_);
  handle_events();
  session_.loop().run_after(kTick, [this] { keep_alive(); });
}

void AmqpClient::flush_output() {
  const ByteView output = engine_->output();
  if (output.empty()) return;
  stream_->send(output);
  engine_->clear_output();
}

void AmqpClient::on_bytes(ByteView bytes) {
  engine_->receive(bytes, session_.now(), events_);
  handle_events();
}

void AmqpClient::handle_events() {
  for (const amqp::Event& event : events_) handle(event);
  events_.clear();
  on_batch_end();
  flush_output();
}

void AmqpClient::handle(const amqp::Event& event) {
  if (std::holds_alternative<amqp::Opened>(event)) {
    if (!engine_->begin_session()) give_up("AMQP: begin");
  } else if (const auto* begun = std::get_if<amqp::SessionBegun>(&event)) {
    on_session(begun->session);
  } else if (const auto* detached = std::get_if<amqp::LinkDetached>(&event)) {
    give_up("AMQP: detach " + (detached->error ? detached->error->description : ""));
  } else if (const auto* closed = std::get_if<amqp::Closed>(&event)) {
    give_up("AMQP: close " + (closed->error ? closed->error->description : ""));
  } else {
    on_link_event(event);
  }
}

}  // namespace linarite::load
