// Cloud-to-device messages over REST (service-protocol 2.6, 5.8).
#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "base/text.h"
#include "gateway/http_call.h"
#include "http/http_date.h"
#include "wire/c2d_message.h"
#include "wire/error_table.h"

namespace linarite::gateway {
namespace {

constexpr std::string_view kPropertyPrefix = "iothub-app-";

std::optional<std::string> field_text(const http::Headers& headers, std::string_view name) {
  const auto value = headers.find(name);
  return value ? std::optional<std::string>(*value) : std::nullopt;
}

Status read_expiry(const http::Headers& headers, wire::C2dMessage& message) {
  const auto text = headers.find("iothub-expiry");
  if (!text) return {};
  message.expiry = parse_iso8601(*text);
  if (!message.expiry) message.expiry = http::parse_http_date(*text);
  if (message.expiry) return {};
  return fail(ErrorCode::kArgumentInvalid, "iothub-expiry is not a time");
}

Status read_properties(const http::Headers& headers, wire::C2dMessage& message) {
  for (const http::Header& header : headers) {
    const std::string_view name = header.name;
    if (!equal_ignoring_case(name.substr(0, kPropertyPrefix.size()), kPropertyPrefix)) continue;
    const std::string_view property = name.substr(kPropertyPrefix.size());
    if (std::ranges::any_of(message.properties,
                            [&](const auto& p) { return p.first == property; })) {
      return fail(ErrorCode::kArgumentInvalid, "a property is given twice");
    }
    message.properties.emplace_back(property, header.value);
  }
  return {};
}

Result<wire::C2dMessage> message_of(http::Request& request) {
  const http::Headers& headers = request.headers;
  for (const std::string_view name :
       {"iothub-messageid", "iothub-correlationid", "iothub-userid", "iothub-to", "iothub-ack",
        "iothub-expiry", "Content-Type", "Content-Encoding"}) {
    if (headers.count(name) > 1) {
      return fail(ErrorCode::kArgumentInvalid, std::string(name) + " is given twice");
    }
  }
  wire::C2dMessage message;
  message.message_id = field_text(headers, "iothub-messageid");
  message.correlation_id = field_text(headers, "iothub-correlationid");
  message.user_id = field_text(headers, "iothub-userid");
  message.to = field_text(headers, "iothub-to");
  message.content_type = field_text(headers, "Content-Type");
  message.content_encoding = field_text(headers, "Content-Encoding");
  if (const auto word = headers.find("iothub-ack")) {
    message.ack = wire::parse_ack(*word);
    if (!message.ack) return fail(ErrorCode::kArgumentInvalid, "iothub-ack is not known");
  }
  if (auto status = read_expiry(headers, message); !status) return std::unexpected(status.error());
  if (auto status = read_properties(headers, message); !status) {
    return std::unexpected(status.error());
  }
  message.body = std::move(request.body);
  if (auto status = wire::check_c2d_message(message); !status) {
    return std::unexpected(status.error());
  }
  return message;
}

}  // namespace

void send_message(HttpCall call) {
  auto message = message_of(call.request);
  if (!message) return call.done(std::unexpected(message.error()));
  call.hub.send(std::move(call.id), std::move(*message),
                {call.loop, [done = std::move(call.done)](Result<uint64_t> sent) mutable {
                   if (sent) return done(empty_response(204));
                   // A disabled device reads as not found (service-protocol 2.3).
                   const auto& row = wire::c2d_send_error_row(sent.error().code);
                   done(fail(row.code, std::move(sent.error().message)));
                 }});
}

void purge_queue(HttpCall call) {
  std::string id = call.id;
  call.hub.purge(std::move(call.id),
                 {call.loop, [id = std::move(id),
                              done = std::move(call.done)](Result<uint64_t> purged) mutable {
                    if (!purged) return done(std::unexpected(purged.error()));
                    const boost::json::object body = {
                        {"totalMessagesPurged", *purged}, {"deviceId", id}, {"moduleId", nullptr}};
                    done(json_response(boost::json::serialize(body)));
                  }});
}

}  // namespace linarite::gateway
