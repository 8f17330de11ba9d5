#include "gateway/amqp_connection.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "gateway/amqp_error.h"
#include "net/socket_address.h"

namespace linarite::gateway {
namespace {

// Above it nothing is read from the peer.
constexpr size_t kUnsentMax = 2 * net::Stream::kUnsentHigh;

// A password in clear is taken only where nobody else can read it.
bool is_private(const net::PeerInfo& peer) {
  return peer.tls || peer.address.starts_with("127.") || peer.address == "::1";
}

}  // namespace

AmqpConnection::AmqpConnection(const Context& context, net::Stream& stream)
    : context_(context),
      stream_(stream),
      engine_(context.engine_options, stream.loop().clock().now()),
      claims_(context.hub),
      peer_{.engine = engine_,
            .hub = context.hub,
            .claims = claims_,
            .metrics = context.metrics,
            .loop = stream.loop(),
            .flush = [this] { flush_soon(); },
            .token_judged = [this](const Status& status) { token_judged(status); },
            .unsent = [this] { return unsent(); },
            .want_room = [this] { room_wanted_ = true; },
            .answer = [this](amqp::LinkId link,
                             std::optional<amqp::Error> refusal) { answer(link, refusal); },
            .detach = [this](amqp::LinkId link,
                             amqp::Error error) { detach(link, std::move(error)); }},
      cbs_(peer_),
      management_(peer_),
      claim_deadline_(now() + context.options.claim_time_out),
      recheck_(now() + context.options.recheck_interval) {
  context_.metrics.connections.Increment();
  arm_timer();
}

AmqpConnection::~AmqpConnection() {
  loop().cancel(timer_);
  loop().cancel(hold_timer_);
  remove_links();
  context_.metrics.connections.Decrement();
}

void AmqpConnection::on_bytes(ByteView bytes) {
  amqp::Events events;
  engine_.receive(bytes, now(), events);
  handle(events);
  flush();
}

void AmqpConnection::on_writable() {
  if (std::exchange(paused_, false) && hold_timer_ == 0) stream_.resume_reading();
  tell_room();
}

size_t AmqpConnection::unsent() {
  return engine_.output().size() + engine_.waiting_bytes() + stream_.unsent();
}

// A turn of its own for those that want to write: others have theirs in between.
void AmqpConnection::tell_room() {
  if (!room_wanted_ || stream_.unsent() > net::Stream::kUnsentHigh) return;
  room_wanted_ = false;
  loop().post([this, alive = std::weak_ptr<const bool>(alive_)] {
    if (alive.expired()) return;
    for (const auto& link : links_) link.second->on_writable();
    flush();
  });
}

void AmqpConnection::on_closed(net::CloseReason /*reason*/) {
  ended_ = true;
  loop().cancel(std::exchange(hold_timer_, 0));
  remove_links();
}

// What a reaction causes in the engine is handed out by its next tick, which is then due at once.
void AmqpConnection::handle(amqp::Events& events) {
  for (;;) {
    for (const amqp::Event& event : events) {
      std::visit([this](const auto& e) { on(e); }, event);
    }
    if (std::exchange(claims_changed_, false)) {
      had_claim_ = true;
      check_claims();
    }
    const auto deadline = engine_.deadline();
    if (!deadline || *deadline > now()) return;
    events.clear();
    engine_.tick(now(), events);
  }
}

void AmqpConnection::token_judged(const Status& status) {
  (status ? context_.metrics.tokens_accepted : context_.metrics.tokens_refused).Increment();
  refused_tokens_ = status ? 0 : refused_tokens_ + 1;
  if (status) claims_changed_ = true;
  if (!status) {
    hold_back(context_.hub.throttles().refuse_credential(net::address_key(stream_.peer().address),
                                                         now()));
  }
  if (refused_tokens_ < kRefusedTokensMax || closing_) return;
  close({ErrorCode::kIotHubUnauthorizedAccess, "too many refused tokens"});
}

// An address with many refusals waits for each further one: the answer, and all else that this
// connection would hear.
void AmqpConnection::hold_back(Duration wait) {
  if (wait == Duration::zero() || ended_ || hold_timer_ != 0) return;
  stream_.pause_reading();
  hold_timer_ = loop().run_after(wait, [this] {
    hold_timer_ = 0;
    if (!paused_) stream_.resume_reading();
    flush();
  });
}

void AmqpConnection::on(const amqp::SaslReceived& event) {
  // MSSBCBS and ANONYMOUS lead to $cbs; EXTERNAL needs device certificates, which are not served
  // yet.
  amqp::SaslCode code = amqp::SaslCode::kAuth;
  if (event.mechanism == "MSSBCBS" || event.mechanism == "ANONYMOUS") {
    code = amqp::SaslCode::kOk;
  } else if (event.mechanism == "PLAIN" && event.response && is_private(stream_.peer())) {
    const Status status = claims_.log_in(*event.response);
    token_judged(status);
    if (status) {
      code = amqp::SaslCode::kOk;
    } else {
      context_.log.info("AMQP log-in refused",
                        {{"peer", stream_.peer().address}, {"reason", status.error().message}});
    }
  }
  engine_.sasl_outcome(code, now());
}

void AmqpConnection::on(const amqp::Opened& event) {
  context_.log.debug("AMQP connection opened",
                     {{"peer", stream_.peer().address}, {"container", event.open->container_id}});
}

void AmqpConnection::on(const amqp::MessageReceived& event) {
  const auto found = links_.find(event.link);
  if (found != links_.end()) found->second->on_message(event);
}

void AmqpConnection::on(const amqp::DeliveryUpdated& event) {
  const auto found = links_.find(event.link);
  if (found != links_.end()) found->second->on_updated(event);
}

void AmqpConnection::on(const amqp::CreditChanged& event) {
  const auto found = links_.find(event.link);
  if (found != links_.end()) found->second->on_credit(event);
}

void AmqpConnection::on(const amqp::Closed& event) {
  if (event.cause == amqp::Closed::Cause::kProtocol) context_.metrics.protocol_errors.Increment();
  context_.log.debug("AMQP connection closed",
                     {{"peer", stream_.peer().address},
                      {"condition", event.error ? event.error->condition : std::string()}});
  remove_links();
}

// service-protocol 1.5: links whose right is gone are detached; a connection whose last token ended
// is closed.
void AmqpConnection::check_claims() {
  claims_.drop_ended();
  const Error ended{ErrorCode::kIotHubUnauthorizedAccess, "Token Invalid."};
  std::vector<amqp::LinkId> lost;
  for (const auto& [id, link] : links_) {
    const auto right = link->right();
    if (right && !claims_.allow(right->action, right->resource)) lost.push_back(id);
  }
  for (const amqp::LinkId id : lost) {
    engine_.detach(id, true, amqp_error(ended, context_.hub));
    remove_link(id);
  }
  if (had_claim_ && claims_.empty()) close(ended);
  recheck_ = now() + context_.options.recheck_interval;
  if (const auto end = claims_.next_end()) {
    recheck_ =
        std::min(recheck_, now() + std::max(Duration(0), Duration(*end - loop().clock().wall())));
  }
}

void AmqpConnection::check_time() {
  if (had_claim_ && now() >= recheck_) check_claims();
  if (!had_claim_ && now() >= claim_deadline_) {
    close({ErrorCode::kIotHubUnauthorizedAccess, "no token was put in time"});
  }
}

void AmqpConnection::close(const Error& error) {
  closing_ = true;
  engine_.close(amqp_error(error, context_.hub), now());
}

// Answers of the hub come in bursts: what they make the engine write leaves together, neighbouring
// outcomes in one disposition.
void AmqpConnection::flush_soon() {
  if (std::exchange(flush_due_, true)) return;
  loop().post([this, alive = std::weak_ptr<const bool>(alive_)] {
    if (alive.expired()) return;
    flush_due_ = false;
    flush();
  });
}

void AmqpConnection::flush() {
  if (ended_ || hold_timer_ != 0) return;
  if (const ByteView output = engine_.output(); !output.empty()) {
    stream_.send(output);
    engine_.clear_output();
  }
  if (engine_.closed()) {
    ended_ = true;
    loop().cancel(std::exchange(timer_, 0));
    return stream_.close();
  }
  // A peer that does not read what it causes is not read either. Events alone, which stop before,
  // do not keep us from reading its outcomes.
  if (!paused_ && stream_.unsent() > kUnsentMax) {
    paused_ = true;
    stream_.pause_reading();
  }
  tell_room();
  arm_timer();
}

void AmqpConnection::arm_timer() {
  Instant next = had_claim_ ? recheck_ : claim_deadline_;
  if (const auto deadline = engine_.deadline()) {
    next = closing_ ? *deadline : std::min(next, *deadline);
  }
  loop().cancel(timer_);
  timer_ = loop().run_at(next, [this] { on_timer(); });
}

void AmqpConnection::on_timer() {
  timer_ = 0;
  amqp::Events events;
  engine_.tick(now(), events);
  handle(events);
  if (!closing_) check_time();
  events.clear();
  handle(events);
  flush();
}

}  // namespace linarite::gateway
