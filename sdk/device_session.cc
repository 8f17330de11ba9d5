#include "sdk/device_session.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "sdk/backoff.h"
#include "sdk/device_link.h"
#include "sdk/failure.h"
#include "wire/percent.h"

namespace linarite::sdk {
namespace {

constexpr uint16_t kMqttsPort = 8883;
// A hub has 16 to 50 messages out at a device; one that ignores our silence is cut off here.
constexpr size_t kInboxMax = 1024;
constexpr std::chrono::seconds kKeepAliveMax{1177};  // Device protocol, 1.5.

std::string audience_of(const device_identity& identity) {
  std::string out = identity.host_name + "/devices/" + identity.device_id;
  if (!identity.module_id.empty()) out += "/modules/" + identity.module_id;
  return out;
}

std::string user_name_of(const device_identity& identity, const std::string& client_id,
                         const std::string& product_info) {
  std::string product = "linarite-cpp";
  if (!product_info.empty()) product += " " + product_info;
  return identity.host_name + "/" + client_id +
         "/?api-version=2021-04-12&DeviceClientType=" + wire::percent_encoded(product);
}

}  // namespace

Delivery::~Delivery() {
  if (packet_id == 0 || decided.load()) return;
  const auto owner = session.lock();
  if (!owner) return;
  loop->post([owner, connection = connection, id = content.message_id.value_or("")] {
    owner->drop(connection, id);
  });
}

DeviceSession::DeviceSession(const network& network, device_identity identity,
                             device_options options)
    : network_(network.implementation()),
      loop_(network.implementation()->choose_loop()),
      identity_(std::move(identity)),
      options_(std::move(options)),
      name_{identity_.device_id, identity_.module_id},
      log_(options_.log, "device " + wire::identity_text(name_)),
      states_(*loop_),
      events_(*loop_, name_, options_),
      connects_(*loop_),
      receivers_(*loop_),
      closes_(*loop_) {
  std::visit(
      [this](const auto& credential) {
        if constexpr (!std::is_same_v<std::decay_t<decltype(credential)>, client_certificate>) {
          tokens_.emplace(loop_, credential, audience_of(identity_), options_.token_life_time);
        }
      },
      identity_.credential);
}

DeviceSession::~DeviceSession() = default;

std::string DeviceSession::subscription() const {
  std::string filter = "devices/" + name_.device_id;
  if (name_.is_module()) filter += "/modules/" + name_.module_id;
  return filter + "/messages/devicebound/#";
}

// --- Trying to connect.

void DeviceSession::connect(detail::operation_id id, detail::completion<> done) {
  if (!running()) return fail_with(std::move(done), errc::closed);
  if (phase_ == Phase::kUp) return finish(std::move(done), error());
  connects_.add(id, std::move(done), options_.operation_timeout, [weak = weak_from_this(), id] {
    if (const auto self = weak.lock()) self->give_up_connect(id);
  });
  if (phase_ == Phase::kIdle) start_attempt({});
}

void DeviceSession::give_up_connect(detail::operation_id id) {
  std::string text = "not connected in time";
  if (last_failure_) text += "; the last try: " + last_failure_.message();
  connects_.fail(id, {errc::timed_out, std::move(text)});
  stop_unwanted_tries();
}

// A first connect that nobody waits for any more.
void DeviceSession::stop_unwanted_tries() {
  if (was_up_ || !connects_.empty() || !events_.empty()) return;
  if (phase_ != Phase::kConnecting && phase_ != Phase::kWaiting) return;
  drop_link(false);
  phase_ = Phase::kIdle;
  attempt_ = 0;
  states_.change(connection_state::disconnected, errc::operation_aborted, 0);
}

void DeviceSession::start_attempt(error reason) {
  phase_ = Phase::kConnecting;
  ++connection_;
  ++attempt_;
  states_.change(connection_state::connecting, std::move(reason), attempt_);
  if (!target_) {
    const auto network = network_.lock();
    if (!network) return;
    const auto* certificate = std::get_if<client_certificate>(&identity_.credential);
    const std::string& host =
        identity_.gateway_host_name.empty() ? identity_.host_name : identity_.gateway_host_name;
    auto made = make_endpoint(*network, options_,
                              {.host = host,
                               .port = options_.endpoint.port.value_or(kMqttsPort),
                               .sub_protocol = "mqtt",
                               .certificate = certificate != nullptr,
                               .chain_file = certificate == nullptr ? "" : certificate->chain_file,
                               .key_file = certificate == nullptr ? "" : certificate->key_file});
    if (made.problem) return on_lost(std::move(made.problem));
    target_ = std::move(made);
  }
  arm_attempt_deadline();
  if (!tokens_) return wait_to_dial({});
  tokens_->get([this](error why, TokenSource::Token token) {
    if (why) {
      on_lost(std::move(why));
    } else {
      wait_to_dial(std::move(token));
    }
  });
}

void DeviceSession::arm_attempt_deadline() {
  loop_->cancel(std::exchange(attempt_deadline_, 0));
  if (options_.connect_timeout.count() == 0) return;
  attempt_deadline_ = loop_->run_after(options_.connect_timeout, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->attempt_deadline_ = 0;
    self->on_lost({errc::timed_out, "no connection to " + self->target_->connect.host + ":" +
                                        std::to_string(self->target_->connect.port) + " in time"});
  });
}

