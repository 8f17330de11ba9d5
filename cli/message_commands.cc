// linarite device c2d-message ..., linarite hub monitor-feedback
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/text.h"
#include "cli/command.h"
#include "cli/feedback_watch.h"
#include "cli/files.h"
#include "wire/json_text.h"
#include "wire/percent.h"

namespace linarite::cli {
namespace {

namespace json = boost::json;

constexpr std::string_view kFeedbackPath = "/messages/serviceBound/feedback";
constexpr std::string_view kDefaultBody = "Ping from the Linarite command line";
constexpr size_t kBodySizeMax = size_t{1} << 20U;      // The hub allows less, and says how much.
constexpr size_t kFeedbackSizeMax = size_t{4} << 20U;  // A batch has 64 records.
constexpr int64_t kExpiryMax = 253'402'300'799'999;    // The end of the year 9999.

// --- Sending.

bool is_header_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

// REST carries properties as header fields, which lose blanks at their ends (RFC 9110, 5.5).
bool is_header_value(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  if (!text.empty() && (is_blank(text.front()) || is_blank(text.back()))) return false;
  return std::ranges::none_of(text, [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
  });
}

Outcome<void> add_field(http::Headers& headers, const std::string& name, const Text& value) {
  if (!value) return {};
  if (!is_header_name(name)) {
    return misused(
        "a name of a property has a character that REST cannot carry: letters, digits "
        "and !#$%&'*+-.^_`|~ can be sent");
  }
  if (!is_header_value(*value)) {
    return misused(name +
                   ": its value has blanks around it or control characters, which REST "
                   "cannot carry");
  }
  headers.add(name, *value);
  return {};
}

// "key=value;key=value"
Outcome<void> add_properties(http::Headers& headers, std::string_view text) {
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(';'));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    if (item.empty()) continue;
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      return misused("--properties: '" + one_line(item) + "' is not key=value");
    }
    const auto added = add_field(headers, "iothub-app-" + std::string(item.substr(0, equals)),
                                 std::string(item.substr(equals + 1)));
    if (!added) return added;
  }
  return {};
}

Outcome<http::Headers> message_headers(const Arguments& arguments, const std::string& message_id) {
  http::Headers out;
  Text expiry;
  if (arguments.expiry) {
    if (*arguments.expiry < 0 || *arguments.expiry > kExpiryMax) {
      return misused("--expiry-time-utc: is not a time in milliseconds since 1970");
    }
    expiry = iso8601(WallTime(std::chrono::milliseconds(*arguments.expiry)));
  }
  const std::initializer_list<std::pair<const char*, Text>> fields = {
      {"iothub-messageid", message_id},
      {"iothub-correlationid", arguments.correlation_id},
      {"iothub-userid", arguments.user_id},
      {"iothub-ack", arguments.ack},
      {"iothub-expiry", expiry},
      {"Content-Type", arguments.content_type},
      {"Content-Encoding", arguments.content_encoding.value_or("utf-8")},
  };
  for (const auto& [name, value] : fields) {
    if (auto added = add_field(out, name, value); !added) return std::unexpected(added.error());
  }
  if (auto added = add_properties(out, arguments.properties.value_or("")); !added) {
    return std::unexpected(added.error());
  }
  return out;
}

Outcome<Bytes> message_body(const Arguments& arguments) {
  if (arguments.data_file) return read_file(*arguments.data_file, kBodySizeMax);
  Bytes body(kDefaultBody);
  if (!arguments.data.empty()) body = arguments.data.front();
  if (arguments.message_body) body = *arguments.message_body;
  const std::string type = ascii_lower(arguments.content_type.value_or(""));
  if (type.find("application/json") != std::string::npos &&
      !wire::parse_json(body, {.size_max = kBodySizeMax})) {
    return failed("the message body is not JSON, but its content type says so");
  }
  return body;
}

// --- Feedback.

// JSON shows a record as az does; in the other forms its members are the columns.
json::value shown(const json::object& record, OutputForm form) {
  if (form == OutputForm::kJson) return json::object{{"feedback", record}};
  return record;
}

class FeedbackReader {
 public:
  FeedbackReader(RestClient& hub, FeedbackWatch::Filter filter)
      : hub_(hub), watch_(std::move(filter)) {}

