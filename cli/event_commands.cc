// linarite hub monitor-events
#include <linarite/events.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <optional>

#include "cli/command.h"
#include "cli/event_view.h"
#include "cli/output.h"

namespace linarite::cli {
namespace {

namespace json = boost::json;

constexpr int64_t kTimeoutDefaultSeconds = 300;
constexpr int64_t kTimeoutMaxSeconds = 31'536'000;
constexpr int64_t kCountMax = 1'000'000'000'000;
constexpr int64_t kEnqueuedMax = 253'402'300'799'999;  // The end of the year 9999.

struct MonitorPlan {
  EventView view;
  std::string device_id, module_id, interface;
  int64_t count = 0;                // That are shown; zero is no limit.
  std::chrono::seconds timeout{0};  // Without an event; zero is for ever.
  event_reader_options options;
};

// Shows what comes until nothing does for the timeout, or until SIGINT or SIGTERM.
class EventMonitor {
 public:
  EventMonitor(Session& session, const Service& hub, MonitorPlan plan)
      : session_(session),
        plan_(std::move(plan)),
        reader_(std::in_place, io_.get_executor(), hub.identity(), plan_.options),
        readable_(::isatty(STDOUT_FILENO) == 1 && !session.arguments().output_word) {}

  Outcome<void> run() {
    signals_.async_wait([this](const boost::system::error_code& aborted, int) {
      if (!aborted) end();
    });
    wait();
    receive();
    io_.run();
    if (failure_) return std::unexpected(Failure(*failure_));
    return {};
  }

 private:
  void receive() {
    reader_->async_receive([this](const linarite::error& why, const std::vector<event>& events) {
      if (ended_) return;
      if (why) {
        failure_ = why;
        return end();
      }
      wait();
      for (const event& one : events) {
        show(one);
        if (plan_.count != 0 && shown_ == plan_.count) return end();
      }
      receive();
    });
  }

  void show(const event& one) {
    if (!matches_id(plan_.device_id, one.device_id)) return;
    if (!matches_id(plan_.module_id, one.module_id)) return;
    if (!plan_.interface.empty() && interface_of(one) != plan_.interface) return;
    ++shown_;
    const json::value item = plan_.view.shown(one, session_.arguments().output);
    if (!readable_) return session_.show_item(item);
    const std::string text = format_result(item, OutputForm::kJson);
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }

  void wait() {
    if (plan_.timeout.count() == 0) return;
    silence_.expires_after(plan_.timeout);
    silence_.async_wait([this](const boost::system::error_code& aborted) {
      if (!aborted) end();
    });
  }

  void end() {
    ended_ = true;
    silence_.cancel();
    signals_.cancel();
    reader_.reset();
  }

  Session& session_;
  const MonitorPlan plan_;
  boost::asio::io_context io_;
  boost::asio::signal_set signals_{io_, SIGINT, SIGTERM};
  boost::asio::steady_timer silence_{io_};
  std::optional<event_reader> reader_;
  const bool readable_;
  int64_t shown_ = 0;
  bool ended_ = false;
  std::optional<linarite::error> failure_;
};

Outcome<MonitorPlan> make_plan(const Session& session) {
  const Arguments& arguments = session.arguments();
  if (arguments.device_query) {
    return misused("--device-query: queries are not part of this version; use --device-id");
  }
  MonitorPlan out;
  auto view = EventView::of(arguments.event_properties, arguments.content_type.value_or(""));
  if (!view) return std::unexpected(view.error());
  out.view = *std::move(view);
  out.device_id = arguments.device_id.value_or("");
  out.module_id = arguments.module_id.value_or("");
  out.interface = arguments.interface.value_or("");
  if (const auto& count = arguments.message_count) {
    if (*count < 1 || *count > kCountMax) {
      return misused("--message-count: must be 1 to " + std::to_string(kCountMax));
    }
    out.count = *count;
  }
  const int64_t timeout = arguments.timeout.value_or(kTimeoutDefaultSeconds);
  if (timeout < 0 || timeout > kTimeoutMaxSeconds) {
    return misused("--timeout: must be 0 to " + std::to_string(kTimeoutMaxSeconds));
  }
  out.timeout = std::chrono::seconds(timeout);
  if (const auto& enqueued = arguments.enqueued_time) {
    if (*enqueued < 0 || *enqueued > kEnqueuedMax) {
      return misused("--enqueued-time: is not a time in milliseconds since 1970");
    }
    out.options.begin = {.where = event_position::kind::enqueued_after,
                         .time = wall_time(std::chrono::milliseconds(*enqueued))};
  }
  out.options.consumer_group = arguments.consumer_group.value_or("$Default");
  return out;
}

}  // namespace

Outcome<json::value> monitor_events(Session& session) {
  auto plan = make_plan(session);
  if (!plan) return std::unexpected(plan.error());
  const auto hub = session.service();
  if (!hub) return std::unexpected(hub.error());
  static_cast<service_options&>(plan->options) = (*hub)->options();
  std::string filters;
  if (!plan->device_id.empty()) filters += "filtering on device: " + plan->device_id + ", ";
  Session::tell("Starting event monitor, " + filters + "use ctrl-c to stop...");
  EventMonitor monitor(session, **hub, *std::move(plan));
  const auto watched = monitor.run();
  if (!watched) return std::unexpected(watched.error());
  return nullptr;
}

}  // namespace linarite::cli
