// Device identities over REST (service-protocol 5.1, 5.2).
#include <utility>

#include "base/text.h"
#include "gateway/http_call.h"
#include "gateway/http_identity_json.h"

namespace linarite::gateway {
namespace {

constexpr int64_t kListMax = 1000;

// service-protocol 5.1, If-Match: W/ and quotes are cut, and a quoted star is a star too.
hub::Condition condition_of(const http::Request& request) {
  const auto field = request.headers.find("If-Match");
  if (!field) return {};
  std::string_view etag = *field;
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  if (etag.size() >= 2 && etag.starts_with('"') && etag.ends_with('"')) {
    etag = etag.substr(1, etag.size() - 2);
  }
  if (etag == "*") return {.kind = hub::Condition::Kind::kAny, .etag = {}};
  return {.kind = hub::Condition::Kind::kEtag, .etag = std::string(etag)};
}

// Absent, or JSON by any of its names.
bool is_json_type(std::optional<std::string_view> content_type) {
  if (!content_type) return true;
  std::string_view type = content_type->substr(0, content_type->find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  return equal_ignoring_case(type, "application/json") || equal_ignoring_case(type, "text/json") ||
         ascii_lower(type).ends_with("+json");
}

// Any number outside of 1 to 1000, or none, means 1000; what is no number is refused.
Result<size_t> list_limit(const http::Target& target) {
  const auto top = target.parameter("top");
  if (!top || top->empty()) return kListMax;
  const std::string_view digits = top->substr(top->starts_with('-') ? 1 : 0);
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) {
    return fail(ErrorCode::kArgumentInvalid, "top is not a number");
  }
  const int64_t number = whole_number<int64_t>(*top).value_or(0);
  return static_cast<size_t>(number >= 1 && number <= kListMax ? number : kListMax);
}

// Answers with the identity and its ETag.
Reply<Result<hub::DeviceView>> reply_with_device(Loop& loop, HttpDone done) {
  return {loop, [done = std::move(done)](Result<hub::DeviceView> view) mutable {
            if (!view) return done(std::unexpected(view.error()));
            http::Response response = json_response(device_json(*view));
            response.headers.add("ETag", "\"" + view->identity.etag + "\"");
            done(std::move(response));
          }};
}

}  // namespace

void get_device(HttpCall call) {
  call.hub.get_device(std::move(call.id), reply_with_device(call.loop, std::move(call.done)));
}

void put_device(HttpCall call) {
  if (!is_json_type(call.request.headers.find("Content-Type"))) {
    return call.done(fail(ErrorCode::kGenericUnsupportedMediaType));
  }
  auto write = parse_identity_write(call.request.body, call.id);
  if (!write) return call.done(std::unexpected(write.error()));
  hub::Condition condition = condition_of(call.request);
  auto reply = reply_with_device(call.loop, std::move(call.done));
  if (condition.kind == hub::Condition::Kind::kNone) {
    call.hub.create_device(std::move(*write), std::move(reply));
  } else {
    call.hub.update_device(std::move(*write), std::move(condition), std::move(reply));
  }
}

void delete_device(HttpCall call) {
  call.hub.delete_device(std::move(call.id), condition_of(call.request),
                         {call.loop, [done = std::move(call.done)](Status status) mutable {
                            if (!status) return done(std::unexpected(status.error()));
                            done(empty_response(204));
                          }});
}

void list_devices(HttpCall call) {
  const auto limit = list_limit(call.target);
  if (!limit) return call.done(std::unexpected(limit.error()));
  call.hub.list_devices(*limit,
                        {call.loop, [done = std::move(call.done)](
                                        const Result<std::vector<hub::DeviceView>>& views) mutable {
                           if (!views) return done(std::unexpected(views.error()));
                           done(json_response(device_list_json(*views)));
                         }});
}

}  // namespace linarite::gateway