  // What to do next, after asking the hub once.
  Outcome<FeedbackWatch::Actions> ask() {
    const auto response = hub_.call({.method = "GET", .path = std::string(kFeedbackPath)});
    if (!response) return std::unexpected(response.error());
    if (response->status == 204) return watch_.on_nothing();
    const auto token = response->headers.find("iothub-messagelocktoken");
    const auto records = wire::parse_json(response->body, {.size_max = kFeedbackSizeMax});
    if (!token || !records || !records->is_array()) {
      return failed("the hub answered with something else than feedback");
    }
    return watch_.on_batch(std::string(*token), records->get_array());
  }

  // After the records were shown.
  Outcome<void> settle(const FeedbackWatch::Actions& actions) {
    for (const std::string& token : actions.complete) {
      if (auto done = settle_one("DELETE", token, ""); !done) return done;
    }
    for (const std::string& token : actions.give_back) {
      if (auto done = settle_one("POST", token, "/abandon"); !done) return done;
    }
    return {};
  }

 private:
  Outcome<void> settle_one(const char* method, const std::string& token, const char* how) {
    const auto response =
        hub_.call({.method = method,
                   .path = std::string(kFeedbackPath) + "/" + wire::percent_encoded(token) + how});
    // A lock that has ended means that the batch is back in the queue already.
    if (response || response.error().code == ErrorCode::kDeviceMessageLockLost) return {};
    return std::unexpected(response.error());
  }

  RestClient& hub_;
  FeedbackWatch watch_;
};

// Shows what is asked for; returns when the message is found.
Outcome<void> watch_feedback(Session& session, RestClient& hub, FeedbackWatch::Filter filter) {
  FeedbackReader reader(hub, std::move(filter));
  for (;;) {
    const auto actions = reader.ask();
    if (!actions) return std::unexpected(actions.error());
    for (const json::object& record : actions->show) {
      session.show_item(shown(record, session.arguments().output));
    }
    if (auto settled = reader.settle(*actions); !settled) return settled;
    if (actions->done) return {};
    if (actions->pause > Duration(0)) wait(session.loop(), actions->pause);
  }
}

}  // namespace

Outcome<json::value> send_message(Session& session) {
  const Arguments& arguments = session.arguments();
  const bool waits = arguments.wait == "true";
  if (waits && !arguments.ack) {
    return misused("--wait: to wait for feedback, --ack must be full, negative or positive");
  }
  const std::string message_id = arguments.message_id.value_or(session.random().uuid());
  RestCall call{
      .method = "POST",
      .path = "/devices/" + wire::percent_encoded(*arguments.device_id) + "/messages/deviceBound"};
  auto headers = message_headers(arguments, message_id);
  if (!headers) return std::unexpected(headers.error());
  call.headers = *std::move(headers);
  auto body = message_body(arguments);
  if (!body) return std::unexpected(body.error());
  call.body = *std::move(body);
  const auto hub = session.rest();
  if (!hub) return std::unexpected(hub.error());
  if (const auto sent = (*hub)->call(call); !sent) return std::unexpected(sent.error());
  if (!waits) return nullptr;
  const auto watched =
      watch_feedback(session, **hub, {.device_id = arguments.device_id, .message_id = message_id});
  if (!watched) return std::unexpected(watched.error());
  return nullptr;
}

Outcome<json::value> purge_messages(Session& session) {
  const auto hub = session.rest();
  if (!hub) return std::unexpected(hub.error());
  auto answer = (*hub)->call_json(
      {.method = "DELETE",
       .path = "/devices/" + wire::percent_encoded(*session.arguments().device_id) + "/commands"});
  if (!answer) return std::unexpected(answer.error());
  return *std::move(answer);
}

Outcome<json::value> monitor_feedback(Session& session) {
  const Arguments& arguments = session.arguments();
  const auto hub = session.rest();
  if (!hub) return std::unexpected(hub.error());
  Session::tell("Starting C2D feedback monitor, " +
                (arguments.device_id ? "filtering on device: " + *arguments.device_id + ", "
                                     : std::string()) +
                "use ctrl-c to stop...");
  const auto watched = watch_feedback(
      session, **hub, {.device_id = arguments.device_id, .message_id = arguments.wait_on_message});
  if (!watched) return std::unexpected(watched.error());
  return nullptr;
}

}  // namespace linarite::cli
