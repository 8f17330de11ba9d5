// linarite device c2d-message ..., linarite hub monitor-feedback
#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <map>
#include <optional>
#include <thread>

#include "base/text.h"
#include "cli/command.h"
#include "cli/feedback_watch.h"
#include "cli/message_arguments.h"
#include "cli/output.h"
#include "wire/json_text.h"

namespace linarite::cli {
namespace {

namespace json = boost::json;

constexpr int64_t kExpiryMax = 253'402'300'799'999;  // The end of the year 9999.

// --- Sending.

feedback_request ack_of(std::string_view word) {
  if (word == "positive") return feedback_request::positive;
  if (word == "negative") return feedback_request::negative;
  return feedback_request::full;
}

Outcome<Bytes> message_body(const Arguments& arguments) {
  auto body = read_message_body(arguments);
  if (!body || arguments.data_file) return body;
  const std::string type = ascii_lower(arguments.content_type.value_or(""));
  if (type.find("application/json") != std::string::npos &&
      !wire::parse_json(*body, {.size_max = kBodySizeMax})) {
    return failed("the message body is not JSON, but its content type says so");
  }
  return body;
}

Outcome<message> make_message(const Arguments& arguments, const std::string& message_id) {
  message out;
  if (arguments.expiry) {
    if (*arguments.expiry < 0 || *arguments.expiry > kExpiryMax) {
      return misused("--expiry-time-utc: is not a time in milliseconds since 1970");
    }
    out.expiry = wall_time(std::chrono::milliseconds(*arguments.expiry));
  }
  auto properties = parse_properties(arguments.properties.value_or(""));
  if (!properties) return std::unexpected(properties.error());
  const auto body = message_body(arguments);
  if (!body) return std::unexpected(body.error());
  out.message_id = message_id;
  out.correlation_id = arguments.correlation_id;
  out.user_id = arguments.user_id;
  out.content_type = arguments.content_type;
  out.content_encoding = arguments.content_encoding.value_or("utf-8");
  if (arguments.ack) out.ack = ack_of(*arguments.ack);
  out.properties = *std::move(properties);
  out.set_body(*body);
  return out;
}

// --- Feedback.

// JSON shows a record as az does; in the other forms its members are the columns.
json::value shown(const feedback_record& record, OutputForm form) {
  json::value members = json::parse(to_json(record));
  if (form == OutputForm::kJson) return json::object{{"feedback", std::move(members)}};
  return members;
}

// To be destroyed before the service.
class FeedbackReader {
 public:
  FeedbackReader(Service& hub, FeedbackWatch::Filter filter)
      : hub_(hub), watch_(std::move(filter)) {}

  // What to do next, after the next batch has come.
  Outcome<FeedbackWatch::Actions> next() {
    auto batch = hub_.ask([this](auto& client) {
      if (!receiver_) receiver_.emplace(client);
      for (;;) {
        if (auto received = receiver_->receive()) return *std::move(received);
      }
    });
    if (!batch) return std::unexpected(batch.error());
    const std::vector<feedback_record> records = batch->records();
    batches_.emplace(++last_number_, *std::move(batch));
    return watch_.on_batch(last_number_, records);
  }

  // After the records were shown.
  Outcome<void> settle(const FeedbackWatch::Actions& actions) {
    for (const auto number : actions.complete) {
      if (auto done = decide(number, &blocking::feedback_receiver::accept); !done) return done;
    }
    for (const auto number : actions.give_back) {
      if (auto done = decide(number, &blocking::feedback_receiver::abandon); !done) return done;
    }
    return {};
  }

 private:
  using Decision = void (blocking::feedback_receiver::*)(feedback_batch, std::stop_token);

  Outcome<void> decide(FeedbackWatch::BatchNumber number, Decision decision) {
    return hub_.ask([&](auto&) {
      try {
        ((*receiver_).*decision)(std::move(batches_.extract(number).mapped()), {});
      } catch (const linarite::exception& thrown) {
        // The connection by which it came has ended, so the batch is back in the queue already.
        if (thrown.reason() != errc::device_message_lock_lost) throw;
      }
    });
  }

  Service& hub_;
  FeedbackWatch watch_;
  std::optional<blocking::feedback_receiver> receiver_;
  std::map<FeedbackWatch::BatchNumber, feedback_batch> batches_;  // Undecided.
  FeedbackWatch::BatchNumber last_number_ = 0;
};

// Shows what is asked for; returns when the message is found.
Outcome<void> watch_feedback(Session& session, Service& hub, FeedbackWatch::Filter filter) {
  FeedbackReader reader(hub, std::move(filter));
  for (;;) {
    const auto actions = reader.next();
    if (!actions) return std::unexpected(actions.error());
    for (const feedback_record& record : actions->show) {
      session.show_item(shown(record, session.arguments().output));
    }
    if (auto settled = reader.settle(*actions); !settled) return settled;
    if (actions->done) return {};
    std::this_thread::sleep_for(actions->pause);
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
  const auto message = make_message(arguments, message_id);
  if (!message) return std::unexpected(message.error());
  const auto hub = session.service();
  if (!hub) return std::unexpected(hub.error());
  const auto sent =
      (*hub)->ask([&](auto& client) { return client.send(*arguments.device_id, *message); });
  if (!sent) return std::unexpected(sent.error());
  if (!waits) return nullptr;
  const auto watched =
      watch_feedback(session, **hub, {.device_id = arguments.device_id, .message_id = message_id});
  if (!watched) return std::unexpected(watched.error());
  return nullptr;
}

Outcome<json::value> purge_messages(Session& session) {
  const auto hub = session.service();
  if (!hub) return std::unexpected(hub.error());
  const std::string& id = *session.arguments().device_id;
  const auto purged = (*hub)->ask([&](auto& client) { return client.purge(id); });
  if (!purged) return std::unexpected(purged.error());
  return json::object{{"deviceId", id}, {"moduleId", nullptr}, {"totalMessagesPurged", *purged}};
}

Outcome<json::value> monitor_feedback(Session& session) {
  const Arguments& arguments = session.arguments();
  const auto hub = session.service();
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