// Behind the other clients of this process that dial the same hub. What they take is no time of
// this try, but it is of the operation that waits for it.
void DeviceSession::wait_to_dial(TokenSource::Token token) {
  const auto network = network_.lock();
  if (!network) return;
  loop_->cancel(std::exchange(attempt_deadline_, 0));
  network->wait_to_dial(
      *loop_, target_->connect.host + ":" + std::to_string(target_->connect.port),
      [weak = weak_from_this(), connection = connection_,
       token = std::move(token)](std::shared_ptr<void> place) mutable {
        const auto self = weak.lock();
        if (!self || self->connection_ != connection || self->phase_ != Phase::kConnecting) return;
        self->dial_place_ = std::move(place);
        self->arm_attempt_deadline();
        self->dial(std::move(token));
      });
}

void DeviceSession::dial(TokenSource::Token token) {
  const auto network = network_.lock();
  if (!network) return;
  const auto current = [weak = weak_from_this(), connection = connection_] {
    auto self = weak.lock();
    const bool wanted = self && self->connection_ == connection &&
                        self->phase_ == Phase::kConnecting && self->link_ == nullptr;
    return wanted ? self : nullptr;
  };
  sdk::connect(
      *network, *loop_, *target_,
      [current,
       token = std::move(token)](net::Stream& stream) -> std::unique_ptr<net::StreamHandler> {
        const auto self = current();
        return self ? self->open_link(stream, token) : nullptr;
      },
      [current](const Error& failure) {
        if (const auto self = current()) self->on_lost(connect_failure(failure));
      });
}

std::unique_ptr<net::StreamHandler> DeviceSession::open_link(net::Stream& stream,
                                                             const TokenSource::Token& token) {
  const std::string client_id = wire::identity_text(name_);
  const std::string user_name = user_name_of(identity_, client_id, options_.product_info);
  mqtt::Connect connect;
  connect.client_id = client_id;
  connect.user_name = user_name;
  if (tokens_) connect.password = token.text;
  connect.keep_alive_seconds = static_cast<uint16_t>(
      std::clamp(options_.keep_alive, std::chrono::seconds(1), kKeepAliveMax).count());
  token_expiry_ = token.expiry;
  auto made = std::make_unique<Link>(shared_from_this(), stream, connect);
  link_ = made.get();
  return made;
}

void DeviceSession::on_up() {
  dial_place_.reset();
  loop_->cancel(std::exchange(attempt_deadline_, 0));
  phase_ = Phase::kUp;
  was_up_ = true;
  attempt_ = 0;
  last_failure_ = {};
  states_.change(connection_state::connected, {}, 0);
  arm_renewal();
  connects_.succeed_all();
  events_.open(*link_);
}

