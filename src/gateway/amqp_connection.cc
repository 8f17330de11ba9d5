#include "gateway/amqp_connection.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "gateway/amqp_c2d_link.h"
#include "gateway/amqp_error.h"
#include "gateway/amqp_feedback_link.h"
#include "wire/address.h"

namespace linarite::gateway {
namespace {

// The address that the peer wants to use is in the terminus on our side.
std::optional<std::string> address_of(const amqp::Attach& attach) {
  if (attach.role == amqp::Role::kSender) {
    return attach.target ? attach.target->address : std::nullopt;
  }
  return attach.source ? attach.source->address : std::nullopt;
}

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
            .claims_changed = [this] { claims_changed_ = true; }},
      cbs_(peer_),
      claim_deadline_(now() + context.options.claim_time_out),
      recheck_(now() + context.options.recheck_interval) {
  context_.metrics.connections.Increment();
  arm_timer();
}

AmqpConnection::~AmqpConnection() {
  loop().cancel(timer_);
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
  if (!std::exchange(paused_, false)) return;
  stream_.resume_reading();
}

void AmqpConnection::on_closed(net::CloseReason /*reason*/) {
  ended_ = true;
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

void AmqpConnection::on(const amqp::SaslReceived& event) {
  // MSSBCBS and ANONYMOUS lead to $cbs; EXTERNAL needs device certificates, which are not served
  // yet.
  amqp::SaslCode code = amqp::SaslCode::kAuth;
  if (event.mechanism == "MSSBCBS" || event.mechanism == "ANONYMOUS") {
    code = amqp::SaslCode::kOk;
  } else if (event.mechanism == "PLAIN" && event.response && is_private(stream_.peer())) {
    const Status status = claims_.log_in(*event.response);
    (status ? context_.metrics.tokens_accepted : context_.metrics.tokens_refused).Increment();
    if (status) {
      code = amqp::SaslCode::kOk;
      claims_changed_ = true;
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

void AmqpConnection::on(const amqp::LinkRequested& event) {
  auto link = make_link(event);
  if (link) return accept(event, *std::move(link));
  context_.metrics.links_refused.Increment();
  engine_.refuse_link(event.link, amqp_error(link.error(), context_.hub));
  if (link.error().code == ErrorCode::kIotHubUnauthorizedAccess && claims_.empty()) {
    close(link.error());
  }
}

Result<std::unique_ptr<AmqpLink>> AmqpConnection::make_link(const amqp::LinkRequested& request) {
  const amqp::Attach& attach = *request.attach;
  if (attach.target && attach.target->coordinator) {
    return fail(ErrorCode::kNotImplemented, "there are no transactions");
  }
  const bool peer_sends = attach.role == amqp::Role::kSender;
  const auto kind = wire::classify_address(address_of(attach).value_or("")).kind;
  if (kind == wire::AddressKind::kCbs) return make_cbs_link(request);
  if (claims_.empty()) return fail(ErrorCode::kIotHubUnauthorizedAccess, "no token was put");
  if (kind == wire::AddressKind::kDevicebound && peer_sends) {
    const AmqpRight right = AmqpC2dLink::needed_right();
    if (auto status = claims_.allow(right.action, right.resource); !status) {
      return std::unexpected(status.error());
    }
    return std::make_unique<AmqpC2dLink>(peer_, request.link);
  }
  if (kind == wire::AddressKind::kFeedback && !peer_sends) {
    const AmqpRight right = AmqpFeedbackLink::needed_right();
    if (auto status = claims_.allow(right.action, right.resource); !status) {
      return std::unexpected(status.error());
    }
    return std::make_unique<AmqpFeedbackLink>(
        peer_, request.link, attach.snd_settle_mode == amqp::SenderSettleMode::kSettled);
  }
  const bool known = kind != wire::AddressKind::kUnknown &&
                     kind != wire::AddressKind::kDevicebound &&
                     kind != wire::AddressKind::kFeedback;
  return fail(
      ErrorCode::kAmqpAddressNotFound,
      known ? "this version does not serve this address over AMQP" : "the address does not exist");
}

Result<std::unique_ptr<AmqpLink>> AmqpConnection::make_cbs_link(
    const amqp::LinkRequested& request) {
  if (request.attach->role == amqp::Role::kReceiver) {
    return std::make_unique<AmqpCbsReplyLink>(peer_, request.link, cbs_, *request.attach);
  }
  const auto give_up = [this] {
    close({ErrorCode::kIotHubUnauthorizedAccess, "too many refused tokens"});
  };
  return std::make_unique<AmqpCbsRequestLink>(peer_, request.link, cbs_, give_up);
}

// Addresses and settle modes are answered as they were asked for (device-protocol 3.6).
void AmqpConnection::accept(const amqp::LinkRequested& request, std::unique_ptr<AmqpLink> link) {
  const amqp::Attach& attach = *request.attach;
  engine_.accept_link(request.link, {.source = attach.source ? attach.source : amqp::Source{},
                                     .target = attach.target ? attach.target : amqp::Target{},
                                     .snd_settle_mode = attach.snd_settle_mode,
                                     .rcv_settle_mode = attach.rcv_settle_mode});
  AmqpLink& added = *links_.emplace(request.link, std::move(link)).first->second;
  context_.metrics.links.Increment();
  added.on_attached();
}

void AmqpConnection::on(const amqp::LinkDetached& event) { remove_link(event.link); }

void AmqpConnection::remove_link(amqp::LinkId link) {
  if (links_.erase(link) != 0) context_.metrics.links.Decrement();
}

// What the links held goes back to the hub.
void AmqpConnection::remove_links() {
  context_.metrics.links.Decrement(static_cast<double>(links_.size()));
  links_.clear();
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
  if (ended_) return;
  if (const ByteView output = engine_.output(); !output.empty()) {
    stream_.send(output);
    engine_.clear_output();
  }
  if (engine_.closed()) {
    ended_ = true;
    loop().cancel(std::exchange(timer_, 0));
    return stream_.close();
  }
  // A peer that does not read what it causes is not read either.
  if (!paused_ && stream_.unsent() > net::Stream::kUnsentHigh) {
    paused_ = true;
    stream_.pause_reading();
  }
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
