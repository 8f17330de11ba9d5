#include "sdk/event_hub_properties.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "amqp/message.h"
#include "base/text.h"
#include "sdk/failure.h"

namespace linarite::sdk {
namespace {

std::unexpected<Error> malformed(std::string_view key, std::string_view what) {
  return fail(ErrorCode::kMalformed,
              "the answer of $management: " + std::string(key) + " " + std::string(what));
}

Result<int64_t> number_of(const amqp::Value& body, std::string_view key) {
  const amqp::Value* value = body.find(key);
  const auto number = value == nullptr ? std::nullopt : value->integer();
  if (!number) return malformed(key, "is not there, or no number");
  return *number;
}

Result<std::string> text_of(const amqp::Value& body, std::string_view key) {
  const amqp::Value* value = body.find(key);
  const auto text = value == nullptr ? std::nullopt : value->text();
  if (!text) return malformed(key, "is not there, or no text");
  return std::string(*text);
}

// A time before 1970 stands for none.
std::optional<wall_time> time_of(const amqp::Value& body, std::string_view key) {
  const amqp::Value* value = body.find(key);
  if (value == nullptr || value->type() != amqp::Type::kTimestamp) return std::nullopt;
  const auto milliseconds = value->integer();
  if (!milliseconds || *milliseconds <= 0) return std::nullopt;
  return wall_time(std::chrono::milliseconds(*milliseconds));
}

// What stands under the first of the names that is there. .NET's hubs write them in two ways.
const amqp::Value* either(const amqp::Value& map, std::string_view one, std::string_view other) {
  const amqp::Value* found = map.find(one);
  return found != nullptr ? found : map.find(other);
}

std::string text_or_none(const amqp::Value* value) {
  return std::string(value == nullptr ? "" : value->text().value_or(""));
}

error refusal_of(int64_t status, const amqp::Value& properties) {
  const amqp::Error refusal{
      .condition = text_or_none(properties.find("error-condition")),
      .description = text_or_none(either(properties, "status-description", "statusDescription"))};
  errc without = errc::protocol_error;
  if (status == 401) {
    without = errc::iot_hub_unauthorized_access;
  } else if (status == 404) {
    without = errc::amqp_address_not_found;
  } else if (status >= 400 && status <= 599) {
    without = static_cast<errc>(status * 1000);
  }
  const error why = endpoint_failure(&refusal, without);
  const std::string text = why.message();
  return {why.code(),
          "$management answered " + std::to_string(status) + (text.empty() ? "" : ": " + text),
          why.tracking_id()};
}

}  // namespace

error endpoint_failure(const amqp::Error* failure, errc without) {
  error why = amqp_failure(failure, without);
  if (why == errc::device_not_found) {
    return {errc::amqp_address_not_found, why.message(), why.tracking_id()};
  }
  return why;
}

Result<ManagementAnswer> read_management_answer(ByteView message) {
  auto read = amqp::decode_message(message);
  if (!read) return std::unexpected(read.error());
  const amqp::Value& properties = read->application_properties;
  const amqp::Value* status = either(properties, "status-code", "statusCode");
  const auto code = status == nullptr ? std::nullopt : status->integer();
  if (!code) return malformed("status-code", "is not there, or no number");
  ManagementAnswer out{.request = text_or_none(&read->properties.correlation_id)};
  if (*code < 200 || *code > 299) {
    out.why = refusal_of(*code, properties);
  } else {
    out.body = std::move(read->value);
  }
  return out;
}

Result<event_hub_properties> read_event_hub_properties(const amqp::Value& body) {
  constexpr std::string_view kIds = "partition_ids";
  const amqp::Value* ids = body.find(kIds);
  if (ids == nullptr || (ids->type() != amqp::Type::kArray && ids->type() != amqp::Type::kList)) {
    return malformed(kIds, "is not there, or no array");
  }
  if (ids->items().empty() || ids->items().size() > kPartitionsMax) {
    return malformed(kIds, "has not 1 to " + std::to_string(kPartitionsMax) + " items");
  }
  event_hub_properties out{.name = text_or_none(body.find("name")),
                           .created = time_of(body, "created_at")};
  for (const amqp::Value& id : ids->items()) {
    const auto number = whole_number<uint32_t>(id.text().value_or(""));
    if (!number) return malformed(kIds, "has one that is no number");
    out.partitions.push_back(*number);
  }
  std::ranges::sort(out.partitions);
  if (std::ranges::adjacent_find(out.partitions) != out.partitions.end()) {
    return malformed(kIds, "has one twice");
  }
  return out;
}

Result<partition_properties> read_partition_properties(const amqp::Value& body) {
  const auto begin = number_of(body, "begin_sequence_number");
  if (!begin) return std::unexpected(begin.error());
  const auto last = number_of(body, "last_enqueued_sequence_number");
  if (!last) return std::unexpected(last.error());
  if (*last < -1) return malformed("last_enqueued_sequence_number", "is below -1");
  auto offset = text_of(body, "last_enqueued_offset");
  if (!offset) return std::unexpected(offset.error());
  partition_properties out{.begin_sequence_number = *begin,
                           .last_sequence_number = *last,
                           .last_offset = *std::move(offset),
                           .last_enqueued = time_of(body, "last_enqueued_time_utc")};
  // Hubs that do not say so are empty when the oldest kept would be newer than the newest.
  const amqp::Value* empty = body.find("is_partition_empty");
  const bool told = empty != nullptr && empty->type() == amqp::Type::kBoolean;
  out.is_empty = told ? empty->as_bool() : *last < *begin;
  return out;
}

}  // namespace linarite::sdk
