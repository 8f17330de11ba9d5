#include "sdk/amqp_session.h"

#include <algorithm>
#include <utility>

#include "amqp/message.h"
#include "sdk/backoff.h"
#include "sdk/failure.h"

namespace linarite::sdk {
namespace {

constexpr uint16_t kAmqpPort = 5672;
constexpr uint16_t kAmqpsPort = 5671;
constexpr uint32_t kCbsCredit = 10;
constexpr const char* kTokenType = "servicebus.windows.net:sastoken";

}  // namespace

// The stream's end of a session.
class AmqpSession::Link final : public net::StreamHandler {
 public:
  Link(AmqpSession& session, net::Stream& stream) : session_(&session), stream_(stream) {}
  ~Link() override {
    if (session_ != nullptr) session_->link_ = nullptr;
  }

  void send(ByteView bytes) { stream_.send(bytes); }
  void abandon() {
    session_ = nullptr;
    stream_.close();
  }
  void on_bytes(ByteView bytes) override {
    if (session_ == nullptr) return;
    session_->engine_->receive(bytes, stream_.loop().clock().now(), session_->events_);
    session_->handle_events();
  }
  void on_closed(net::CloseReason) override {
    AmqpSession* const session = std::exchange(session_, nullptr);
    if (session == nullptr) return;
    session->link_ = nullptr;
    session->fail({errc::connection_lost, "the AMQP connection broke"});
  }