// --- Losing a connection, or never getting it.

void DeviceSession::drop_link(bool orderly) {
  for (TimerId* timer : {&attempt_deadline_, &retry_, &renewal_}) {
    loop_->cancel(std::exchange(*timer, 0));
  }
  dial_place_.reset();
  renewal_due_ = false;
  if (tokens_) tokens_->forget();
  ++connection_;
  held_ = 0;
  events_.lost();
  // The hub delivers these again.
  inbox_.clear();
  if (Link* const link = std::exchange(link_, nullptr)) link->abandon(orderly);
}

void DeviceSession::on_lost(error why) {
  if (phase_ == Phase::kClosing) return end();
  if (!running()) return;
  drop_link(false);
  last_failure_ = why;
  if (was_up_ || (options_.reconnect.retry_first_connect && is_transient(why))) {
    retry_later(std::move(why));
    return;
  }
  phase_ = Phase::kIdle;
  attempt_ = 0;
  states_.change(connection_state::disconnected, why, 0);
  connects_.fail_all(why);
  events_.fail_all(why);
}

void DeviceSession::retry_later(error why) {
  const auto network = network_.lock();
  if (!network) return;
  phase_ = Phase::kWaiting;
  // What somebody must repair first is not asked for more often than at the longest pause.
  constexpr unsigned kManyFailures = 1000;
  const unsigned failures = is_transient(why) ? std::max(attempt_, 1U) : kManyFailures;
  const Duration pause = pause_before_retry(options_.reconnect, failures, *network->random());
  log_.write(log_level::warning, retry_text(why, pause));
  retry_ = loop_->run_after(pause, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->retry_ = 0;
    self->start_attempt({});
  });
  // Last: who hears of it and moves a clock of its own must find the timer set.
  states_.change(connection_state::waiting, std::move(why), attempt_);
}

// --- A new token needs a new connection (device protocol, 1.17).

void DeviceSession::arm_renewal() {
  if (!tokens_ || !tokens_->renewable() || !token_expiry_) return;
  const Duration left = *token_expiry_ - loop_->clock().wall();
  const Duration pause = pause_before_renewal(left, options_.token_renewal_margin);
  renewal_ = loop_->run_after(pause, [weak = weak_from_this(), grace = (left - pause) / 2] {
    const auto self = weak.lock();
    if (!self) return;
    self->renewal_ = 0;
    self->renewal_due_ = true;
    self->events_.pause();
    self->renew_if_possible();
    if (!self->renewal_due_) return;
    // Messages in the application's hands, and events that the hub has not acknowledged yet, would
    // go twice: they get half of what is left.
    self->renewal_ = self->loop_->run_after(std::max(grace, Duration(0)), [weak] {
      if (const auto still = weak.lock()) still->renew_now();
    });
  });
}

void DeviceSession::renew_if_possible() {
  if (renewal_due_ && held_ == 0 && events_.all_acknowledged() && phase_ == Phase::kUp) renew_now();
}

void DeviceSession::renew_now() {
  drop_link(true);
  attempt_ = 0;
  start_attempt({errc::token_renewal, "the token is about to expire"});
}

// --- Events.

void DeviceSession::send_event(detail::operation_id id, const message& message,
                               detail::completion<> done) {
  if (!running()) return fail_with(std::move(done), errc::closed);
  events_.send(id, message, std::move(done));
  if (phase_ == Phase::kIdle && !events_.empty()) start_attempt({});
}

void DeviceSession::send_events(detail::operation_id id, std::span<const message> messages,
                                detail::completion<std::vector<error>> done) {
  if (!running()) return fail_with(std::move(done), errc::closed);
  events_.send_batch(id, messages, std::move(done));
  if (phase_ == Phase::kIdle && !events_.empty()) start_attempt({});
}

void DeviceSession::on_acknowledged(uint64_t token) {
  events_.acknowledged(token);
  renew_if_possible();
}

