// Which links of a back end may attach, and how they come and go (service-protocol 0.2, 0.3).
#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "amqp/conditions.h"
#include "base/text.h"
#include "gateway/amqp_c2d_link.h"
#include "gateway/amqp_connection.h"
#include "gateway/amqp_error.h"
#include "gateway/amqp_events_attach.h"
#include "gateway/amqp_events_link.h"
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

// Clients know no other (service-protocol 4.2).
constexpr int32_t kAmqpsPort = 5671;

AmqpRight hub_events_right(const wire::Address& address) {
  std::vector<std::string> segments = {"messages", "events"};
  for (size_t at = 0; at < address.rest.size();) {
    const size_t end = std::min(address.rest.find('/', at), address.rest.size());
    segments.push_back(address.rest.substr(at, end - at));
    at = end + 1;
  }
  return {hub::Action::kReceiveEvents, hub::Resource::events(std::move(segments))};
}

// `{eh}` or `{eh}/Partitions/{n}`: where an event hub that can be sent to takes events.
bool names_event_hub(std::string_view address, const hub::Hub& hub) {
  const std::string_view path = wire::address_path(address);
  const std::string_view entity = path.substr(0, path.find('/'));
  return equal_ignoring_case(entity, hub.event_hub_name()) &&
         (entity.size() == path.size() ||
          equal_ignoring_case(path.substr(entity.size(), 12), "/Partitions/"));
}

// service-protocol 4.12.
std::unexpected<Error> refuse_sender() {
  return fail(ErrorCode::kIotHubUnauthorized, "events are sent by devices only");
}

}  // namespace

void AmqpConnection::on(const amqp::LinkRequested& event) {
  if (const auto redirect = redirect_of(event)) {
    return engine_.refuse_link(event.link, *redirect);
  }
  auto link = make_link(event);
  if (link) return add_link(event, *std::move(link));
  refuse(event, link.error());
  if (link.error().code == ErrorCode::kIotHubUnauthorizedAccess && claims_.empty()) {
    close(link.error());
  }
}

Result<std::unique_ptr<AmqpLink>> AmqpConnection::make_link(const amqp::LinkRequested& request) {
  const amqp::Attach& attach = *request.attach;
  if (attach.target && attach.target->coordinator) {
    return fail(ErrorCode::kNotImplemented, "there are no transactions");
  }
  if (claims_.empty() && links_.size() >= kLinksBeforeTokenMax) {
    return fail(ErrorCode::kIotHubUnauthorizedAccess, "too many links before a token was put");
  }
  const bool peer_sends = attach.role == amqp::Role::kSender;
  const wire::Address address = wire::classify_address(address_of(attach).value_or(""));
  if (address.kind == wire::AddressKind::kCbs) return make_cbs_link(request);
  // Java's Event Hubs client attaches to $management before it has put its token; each request
  // there is checked as it comes.
  if (claims_.empty() && address.kind != wire::AddressKind::kManagement) {
    return fail(ErrorCode::kIotHubUnauthorizedAccess, "no token was put");
  }
  switch (address.kind) {
    case wire::AddressKind::kDevicebound:
      if (!peer_sends) break;
      if (auto status = allow(AmqpC2dLink::needed_right()); !status) {
        return std::unexpected(status.error());
      }
      return std::make_unique<AmqpC2dLink>(peer_, request.link);
    case wire::AddressKind::kFeedback:
      if (peer_sends) break;
      if (auto status = allow(AmqpFeedbackLink::needed_right()); !status) {
        return std::unexpected(status.error());
      }
      return std::make_unique<AmqpFeedbackLink>(
          peer_, request.link, attach.snd_settle_mode == amqp::SenderSettleMode::kSettled);
    case wire::AddressKind::kPartition:
      if (peer_sends) return refuse_sender();
      return make_events_link(request, address);
    case wire::AddressKind::kManagement:
      return make_management_link(request, address);
    case wire::AddressKind::kHubEvents:
      // Those that may are sent on.
      if (auto status = allow(hub_events_right(address)); !status) {
        return std::unexpected(status.error());
      }
      break;
    case wire::AddressKind::kUnknown:
      if (peer_sends && names_event_hub(*address_of(attach), context_.hub)) return refuse_sender();
      break;
    default:
      return fail(ErrorCode::kAmqpAddressNotFound,
                  "this version does not serve this address over AMQP");
  }
  return fail(ErrorCode::kAmqpAddressNotFound, "the address does not exist");
}

Status AmqpConnection::allow(const AmqpRight& right) const {
  return claims_.allow(right.action, right.resource);
}

Result<std::unique_ptr<AmqpLink>> AmqpConnection::make_management_link(
    const amqp::LinkRequested& request, const wire::Address& address) {
  const hub::Hub& hub = context_.hub;
  if (!address.entity.empty() && !equal_ignoring_case(address.entity, hub.event_hub_name())) {
    return fail(ErrorCode::kAmqpAddressNotFound,
                "The messaging entity could not be found: there is no such event hub");
  }
  const AmqpRight right = management_right(hub);
  if (!claims_.empty()) {
    if (auto status = allow(right); !status) return std::unexpected(status.error());
  }
  std::string entity = ascii_lower(address.entity);
  if (request.attach->role == amqp::Role::kSender) {
    return std::make_unique<AmqpManagementRequestLink>(peer_, request, management_,
                                                       std::move(entity));
  }
  return std::make_unique<AmqpReplyLink>(peer_, request, management_.replies(), std::move(entity),
                                         right);
}

