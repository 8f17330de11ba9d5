// The life of a connection: its stream, its deadlines, CONNECT and the end. Packets and messages
// are in mqtt_connection_traffic.cc, telemetry in mqtt_connection_telemetry.cc, faults on demand in
// mqtt_connection_faults.cc.
#include "gateway/mqtt_connection.h"

#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <algorithm>
#include <utility>

#include "base/mutation.h"
#include "net/socket_address.h"
#include "wire/error_body.h"
#include "wire/error_table.h"

namespace linarite::gateway {
namespace {

using mqtt::ConnectReturnCode;

// While we do not read, silence is not the device's. It is looked at again after this time.
constexpr Duration kPausedRecheck = std::chrono::seconds(5);

// device-protocol 1.4. Never 4: the C SDK then gives up for good.
ConnectReturnCode return_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kIotHubUnauthorizedAccess:
    case ErrorCode::kIotHubUnauthorized:
    case ErrorCode::kDeviceNotFound:
    case ErrorCode::kModuleNotFound:
      return ConnectReturnCode::kNotAuthorized;
    default:
      return ConnectReturnCode::kServerUnavailable;
  }
}

MqttEnd end_of(net::CloseReason reason) {
  return reason == net::CloseReason::kShutdown ? MqttEnd::kShutdown : MqttEnd::kPeerGone;
}

MqttEnd end_of(ErrorCode reason_of_hub) {
  switch (reason_of_hub) {
    case ErrorCode::kConnectionForcefullyClosedOnNewConnection:
      return MqttEnd::kTakeover;
    case ErrorCode::kShuttingDown:
      return MqttEnd::kShutdown;
    default:
      return MqttEnd::kIdentityChanged;
  }
}

}  // namespace

MqttConnection::MqttConnection(const Context& context, net::Stream& stream)
    : context_(context),
      stream_(stream),
      engine_(mqtt::Connection::Role::kServer, context.options.connection, now()) {
  arm_timer();
}

// Without on_closed() only when the loop was stopped: the stream is then half destroyed.
MqttConnection::~MqttConnection() {
  if (partition_ != nullptr) partition_->detach(*this);
}

// ---- The stream

void MqttConnection::on_bytes(ByteView bytes) {
  if (ended_) return;
  handling_ = true;
  engine_.receive(bytes, now(), *this);
  handled();
}

// Nothing may be touched after it: the stream may be on its way to another loop.
void MqttConnection::handled() {
  handling_ = false;
  flush();
  if (ended_ || !std::exchange(login_due_, false)) return;
  // What the device sends meanwhile stays where it is.
  stream_.pause_reading();
  loop().cancel(std::exchange(timer_, 0));
  stream_.move_to(context_.hub.loop_of(identity_.device_id), [this] { log_in(); });
}

void MqttConnection::flush() {
  if (engine_.output().empty()) return;
  sent_ += engine_.output().size();
  stream_.send(engine_.output());
  engine_.clear_output();
  if (paused_ || ended_ || stream_.unsent() <= net::Stream::kUnsentHigh) return;
  paused_ = true;
  stream_.pause_reading();
  set_delivery();
}

void MqttConnection::on_writable() {
  if (ended_ || !std::exchange(paused_, false)) return;
  read_again();
  complete_written();
  set_delivery();
}

void MqttConnection::on_closed(net::CloseReason reason) {
  finish(end_of(reason), {ErrorCode::kDeviceConnectionClosedRemotely, {}});
}

// ---- Deadlines

void MqttConnection::arm_timer(Duration not_before) {
  Instant next = engine_.next_deadline();
  if (token_end_ != WallTime::max()) {
    // The first moment at which it has expired; times of day have milliseconds.
    const auto left = token_end_ - wall() + std::chrono::milliseconds(1);
    next = std::min<Instant>(next, now() + left);
  }
  if (next == Instant::max()) return;
  if (!reading()) not_before = kPausedRecheck;
  next = std::max(next, now() + not_before);
  loop().cancel(timer_);
  timer_ = loop().run_at(next, [this] {
    timer_ = 0;
    on_timer();
  });
}

