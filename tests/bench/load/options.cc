#include "load/options.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <variant>

#include "base/text.h"

namespace linarite::load {
namespace {

struct ScenarioName {
  std::string_view name;
  Scenario scenario;
};
constexpr std::array<ScenarioName, 9> kScenarios = {{{"fill", Scenario::kFill},
                                                     {"downlink", Scenario::kDownlink},
                                                     {"connect", Scenario::kConnect},
                                                     {"idle", Scenario::kIdle},
                                                     {"uplink", Scenario::kUplink},
                                                     {"fill-events", Scenario::kFillEvents},
                                                     {"readback", Scenario::kReadback},
                                                     {"get", Scenario::kGet},
                                                     {"put", Scenario::kPut}}};

using Field = std::variant<std::string Options::*, uint16_t Options::*, pid_t Options::*,
                           size_t Options::*, double Options::*>;
struct Flag {
  std::string_view name;
  Field field;
};

const std::array kFlags = {
    Flag{"--connection-string", &Options::connection_string},
    Flag{"--ca", &Options::ca_file},
    Flag{"--host", &Options::host},
    Flag{"--mqtt-port", &Options::mqtt_port},
    Flag{"--amqp-port", &Options::amqp_port},
    Flag{"--https-port", &Options::https_port},
    Flag{"--websocket", &Options::websocket},
    Flag{"--pid", &Options::server},
    Flag{"--devices", &Options::devices},
    Flag{"--parallel", &Options::parallel},
    Flag{"--senders", &Options::senders},
    Flag{"--window", &Options::window},
    Flag{"--depth", &Options::depth},
    Flag{"--readers", &Options::readers},
    Flag{"--stalled-readers", &Options::stalled_readers},
    Flag{"--entity", &Options::entity},
    Flag{"--payload", &Options::payload_bytes},
    Flag{"--rate", &Options::rate},
    Flag{"--warm-up", &Options::warm_up_s},
    Flag{"--seconds", &Options::seconds},
    Flag{"--messages", &Options::messages},
    Flag{"--first", &Options::first},
    Flag{"--second", &Options::second},
};

bool set(std::string& field, std::string_view text) {
  field = text;
  return true;
}

bool set(double& field, std::string_view text) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), field);
  return error == std::errc() && end == text.data() + text.size() && field >= 0;
}

template <std::integral T>
bool set(T& field, std::string_view text) {
  const auto value = whole_number<T>(text);
  if (value) field = *value;
  return value.has_value();
}

Status check(const Options& options) {
  const auto none = [](size_t value) { return value == 0; };
  if (none(options.devices) || none(options.parallel) || none(options.senders) ||
      none(options.window) || none(options.depth)) {
    return fail(ErrorCode::kArgumentInvalid, "a count is 0");
  }
  if (options.second <= options.first) {
    return fail(ErrorCode::kArgumentInvalid, "--second must be more than --first");
  }
  return {};
}

}  // namespace

Result<Options> parse_options(int argc, char** argv) {
  Options options;
  const std::string_view scenario = argc > 1 ? argv[1] : "";
  const auto named = std::ranges::find(kScenarios, scenario, &ScenarioName::name);
  if (named == kScenarios.end()) {
    return fail(ErrorCode::kArgumentInvalid, "the first word is none of the scenarios");
  }
  options.scenario = named->scenario;
  for (int i = 2; i < argc; i += 2) {
    const std::string_view name = argv[i];
    const auto flag = std::ranges::find(kFlags, name, &Flag::name);
    const bool right =
        flag != kFlags.end() && i + 1 < argc &&
        std::visit([&](auto field) { return set(options.*field, argv[i + 1]); }, flag->field);
    if (!right) {
      return fail(ErrorCode::kArgumentInvalid,
                  std::string(name) + " is not known or has no proper value");
    }
  }
  if (const Status right = check(options); !right) return std::unexpected(right.error());
  return options;
}

}  // namespace linarite::load