// service-protocol 4.2. Receivers are sent on wherever they ask below messages/events, senders of
// the request/response pair that some clients open there.
std::optional<amqp::Error> AmqpConnection::redirect_of(const amqp::LinkRequested& request) const {
  const amqp::Attach& attach = *request.attach;
  const wire::Address address = wire::classify_address(address_of(attach).value_or(""));
  if (address.kind != wire::AddressKind::kHubEvents || !allow(hub_events_right(address))) {
    return std::nullopt;
  }
  if (attach.role == amqp::Role::kSender && !equal_ignoring_case(address.rest, "$management")) {
    return std::nullopt;
  }
  const std::string& host = context_.hub.options().host_names.front();
  // Clients cut the entity out between the literal port and the rest.
  std::string target = fmt::format("amqps://{}:{}/{}/{}", host, kAmqpsPort,
                                   context_.hub.event_hub_name(), address.rest);
  return amqp::Error{
      std::string(amqp::condition::kRedirect), "The events are at another address.",
      amqp::Value::map({amqp::Value::symbol("hostname"), amqp::Value::string(host),
                        amqp::Value::symbol("network-host"), amqp::Value::string(host),
                        amqp::Value::symbol("port"), amqp::Value::from_int32(kAmqpsPort),
                        amqp::Value::symbol("address"), amqp::Value::string(std::move(target))})};
}

Result<std::unique_ptr<AmqpLink>> AmqpConnection::make_events_link(
    const amqp::LinkRequested& request, const wire::Address& address) {
  if (auto status = allow(events_right(address)); !status) {
    return std::unexpected(status.error());
  }
  auto attach = read_events_attach(address, *request.attach, context_.hub);
  if (!attach) return std::unexpected(attach.error());
  return std::make_unique<AmqpEventsLink>(peer_, request.link, *std::move(attach));
}

Result<std::unique_ptr<AmqpLink>> AmqpConnection::make_cbs_link(
    const amqp::LinkRequested& request) {
  if (request.attach->role == amqp::Role::kReceiver) {
    return std::make_unique<AmqpReplyLink>(peer_, request, cbs_.replies(), std::string(),
                                           std::nullopt);
  }
  return std::make_unique<AmqpCbsRequestLink>(peer_, request, cbs_);
}

// Event Hubs clients show the text as it is.
void AmqpConnection::refuse(const amqp::LinkRequested& request, const Error& error) {
  context_.metrics.links_refused.Increment();
  const auto kind = wire::classify_address(address_of(*request.attach).value_or("")).kind;
  const bool event_hub =
      kind == wire::AddressKind::kPartition || kind == wire::AddressKind::kManagement;
  engine_.refuse_link(request.link, event_hub ? event_hub_error(error, context_.hub)
                                              : amqp_error(error, context_.hub));
}

void AmqpConnection::add_link(const amqp::LinkRequested& request, std::unique_ptr<AmqpLink> link) {
  AmqpLink& added = *links_.emplace(request.link, std::move(link)).first->second;
  context_.metrics.links.Increment();
  requested_.emplace(request.link, request.attach);
  if (!added.answers_later()) return answer(request.link, std::nullopt);
  added.on_requested();
}

// Addresses and settle modes are answered as they were asked for (device-protocol 3.6).
void AmqpConnection::answer(amqp::LinkId id, const std::optional<amqp::Error>& refusal) {
  const auto requested = requested_.find(id);
  const auto link = links_.find(id);
  if (requested == requested_.end() || link == links_.end()) return;
  const amqp::Attach& attach = *requested->second;
  if (refusal) {
    context_.metrics.links_refused.Increment();
    engine_.refuse_link(id, *refusal);
    requested_.erase(requested);
    return remove_link_later(id);
  }
  amqp::Connection::Acceptance acceptance{.source = attach.source ? attach.source : amqp::Source{},
                                          .target = attach.target ? attach.target : amqp::Target{},
                                          .snd_settle_mode = attach.snd_settle_mode,
                                          .rcv_settle_mode = attach.rcv_settle_mode};
  link->second->shape(acceptance);
  engine_.accept_link(id, acceptance);
  requested_.erase(requested);
  link->second->on_attached();
}

void AmqpConnection::detach(amqp::LinkId link, amqp::Error error) {
  engine_.detach(link, true, std::move(error));
  remove_link_later(link);
}

// A link is not destroyed from inside a call of its own.
void AmqpConnection::remove_link_later(amqp::LinkId link) {
  loop().post([this, link, alive = std::weak_ptr<const bool>(alive_)] {
    if (!alive.expired()) remove_link(link);
  });
}

void AmqpConnection::on(const amqp::LinkDetached& event) { remove_link(event.link); }

void AmqpConnection::remove_link(amqp::LinkId link) {
  requested_.erase(link);
  if (links_.erase(link) != 0) context_.metrics.links.Decrement();
}

// What the links held goes back to the hub.
void AmqpConnection::remove_links() {
  context_.metrics.links.Decrement(static_cast<double>(links_.size()));
  links_.clear();
  requested_.clear();
}

}  // namespace linarite::gateway
