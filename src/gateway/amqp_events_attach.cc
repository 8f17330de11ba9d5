#include "gateway/amqp_events_attach.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "wire/event_selector.h"

namespace linarite::gateway {
namespace {

constexpr std::string_view kReceiverName = "com.microsoft:receiver-name";
// Of a name in the text of an error.
constexpr size_t kReceiverNameSizeMax = 64;

// The text of a selector filter: described by its name or its number, or not described.
Result<std::string_view> selector_text(const amqp::Value& filter) {
  const auto refuse = [] {
    return fail(ErrorCode::kArgumentInvalid, "the selector filter is not a described string");
  };
  const amqp::Value* text = &filter;
  if (filter.type() == amqp::Type::kDescribed) {
    const amqp::Value& descriptor = filter.items().at(0);
    text = &filter.items().at(1);
    const bool known =
        descriptor.text() == wire::kSelectorFilter ||
        (descriptor.type() == amqp::Type::kUlong && descriptor.bits() == wire::kSelectorFilterCode);
    if (!known) return refuse();
  }
  if (text->type() != amqp::Type::kString) return refuse();
  return text->bytes();
}

hub::EventPosition position_of(const wire::EventSelector& selector) {
  using Kind = hub::EventPosition::Kind;
  hub::EventPosition position{
      .number = selector.number, .time = selector.time, .inclusive = selector.inclusive};
  switch (selector.kind) {
    case wire::EventSelector::Kind::kStart:
      position.kind = Kind::kStart;
      break;
    case wire::EventSelector::Kind::kLatest:
      position.kind = Kind::kLatest;
      break;
    case wire::EventSelector::Kind::kOffset:
      position.kind = Kind::kOffset;
      break;
    case wire::EventSelector::Kind::kSequence:
      position.kind = Kind::kSequence;
      break;
    case wire::EventSelector::Kind::kEnqueued:
      position.kind = Kind::kEnqueued;
      break;
  }
  return position;
}

std::optional<uint32_t> partition_number(std::string_view text, const hub::Hub& hub) {
  const auto number = whole_number<uint32_t>(text);
  if (!number || *number >= hub.partition_count() || std::to_string(*number) != text) {
    return std::nullopt;
  }
  return number;
}

// The epoch comes as a long or an int.
Result<std::optional<int64_t>> epoch_of(const amqp::Attach& attach) {
  const amqp::Value* value = attach.properties.find(kEventsEpoch);
  if (value == nullptr || value->is_null()) return std::nullopt;
  const auto epoch = value->integer();
  if (!epoch || *epoch < 0) {
    return fail(ErrorCode::kArgumentInvalid, "the epoch is not a number from 0 on");
  }
  return epoch;
}

std::string receiver_name(const amqp::Attach& attach) {
  const amqp::Value* value = attach.properties.find(kReceiverName);
  const auto text = value == nullptr ? std::nullopt : value->text();
  return std::string(text.value_or(attach.name).substr(0, kReceiverNameSizeMax));
}

}  // namespace

AmqpRight events_right(const wire::Address& address) {
  return {hub::Action::kReceiveEvents,
          hub::Resource::events({address.entity, "ConsumerGroups", address.consumer_group,
                                 "Partitions", address.partition})};
}

Result<EventsAttach> read_events_attach(const wire::Address& address, const amqp::Attach& attach,
                                        const hub::Hub& hub) {
  const auto unknown = [](const char* what) {
    return fail(ErrorCode::kAmqpAddressNotFound,
                std::string("The messaging entity could not be found: there is no such ") + what);
  };
  if (!equal_ignoring_case(address.entity, hub.event_hub_name())) return unknown("event hub");
  const std::string* group = hub.consumer_group(address.consumer_group);
  if (group == nullptr) return unknown("consumer group");
  const auto partition = partition_number(address.partition, hub);
  if (!partition) return unknown("partition");
  EventsAttach out{.right = events_right(address)};
  out.receiver.partition = *partition;
  out.receiver.consumer_group = *group;
  out.receiver.name = receiver_name(attach);
  const auto epoch = epoch_of(attach);
  if (!epoch) return std::unexpected(epoch.error());
  out.receiver.epoch = *epoch;
  if (const amqp::Value* filter = attach.source->filter.find(wire::kSelectorFilter)) {
    const auto text = selector_text(*filter);
    if (!text) return std::unexpected(text.error());
    const auto selector = wire::parse_event_selector(*text);
    if (!selector) return std::unexpected(selector.error());
    out.receiver.position = position_of(*selector);
    out.selector = *filter;
  }
  out.settled = attach.snd_settle_mode == amqp::SenderSettleMode::kSettled;
  out.runtime_metrics = std::ranges::find(attach.desired_capabilities, kEventsRuntimeMetric) !=
                        attach.desired_capabilities.end();
  return out;
}

}  // namespace linarite::gateway