 private:
  AmqpSession* session_;  // Null once the session wants to hear no more.
  net::Stream& stream_;
};

AmqpSession::AmqpSession(std::weak_ptr<Network> network, std::shared_ptr<Loop> loop,
                         const service_identity& identity, const service_options& options,
                         const Log& log, AmqpPeer peer)
    : network_(std::move(network)),
      loop_(std::move(loop)),
      identity_(identity),
      options_(options),
      log_(log),
      peer_(std::move(peer)),
      tokens_(loop_, TokenSource::credential_of(identity),
              peer_.audience.empty() ? identity.host_name : peer_.audience,
              options.token_life_time) {}

AmqpSession::~AmqpSession() = default;

void AmqpSession::add(User& user) {
  users_.push_back(&user);
  if (phase_ != Phase::kUp) return;
  user.on_ready(*engine_, session_);
  flush();
}

void AmqpSession::remove(User& user) { std::erase(users_, &user); }

// A timer's task that does nothing after the session's end.
template <class Member>
Task AmqpSession::unless_gone(Member member) {
  return [weak = std::weak_ptr(alive_), member = std::move(member)]() mutable {
    if (weak.lock()) member();
  };
}

// --- Trying to connect.

void AmqpSession::want() {
  if (phase_ == Phase::kIdle) start_attempt();
}

error AmqpSession::choose_target(Network& network) {
  const uint16_t own_port = peer_.port.value_or(peer_.tls ? kAmqpsPort : kAmqpPort);
  const uint16_t port = options_.endpoint.port.value_or(own_port);
  if (!peer_.tls) return choose_plain_target(port);
  auto made = make_endpoint(
      network, options_, {.host = identity_.host_name, .port = port, .sub_protocol = "AMQPWSB10"});
  if (!made.problem) target_ = std::move(made);
  return made.problem;
}

error AmqpSession::choose_plain_target(uint16_t port) {
  if (options_.transport == transport::websocket) {
    return {errc::invalid_argument, "a WebSocket needs TLS, which this connection string excludes"};
  }
  const std::string& other = options_.endpoint.host;
  target_ =
      Endpoint{.connect = {.host = other.empty() ? identity_.host_name : other, .port = port}};
  if (options_.connect_timeout.count() > 0) target_->connect.limit = options_.connect_timeout;
  return {};
}

void AmqpSession::start_attempt() {
  phase_ = Phase::kConnecting;
  ++connection_;
  ++attempt_;
  if (!target_) {
    const auto network = network_.lock();
    if (!network) return;
    if (const error problem = choose_target(*network)) return fail(problem);
  }
  if (options_.connect_timeout.count() > 0) {
    attempt_deadline_ = loop_->run_after(
        options_.connect_timeout, unless_gone([this] {
          attempt_deadline_ = 0;
          fail({errc::timed_out, "no AMQP connection to " + target_->connect.host + ":" +
                                     std::to_string(target_->connect.port) + " in time"});
        }));
  }
  tokens_.get([this](const error& why, TokenSource::Token token) {
    if (why) return fail(why);
    token_expiry_ = token.expiry;
    dial(std::move(token.text));
  });
}

void AmqpSession::dial(std::string token) {
  const auto network = network_.lock();
  if (!network) return;
  token_ = std::move(token);
  const auto current = [this, weak = std::weak_ptr(alive_), connection = connection_] {
    return weak.lock() && connection_ == connection && phase_ == Phase::kConnecting;
  };
  connect(
      *network, *loop_, *target_,
      [this, current](net::Stream& stream) -> std::unique_ptr<net::StreamHandler> {
        if (!current()) return nullptr;
        amqp::ConnectionOptions options{.server = false};
        options.container_id = "linarite-cpp-" + network_.lock()->random()->hex(8);
        options.hostname = identity_.host_name;
        options.sasl_mechanism = "MSSBCBS";
        engine_ = std::make_unique<amqp::Connection>(
            std::make_shared<const amqp::ConnectionOptions>(std::move(options)),
            loop_->clock().now());
        auto made = std::make_unique<Link>(*this, stream);
        link_ = made.get();
        flush();
        return made;
      },
      [this, current](const Error& failure) {
        if (current()) fail(connect_failure(failure));
      });
}

// --- Bytes and events.

void AmqpSession::flush() {
  if (link_ == nullptr) return;
  const ByteView output = engine_->output();
  if (!output.empty()) {
    link_->send(output);
    engine_->clear_output();
  }
  set_tick();
}

// Traffic moves the deadline away: the timer then runs early, finds nothing due, and is set again.
void AmqpSession::set_tick() {
  const auto deadline = engine_->deadline();
  if (!deadline || (tick_ != 0 && tick_at_ <= *deadline)) return;
  loop_->cancel(tick_);
  tick_at_ = *deadline;
  tick_ = loop_->run_at(*deadline, unless_gone([this] {
    tick_ = 0;
    engine_->tick(loop_->clock().now(), events_);
    handle_events();
  }));
}

void AmqpSession::handle_events() {
  const uint64_t connection = connection_;
  const amqp::Events events = std::exchange(events_, {});
  for (const amqp::Event& event : events) {
    // A failure drops the connection, and what it still had to say.
    if (connection == connection_) handle(event);
  }
  flush();
}

void AmqpSession::handle(const amqp::Event& event) {
  if (std::holds_alternative<amqp::Opened>(event)) {
    if (!engine_->begin_session()) fail({errc::protocol_error, "AMQP: no session can be begun"});
  } else if (const auto* begun = std::get_if<amqp::SessionBegun>(&event)) {
    session_ = begun->session;
    attach_cbs();
  } else if (const auto* attached = std::get_if<amqp::LinkAttached>(&event);
             attached != nullptr && attached->link == cbs_receiver_) {
    cbs_receiver_attached_ = true;
    engine_->grant_credit(cbs_receiver_, kCbsCredit);
    put_token();
  } else if (const auto* credit = std::get_if<amqp::CreditChanged>(&event);
             credit != nullptr && credit->link == cbs_sender_) {
    put_token();
  } else if (const auto* reply = std::get_if<amqp::MessageReceived>(&event);
             reply != nullptr && reply->link == cbs_receiver_) {
    if (!reply->settled) {
      engine_->settle(cbs_receiver_, reply->delivery_id, amqp::DeliveryState::accepted());
    }
    engine_->grant_credit(cbs_receiver_, kCbsCredit);
    on_cbs_reply(reply->payload);
  } else if (const auto* detached = std::get_if<amqp::LinkDetached>(&event)) {
    const auto expected = [&](User* user) { return user->on_detached(*detached); };
    if (std::ranges::any_of(std::vector(users_), expected)) return;
    fail(amqp_failure(detached->error.get(), errc::connection_lost));
  } else if (const auto* ended = std::get_if<amqp::SessionEnded>(&event)) {
    fail(amqp_failure(ended->error.get(), errc::connection_lost));
  } else if (const auto* closed = std::get_if<amqp::Closed>(&event)) {
    const bool refused = closed->cause == amqp::Closed::Cause::kSasl;
    fail(amqp_failure(closed->error.get(),
                      refused ? errc::iot_hub_unauthorized_access : errc::connection_lost));
  } else {
    for (User* user : std::vector(users_)) user->on_event(event);
  }
}

// --- CBS.

void AmqpSession::attach_cbs() {
  amqp::Attach sender;
  sender.name = "cbs-sender";
  sender.role = amqp::Role::kSender;
  sender.source = amqp::Source{.address = "cbs"};
  sender.target = amqp::Target{.address = "$cbs"};
  amqp::Attach receiver;
  receiver.name = "cbs-receiver";
  receiver.role = amqp::Role::kReceiver;
  receiver.source = amqp::Source{.address = "$cbs"};
  receiver.target = amqp::Target{.address = "cbs"};
  const auto to = engine_->attach(session_, std::move(sender));
  const auto from = engine_->attach(session_, std::move(receiver));
  if (!to || !from) return fail({errc::protocol_error, "AMQP: no link can be attached"});
  cbs_sender_ = *to;
  cbs_receiver_ = *from;
}

void AmqpSession::put_token() {
  if (token_sent_ || !cbs_receiver_attached_ || engine_->credit(cbs_sender_) == 0) return;
  token_sent_ = true;
  amqp::Message request;
  const std::string id = std::to_string(++cbs_requests_);
  request.properties.message_id = amqp::Value::string(id);
  request.properties.to = "$cbs";
  request.properties.reply_to = "cbs";
  const auto text = [](std::string value) { return amqp::Value::string(std::move(value)); };
  request.application_properties = amqp::Value::map(
      {text("operation"), text("put-token"), text("type"), text(kTokenType), text("name"),
       text(peer_.audience.empty() ? identity_.host_name : peer_.audience)});
  request.body_kind = amqp::BodyKind::kValue;
  request.value = text(token_);
  Bytes payload;
  amqp::write_message(request, payload);
  if (!engine_->send(cbs_sender_, id, payload)) {
    fail({errc::protocol_error, "AMQP: the token cannot be sent"});
  }
}

void AmqpSession::on_cbs_reply(ByteView payload) {
  const auto reply = amqp::decode_message(payload);
  const amqp::Value* status = reply ? reply->application_properties.find("status-code") : nullptr;
  const auto code = status == nullptr ? std::nullopt : status->integer();
  if (!code) return fail({errc::protocol_error, "AMQP: the answer of $cbs has no status-code"});
  if (*code < 200 || *code > 299) {
    const amqp::Value* why = reply->application_properties.find("status-description");
    const auto text = why == nullptr ? std::nullopt : why->text();
    return fail({errc::iot_hub_unauthorized_access,
                 "the hub refuses the token (" + std::to_string(*code) + " " +
                     std::string(text.value_or("")) +
                     "): the SharedAccessKeyName or SharedAccessKey is not the hub's, or this "
                     "machine's clock is wrong"});
  }
  arm_renewal();
  if (phase_ != Phase::kConnecting) return;
  loop_->cancel(std::exchange(attempt_deadline_, 0));
  phase_ = Phase::kUp;
  was_up_ = true;
  attempt_ = 0;
  last_failure_ = {};
  log_.write(log_level::info, "AMQP connected");
  for (User* user : std::vector(users_)) user->on_ready(*engine_, session_);
}

void AmqpSession::arm_renewal() {
  if (!tokens_.renewable() || !token_expiry_) return;
  const Duration left = *token_expiry_ - loop_->clock().wall();
  const Duration pause = pause_before_renewal(left, options_.token_renewal_margin);
  loop_->cancel(renewal_);
  renewal_ = loop_->run_after(pause, unless_gone([this] {
                                renewal_ = 0;
                                renew();
                              }));
}

void AmqpSession::renew() {
  tokens_.get([this](const error& why, TokenSource::Token token) {
    if (phase_ != Phase::kUp) return;
    if (why) {
      // The old one is good for a while yet; when it is not, the hub ends the connection.
      log_.write(log_level::warning, "no new token: " + why.message());
      return arm_renewal();
    }
    token_ = std::move(token.text);
    token_expiry_ = token.expiry;
    token_sent_ = false;
    put_token();
    flush();
  });
}

// --- Losing the connection.

void AmqpSession::drop_link() {
  for (TimerId* timer : {&attempt_deadline_, &retry_, &renewal_, &tick_}) {
    loop_->cancel(std::exchange(*timer, 0));
  }
  tokens_.forget();
  ++connection_;
  token_sent_ = false;
  cbs_receiver_attached_ = false;
  cbs_sender_ = cbs_receiver_ = amqp::LinkId{};
  events_.clear();
  if (Link* const link = std::exchange(link_, nullptr)) link->abandon();
}

void AmqpSession::fail(const error& why) {
  if (phase_ == Phase::kClosed || phase_ == Phase::kIdle || phase_ == Phase::kWaiting) return;
  const bool was_connected = phase_ == Phase::kUp;
  drop_link();
  phase_ = Phase::kWaiting;
  last_failure_ = why;
  if (was_connected) {
    for (User* user : std::vector(users_)) user->on_lost();
  }
  if (is_transient(why) && (was_up_ || options_.reconnect.retry_first_connect)) {
    retry_later(why);
    return;
  }
  phase_ = Phase::kIdle;
  attempt_ = 0;
  for (User* user : std::vector(users_)) user->on_refused(why);
}

void AmqpSession::retry_later(const error& why) {
  const bool wanted =
      std::ranges::any_of(users_, [](const User* user) { return user->wants_connection(); });
  const auto network = network_.lock();
  if (!wanted || !network) {
    phase_ = Phase::kIdle;
    return;
  }
  const Duration pause =
      pause_before_retry(options_.reconnect, std::max(attempt_, 1U), *network->random());
  log_.write(log_level::warning, retry_text(why, pause));
  retry_ = loop_->run_after(pause, unless_gone([this] {
                              retry_ = 0;
                              start_attempt();
                            }));
}

void AmqpSession::shut_down() {
  if (phase_ == Phase::kClosed) return;
  if (phase_ == Phase::kUp) {
    engine_->close(std::nullopt, loop_->clock().now());
    if (link_ != nullptr) link_->send(engine_->output());
  }
  drop_link();
  phase_ = Phase::kClosed;
}

}  // namespace linarite::sdk
