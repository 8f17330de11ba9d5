// linarite device send-d2c-message, linarite device simulate
#include <linarite/blocking.h>
#include <unistd.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <cmath>

#include "base/text.h"
#include "cli/command.h"
#include "cli/message_arguments.h"
#include "cli/output.h"
#include "cli/simulation.h"

namespace linarite::cli {
namespace {

namespace json = boost::json;

constexpr int64_t kMessageCountMax = 1'000'000'000;
constexpr int64_t kIntervalMaxSeconds = 86'400;
constexpr int64_t kDevicesMax = 10'000;
constexpr double kRateMax = 1'000'000;

Outcome<int64_t> number(const std::optional<int64_t>& given, int64_t otherwise, int64_t most,
                        const char* flag) {
  const int64_t value = given.value_or(otherwise);
  if (value >= 1 && value <= most) return value;
  return misused(std::string(flag) + ": must be 1 to " + std::to_string(most));
}

// --- Which devices.

Outcome<device> get_or_create(Service& hub, const std::string& id) {
  return hub.ask([&](auto& client) {
    try {
      return client.create_device(device{.device_id = id});
    } catch (const linarite::exception& thrown) {
      if (thrown.reason() != errc::device_already_exists) throw;
      return client.get_device(id);
    }
  });
}

// With a prefix PREFIX-1 to PREFIX-N, made if they are not there; else the first that the registry
// shows and that have a key.
Outcome<std::vector<device>> find_devices(Session& session, size_t count) {
  const auto hub = session.service();
  if (!hub) return std::unexpected(hub.error());
  std::vector<device> out;
  if (const Text& prefix = session.arguments().device_id) {
    for (size_t i = 1; i <= count; ++i) {
      auto made = get_or_create(**hub, *prefix + "-" + std::to_string(i));
      if (!made) return std::unexpected(made.error());
      out.push_back(*std::move(made));
    }
    return out;
  }
  auto listed = (*hub)->ask([&](auto& client) { return client.list_devices(); });
  if (!listed) return std::unexpected(listed.error());
  for (device& one : *listed) {
    const bool fits = one.authentication == authentication_type::sas &&
                      one.status == device_status::enabled && !one.primary_key.empty();
    if (fits && out.size() < count) out.push_back(std::move(one));
  }
  if (out.size() == count) return out;
  return failed("the registry shows " + std::to_string(out.size()) +
                " devices that could be played; with --device-id PREFIX they are made");
}

Outcome<std::vector<DeviceAccess>> find_access(Session& session) {
  const Arguments& arguments = session.arguments();
  std::vector<DeviceAccess> out;
  if (!arguments.devices) {
    if (!arguments.device_id) return misused("--device-id or --devices is required");
    auto access = device_access(session);
    if (!access) return std::unexpected(access.error());
    out.push_back(*std::move(access));
    return out;
  }
  if (arguments.symmetric_key) return misused("--symmetric-key is for one device, not --devices");
  const auto count = number(arguments.devices, 1, kDevicesMax, "--devices");
  if (!count) return std::unexpected(count.error());
  const auto devices = find_devices(session, static_cast<size_t>(*count));
  if (!devices) return std::unexpected(devices.error());
  for (const device& one : *devices) {
    auto access = device_access(session, one);
    if (!access) return std::unexpected(access.error());
    out.push_back(*std::move(access));
  }
  return out;
}

// --- What they do.

Outcome<void> check_protocol(const Arguments& arguments) {
  if (arguments.protocol == "http") {
    return misused("--protocol: devices over HTTPS are not part of this version");
  }
  if (arguments.receive_settle.value_or("complete") != "complete") {
    return misused("--receive-settle: mqtt supports complete only");
  }
  return {};
}

// Messages a second, of all devices together.
Outcome<double> rate_of(const Arguments& arguments, size_t devices) {
  if (!arguments.rate) {
    const auto seconds =
        number(arguments.message_interval, 3, kIntervalMaxSeconds, "--msg-interval");
    if (!seconds) return std::unexpected(seconds.error());
    return static_cast<double>(devices) / static_cast<double>(*seconds);
  }
  if (arguments.message_interval) return misused("--rate and --msg-interval exclude each other");
  const std::string& text = *arguments.rate;
  double rate = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
  const bool good = error == std::errc() && end == text.data() + text.size() &&
                    std::isfinite(rate) && rate >= 0.001 && rate <= kRateMax;
  if (!good) return misused("--rate: must be 0.001 to 1000000 messages a second");
  return rate;
}

Outcome<SimulationPlan> make_plan(Session& session, size_t devices) {
  const Arguments& arguments = session.arguments();
  const auto count = number(arguments.message_count, 100, kMessageCountMax, "--msg-count");
  if (!count) return std::unexpected(count.error());
  const auto rate = rate_of(arguments, devices);
  if (!rate) return std::unexpected(rate.error());
  auto given = parse_properties(arguments.properties.value_or(""));
  if (!given) return std::unexpected(given.error());
  // az's defaults, and its shape of a simulated message.
  property_list properties{{"$.ct", "application/json"}, {"$.ce", "utf-8"}};
  for (const auto& [name, value] : *given) properties.set(name, value);
  SimulationPlan out;
  out.messages = static_cast<uint64_t>(*count) * devices;
  out.rate = *rate;
  out.shows_progress = ::isatty(STDERR_FILENO) == 1;
  out.make_message = [&session, properties = std::move(properties),
                      data = std::string(text_body(arguments))](uint64_t number) {
    message made(json::serialize(json::object{{"id", session.random().uuid()},
                                              {"timestamp", iso8601(session.clock().wall())},
                                              {"data", data + " #" + std::to_string(number)}}));
    made.properties = properties;
    return made;
  };
  out.show = [&session](const std::string& device_id, const message& got) {
    json::object properties;
    for (const auto& [name, value] : got.properties) properties[name] = value;
    json::object members{{"deviceId", device_id},
                         {"messageId", got.message_id ? json::value(*got.message_id) : nullptr},
                         {"payload", printable(got.text())},
                         {"properties", std::move(properties)}};
    if (session.arguments().output == OutputForm::kJson) {
      return session.show_item(json::object{{"c2dMessage", std::move(members)}});
    }
    session.show_item(std::move(members));
  };
  return out;
}

double rounded(double value) { return std::round(value * 1000) / 1000; }

json::object summary(const SimulationResult& result) {
  const auto latency = [&](double percent) {
    return rounded(static_cast<double>(result.latencies.percentile(percent).count()) / 1000);
  };
  const double seconds = std::max(result.time.count(), 1e-6);
  return {{"sent", result.sent},
          {"acknowledged", result.acknowledged},
          {"failed", result.failed},
          {"unanswered", result.sent - result.acknowledged - result.failed},
          {"received", result.received},
          {"seconds", rounded(result.time.count())},
          {"perSecond", rounded(static_cast<double>(result.acknowledged) / seconds)},
          {"latencyP50Ms", latency(50)},
          {"latencyP90Ms", latency(90)},
          {"latencyP99Ms", latency(99)},
          {"latencyMaxMs", latency(100)}};
}

}  // namespace

Outcome<json::value> send_device_message(Session& session) {
  const Arguments& arguments = session.arguments();
  const auto count = number(arguments.message_count, 1, kMessageCountMax, "--msg-count");
  if (!count) return std::unexpected(count.error());
  const auto body = read_message_body(arguments);
  if (!body) return std::unexpected(body.error());
  auto properties = parse_properties(arguments.properties.value_or(""));
  if (!properties) return std::unexpected(properties.error());
  message event(*body);
  event.properties = *std::move(properties);
  auto access = device_access(session);
  if (!access) return std::unexpected(access.error());
  try {
    blocking::device_client client(std::move(access->identity), std::move(access->options));
    client.connect();
    for (int64_t i = 0; i < *count; ++i) client.send_event(event);
    client.close();
  } catch (const linarite::exception& thrown) {
    return std::unexpected(Failure(thrown.reason()));
  }
  return nullptr;
}

Outcome<json::value> simulate_devices(Session& session) {
  if (const auto checked = check_protocol(session.arguments()); !checked) {
    return std::unexpected(checked.error());
  }
  // What is wrong with the words is said before anything is made.
  if (const auto checked = make_plan(session, 1); !checked) return std::unexpected(checked.error());
  auto devices = find_access(session);
  if (!devices) return std::unexpected(devices.error());
  auto plan = make_plan(session, devices->size());
  if (!plan) return std::unexpected(plan.error());
  Simulation simulation(*std::move(plan), *std::move(devices));
  const auto result = simulation.run();
  if (!result) return std::unexpected(result.error());
  if (result->failed == 0) return summary(*result);
  session.show_item(summary(*result));
  return failed(std::to_string(result->failed) + " of " + std::to_string(result->sent) +
                " messages failed: " + Failure(*result->first_failure).message);
}

}  // namespace linarite::cli