// After a pause, if nothing else asks for one. The clock of the keep-alive went on meanwhile: what
// waits to be read comes before the next look at it.
void MqttConnection::read_again() {
  if (!reading()) return;
  arm_timer(kPausedRecheck);
  stream_.resume_reading();
}

void MqttConnection::on_timer() {
  if (wall() > token_end_) {
    return end(MqttEnd::kTokenExpired, {ErrorCode::kIotHubUnauthorized, "the token has expired"});
  }
  if (reading()) {
    handling_ = true;
    engine_.tick(now(), *this);
    handled();
  }
  if (!ended_) arm_timer();
}

void MqttConnection::on_timeout(Timeout timeout) {
  if (timeout == Timeout::kConnect) {
    end(MqttEnd::kConnectTimeout, {ErrorCode::kGenericTimeout, "no CONNECT in time"});
  } else {
    end(MqttEnd::kKeepAlive, {ErrorCode::kDeviceConnectionClosedRemotely, "keep alive timeout"});
  }
}

// ---- CONNECT

void MqttConnection::on_unsupported_protocol(const mqtt::UnsupportedConnect& connect) {
  refuse(ConnectReturnCode::kUnacceptableProtocolVersion,
         {ErrorCode::kInvalidProtocolVersion,
          fmt::format("protocol {} level {}", connect.protocol_name, connect.protocol_level)});
}

void MqttConnection::on_connect(const mqtt::Connect& connect) {
  if (connect.client_id.empty() && !connect.clean_session) {
    return refuse(ConnectReturnCode::kIdentifierRejected,
                  {ErrorCode::kArgumentInvalid, "no client id for a persistent session"});
  }
  if (const Status taken = take_connect(connect); !taken) return refuse(taken.error());
  login_due_ = true;
}

// Keeps what is needed after the move. Fails with what the connection is to be refused for.
Status MqttConnection::take_connect(const mqtt::Connect& connect) {
  if (!connect.user_name) return fail(ErrorCode::kIotHubUnauthorized, "no user name");
  auto user = wire::parse_user_name(*connect.user_name, connect.client_id);
  if (!user) return std::unexpected(user.error());
  identity_ = std::move(user->identity);
  if (identity_.is_module()) {
    return fail(ErrorCode::kModuleNotFound, "modules are not part of this version");
  }
  if (!connect.password || connect.password->empty()) {
    return fail(ErrorCode::kIotHubUnauthorized, "no token");
  }
  if (connect.password->size() > wire::kSasTokenSizeMax) {
    return fail(ErrorCode::kIotHubUnauthorized, "the token is too long");
  }
  password_ = *connect.password;
  clean_session_ = connect.clean_session;
  model_id_ = std::move(user->model_id).value_or(std::string());
  // A will to a topic that is not the device's is ignored (device-protocol 1.8).
  if (connect.will && wire::classify_publish(identity_, connect.will->topic).kind ==
                          wire::PublishKind::kTelemetry) {
    will_ = {.topic = std::string(connect.will->topic),
             .body = Bytes(connect.will->payload),
             .retain = connect.will->retain};
  }
  return {};
}

// On the loop of the device.
void MqttConnection::log_in() {
  hub::Partition& partition = context_.hub.partition_of(identity_.device_id);
  const std::string password = std::exchange(password_, {});
  const auto principal = partition.authenticate_device(identity_.device_id, password);
  if (!principal) return refuse(principal.error());
  if (context_.hub.throttles().connect_device(identity_.device_id, now()) > Duration::zero()) {
    return refuse({ErrorCode::kThrottlingException, "too many connections"});
  }
  token_end_ = principal->token.expiry +
               std::chrono::duration_cast<std::chrono::milliseconds>(context_.options.token_grace);

  // An older connection of the device ends here, before CONNACK (device-protocol 1.7), and before
  // the session is read, which it could still change.
  const uint64_t key =
      principal->kind == hub::Principal::Kind::kDevice ? principal->key_fingerprint : 0;
  if (const Status attached = partition.attach(identity_.device_id, *this, key); !attached) {
    return refuse(attached.error());
  }
  partition_ = &partition;
  encoder_.emplace(TelemetrySender{.device_id = identity_.device_id,
                                   .generation_id = partition.generation_id(identity_.device_id),
                                   .by_policy = principal->kind == hub::Principal::Kind::kPolicy,
                                   .model_id = model_id_});
  if (!clean_session_) {
    return partition.load_session(
        identity_.device_id, guarded([this](Result<std::optional<hub::Session>> stored) {
          if (ended_) return;
          if (!stored) return refuse(stored.error());
          const bool present = stored->has_value();
          session_.emplace(identity_, (*std::move(stored)).value_or(hub::Session{}));
          go_online(present);
        }));
  }
  session_.emplace(identity_);
  partition.erase_session(identity_.device_id, guarded([this](const Status& erased) {
                            if (ended_) return;
                            if (!erased) return refuse(erased.error());
                            go_online(false);
                          }));
}