// --- Messages.

void DeviceSession::hand_out(std::shared_ptr<Delivery> delivery) {
  if (inbox_.size() >= kInboxMax) {
    on_lost({errc::protocol_error, "the hub sends more messages than it may"});
    return;
  }
  delivery->connection = connection_;
  inbox_.push_back(std::move(delivery));
  serve_receivers();
}

void DeviceSession::serve_receivers() {
  while (!inbox_.empty() && !receivers_.empty()) {
    std::shared_ptr<Delivery> first = std::move(inbox_.front());
    inbox_.erase(inbox_.begin());
    // From here on its end without a decision is the application's.
    first->session = weak_from_this();
    first->loop = loop_;
    if (first->packet_id != 0) ++held_;
    finish(receivers_.take_first(), error(), received_message(std::move(first)));
  }
}

void DeviceSession::receive(detail::operation_id id, detail::completion<received_message> done) {
  if (!running()) return fail_with(std::move(done), errc::closed);
  receivers_.add(id, std::move(done));
  serve_receivers();
}

void DeviceSession::complete(Delivery& delivery, detail::completion<> done) {
  if (delivery.decided.exchange(true)) {
    return fail_with(std::move(done), errc::message_already_decided);
  }
  if (delivery.packet_id == 0) return finish(std::move(done), error());
  // A kept session's messages may come before the SUBACK, while this is still connecting.
  if (link_ == nullptr || !running() || delivery.connection != connection_) {
    return fail_with(std::move(done),
                     {errc::device_message_lock_lost,
                      "the connection by which the message came has ended; the hub delivers the "
                      "message again"});
  }
  // In the application's order, not in that of arrival (MQTT 3.1.1, 4.6): one message that takes
  // long must not hold up the others, and the hub takes PUBACKs as they come (device protocol 6.5).
  link_->puback(delivery.packet_id);
  if (held_ > 0) --held_;
  finish(std::move(done), error());
  renew_if_possible();
}

void DeviceSession::drop(uint64_t connection, const std::string& message_id) {
  undecided_.fetch_add(1);
  log_.write(log_level::warning,
             "message '" + message_id +
                 "' was dropped without a decision; MQTT cannot give it back, so the hub keeps it "
                 "locked until this connection ends and then delivers it again");
  if (connection == connection_ && held_ > 0) --held_;
  renew_if_possible();
}

// --- The rest of an operation's life.

void DeviceSession::next_state(detail::operation_id id,
                               detail::completion<connection_change> done) {
  states_.next(id, std::move(done));
}

void DeviceSession::cancel(detail::operation_id id) {
  connects_.fail(id, errc::operation_aborted);
  receivers_.fail(id, errc::operation_aborted);
  events_.cancel(id);
  states_.cancel(id);
  if (running()) stop_unwanted_tries();
}

void DeviceSession::close(detail::completion<> done) {
  if (phase_ == Phase::kClosed) return finish(std::move(done), error());
  closes_.add(0, std::move(done));
  if (phase_ == Phase::kClosing) return;
  if (phase_ != Phase::kUp) return end();
  phase_ = Phase::kClosing;
  receivers_.fail_all(errc::closed);
  events_.fail_all(errc::closed);
  // Its end comes as on_link_gone(), within the stream's own deadline.
  link_->disconnect();
}

void DeviceSession::on_link_gone() {
  if (phase_ == Phase::kClosing) {
    end();
  } else {
    on_lost({errc::connection_lost, "the network is shutting down"});
  }
}

void DeviceSession::end() {
  drop_link(true);
  phase_ = Phase::kClosed;
  states_.change(connection_state::closed, {}, 0);
  states_.fail_all(errc::closed);
  connects_.fail_all(errc::closed);
  receivers_.fail_all(errc::closed);
  events_.fail_all(errc::closed);
  closes_.succeed_all();
}

void DeviceSession::shut_down() {
  if (phase_ != Phase::kClosed) end();
}

}  // namespace linarite::sdk
