#include "gateway/amqp_management.h"

#include "base/text.h"

namespace linarite::gateway {
namespace {

using amqp::Value;

constexpr std::string_view kEventHub = "com.microsoft:eventhub";
constexpr std::string_view kPartition = "com.microsoft:partition";
// Of the tokens that come with requests, among those that were put.
constexpr std::string_view kManagementTokenName = "$management";
// 0001-01-01, the earliest time of .NET: of a partition without events.
constexpr int64_t kNoTimeMs = -62'135'596'800'000;

Value time_value(WallTime time) { return Value::timestamp(time.time_since_epoch().count()); }
Value text_value(std::string_view text) { return Value::string(std::string(text)); }

// Clients refuse a missing key and another type.
Value event_hub_body(const hub::Hub& hub) {
  std::vector<Value> ids;
  for (size_t i = 0; i < hub.partition_count(); ++i)
    ids.push_back(Value::string(std::to_string(i)));
  return Value::map({text_value("name"), text_value(hub.event_hub_name()), text_value("type"),
                     text_value(kEventHub), text_value("created_at"), time_value(hub.created_at()),
                     text_value("partition_count"),
                     Value::from_int32(static_cast<int32_t>(hub.partition_count())),
                     text_value("partition_ids"), Value::array(amqp::Type::kString, std::move(ids)),
                     text_value("georeplication_factor"), Value::from_int32(1)});
}

Value partition_body(const hub::Hub& hub, uint32_t number, const hub::EventLogState& log) {
  const auto sequence = [](uint64_t of) { return Value::from_int64(static_cast<int64_t>(of)); };
  return Value::map({text_value("name"), text_value(hub.event_hub_name()), text_value("type"),
                     text_value(kPartition), text_value("partition"),
                     Value::string(std::to_string(number)), text_value("begin_sequence_number"),
                     sequence(log.first_sequence), text_value("last_enqueued_sequence_number"),
                     Value::from_int64(static_cast<int64_t>(log.next_sequence) - 1),
                     text_value("last_enqueued_offset"),
                     Value::string(log.any() ? std::to_string(log.last_offset) : "-1"),
                     text_value("last_enqueued_time_utc"),
                     log.any() ? time_value(log.last_enqueued) : Value::timestamp(kNoTimeMs),
                     text_value("is_partition_empty"), Value::from_bool(log.empty()),
                     text_value("runtime_info_retrieval_time_utc"),
                     time_value(hub.clock().wall())});
}

}  // namespace

AmqpRight management_right(const hub::Hub& hub) {
  return {hub::Action::kReceiveEvents,
          hub::Resource::events({hub.event_hub_name(), "$management"})};
}

Result<ManagementRead> read_management_request(const amqp::MessageView& message,
                                               std::string_view event_hub, size_t partition_count) {
  const auto invalid = [](const char* text) { return fail(ErrorCode::kArgumentInvalid, text); };
  if (!equal_ignoring_case(string_property(message, "operation").value_or(""), "READ")) {
    return invalid("the operation is not READ");
  }
  const auto name = string_property(message, "name");
  if (!name) return invalid("the name is missing");
  if (!equal_ignoring_case(*name, event_hub)) {
    return fail(ErrorCode::kGenericNotFound,
                "The messaging entity could not be found: there is no such event hub");
  }
  const auto type = string_property(message, "type");
  if (type == kEventHub) return ManagementRead{};
  if (type != kPartition) return invalid("the type is unknown");
  const auto partition = string_property(message, "partition");
  if (!partition) return invalid("the partition is missing");
  const auto number = whole_number<uint32_t>(*partition);
  if (!number || *number >= partition_count || std::to_string(*number) != *partition) {
    return fail(ErrorCode::kGenericNotFound,
                "The messaging entity could not be found: there is no such partition");
  }
  return ManagementRead{number};
}

void AmqpManagement::handle(amqp::LinkId link, const amqp::MessageReceived& received) {
  Result<amqp::MessageView> view;
  const AmqpRequest request = replies_.take(link, received, view);
  const Status status = view ? read(request, *view) : Status(std::unexpected(view.error()));
  if (!status) replies_.reply(request, AmqpReply::failure(status.error(), true));
}

Status AmqpManagement::read(const AmqpRequest& request, const amqp::MessageView& message) {
  const hub::Hub& hub = peer_.hub;
  const AmqpRight right = management_right(hub);
  take_token(message);
  if (Status allowed = peer_.claims.allow(right.action, right.resource); !allowed) return allowed;
  const auto wanted = read_management_request(message, hub.event_hub_name(), hub.partition_count());
  if (!wanted) return std::unexpected(wanted.error());
  if (wanted->partition) {
    read_partition(request, *wanted->partition);
  } else {
    replies_.reply(request, {.body = event_hub_body(hub)});
  }
  return {};
}

// Java's client puts no token for its management links: each request brings one. One that is
// refused leaves the request to the tokens that were put.
void AmqpManagement::take_token(const amqp::MessageView& message) {
  const auto token = string_property(message, "security_token");
  if (token) peer_.token_judged(peer_.claims.put(std::string(kManagementTokenName), *token));
}

void AmqpManagement::read_partition(const AmqpRequest& request, uint32_t number) {
  peer_.hub.event_log_state(
      number, {peer_.loop, [this, request, number, alive = std::weak_ptr<const bool>(alive_)](
                               const hub::EventLogState& log) {
                 if (alive.expired()) return;
                 replies_.reply(request, {.body = partition_body(peer_.hub, number, log)});
                 peer_.flush();
               }});
}

}  // namespace linarite::gateway