void MqttConnection::go_online(bool session_present) {
  engine_.accept(session_present || mutated(Mutation::kSessionPresentAlways), now());
  flush();
  counted_ = true;
  context_.metrics.connections.Increment();
  context_.metrics.answered(ConnectReturnCode::kAccepted).Increment();
  context_.log.debug("device connected over MQTT",
                     {{"device", identity_.device_id}, {"peer", stream_.peer().address}});
  arm_timer();
  stream_.resume_reading();
  // A kept subscription gets its messages without a new SUBSCRIBE (device-protocol 1.6).
  set_delivery();
  on_bytes({});
}

void MqttConnection::refuse(const Error& error) {
  const ConnectReturnCode code = return_code(error.code);
  if (code != ConnectReturnCode::kNotAuthorized) return refuse(code, error);
  const Duration wait =
      context_.hub.throttles().refuse_credential(net::address_key(stream_.peer().address), now());
  if (wait == Duration::zero()) return refuse(code, error);
  hold_back(wait, code, error);
}

// An address with many refusals waits for each further one. It costs us no more than a device that
// takes its time to say CONNECT.
void MqttConnection::hold_back(Duration wait, ConnectReturnCode code, Error error) {
  stream_.pause_reading();
  throttle_timer_ = loop().run_after(wait, [this, code, error = std::move(error)] {
    throttle_timer_ = 0;
    refuse(code, error);
  });
}

void MqttConnection::refuse(ConnectReturnCode code, const Error& error) {
  engine_.refuse(code);
  context_.metrics.answered(code).Increment();
  will_.reset();
  end(MqttEnd::kRefused, error);
}

// ---- The end

void MqttConnection::on_disconnect() {
  will_.reset();
  end(MqttEnd::kDisconnect, {ErrorCode::kDeviceConnectionClosedRemotely, {}});
}

void MqttConnection::on_protocol_error(const Error& error) {
  const ErrorCode code = error.code == ErrorCode::kLimitExceeded ? ErrorCode::kMessageTooLarge
                                                                 : ErrorCode::kIotHubFormatError;
  end(MqttEnd::kProtocolError, {code, error.message});
}

void MqttConnection::disconnect(Error reason) {
  partition_ = nullptr;
  end(end_of(reason.code), reason);
}

void MqttConnection::end(MqttEnd end, const Error& why) {
  if (ended_) return;
  engine_.close();
  flush();
  finish(end, why);
  stream_.close();
}

void MqttConnection::finish(MqttEnd end, const Error& why) {
  if (std::exchange(ended_, true)) return;
  engine_.close();
  loop().cancel(std::exchange(timer_, 0));
  drop_faults();
  send_will(why);
  // What was delivered and not acknowledged goes back to the queue (device-protocol 6.4).
  if (partition_ != nullptr) std::exchange(partition_, nullptr)->detach(*this);
  if (counted_) context_.metrics.connections.Decrement();
  context_.metrics.ended(end).Increment();
  const bool ordinary = end == MqttEnd::kDisconnect || end == MqttEnd::kPeerGone;
  context_.log.write(ordinary ? LogLevel::kDebug : LogLevel::kInfo, "MQTT connection ended",
                     {{"reason", end_name(end)},
                      {"code", fmt::format("{}", wire::error_row(why.code).number())},
                      {"text", why.message},
                      {"device", identity_.device_id},
                      {"peer", stream_.peer().address},
                      {"tracking_id", wire::make_tracking_id(context_.hub.random(), wall())}});
}

}  // namespace linarite::gateway
