#include "cli/local_hub.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/text.h"
#include "cli/admin_call.h"
#include "cli/files.h"
#include "cli/output.h"
#include "wire/json_text.h"
#include "wire/percent.h"

namespace linarite::cli {
namespace {

namespace json = boost::json;

constexpr wire::JsonLimits kAnswerLimits = {.size_max = size_t{1} << 20U};

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string none_runs(const std::filesystem::path& directory) {
  return "no hub is running on the data directory " + directory.string() +
         "; start one with 'linarite serve', or name one with --data, --login or "
         "LINARITE_CONNECTION_STRING";
}

std::unexpected<Failure> not_understood() {
  return failed("the hub's admin listener answered with something else than expected");
}

Outcome<PolicyEntry> read_policy(const json::value& value) {
  const auto* object = value.if_object();
  if (object == nullptr) return not_understood();
  wire::JsonReader reader(*object, "");
  PolicyEntry out;
  out.name = reader.text("keyName").value_or("");
  out.rights = reader.text("rights").value_or("");
  out.primary_key = reader.text("primaryKey").value_or("");
  out.secondary_key = reader.text("secondaryKey").value_or("");
  if (reader.error() || out.name.empty()) return not_understood();
  return out;
}

}  // namespace

Outcome<std::filesystem::path> data_directory(const Arguments& arguments) {
  if (arguments.data_directory) {
    if (arguments.data_directory->empty()) return misused("--data: a directory is missing");
    return std::filesystem::path(*arguments.data_directory);
  }
  // What the server reads too (docs/configuration.md).
  if (const std::string named = environment("LINARITE_SERVER_DATA_DIRECTORY"); !named.empty()) {
    return std::filesystem::path(named);
  }
  std::filesystem::path out = wire::default_data_directory(
      ::geteuid() == 0, environment("XDG_DATA_HOME"), environment("HOME"));
  if (out.empty()) return failed("there is no home directory: name the data directory with --data");
  return out;
}

json::object PolicyEntry::json() const {
  return {{"keyName", name},
          {"primaryKey", primary_key},
          {"rights", rights},
          {"secondaryKey", secondary_key}};
}

Outcome<LocalHub> LocalHub::find(std::filesystem::path directory) {
  const std::filesystem::path path = directory / wire::kControlFileName;
  std::error_code error;
  if (!std::filesystem::exists(path, error) && error != std::errc::permission_denied) {
    return failed(none_runs(directory));
  }
  const auto text = read_file(path, wire::kControlFileSizeMax);
  if (!text) return std::unexpected(text.error());
  auto control = wire::parse_control_file(*text);
  if (!control) return failed(path.string() + ": " + control.error().message);
  return LocalHub(std::move(directory), *std::move(control));
}

Outcome<http::Response> LocalHub::call(std::string method, std::string target) {
  http::Request request{.method = std::move(method), .target = std::move(target)};
  request.headers.add("Authorization", "Bearer " + control_.token);
  auto response = call_admin(control_.admin_port, std::move(request));
  // A hub that was killed leaves its control file.
  if (!response) return failed(none_runs(directory_));
  if (response->status == 401) {
    return failed("the hub on port " + std::to_string(control_.admin_port) +
                  " does not run on the data directory " + directory_.string());
  }
  return *std::move(response);
}

Outcome<std::string> LocalHub::ca_pem() {
  auto response = call("GET", "/ca.pem");
  if (!response) return std::unexpected(response.error());
  if (response->status == 404) return std::string();
  if (response->status != 200) return not_understood();
  return std::move(response->body);
}

Outcome<LocalHub::Policies> LocalHub::policies() {
  const auto response = call("GET", "/policies");
  if (!response) return std::unexpected(response.error());
  const auto value = wire::parse_json(response->body, kAnswerLimits);
  if (response->status != 200 || !value || !value->is_object()) return not_understood();
  wire::JsonReader reader(value->get_object(), "");
  const auto time = parse_iso8601(reader.text("time").value_or(""));
  const auto* list = value->get_object().if_contains("policies");
  if (!time || list == nullptr || !list->is_array()) return not_understood();
  Policies out{.all = {}, .hub_time = *time};
  for (const json::value& one : list->get_array()) {
    auto policy = read_policy(one);
    if (!policy) return std::unexpected(policy.error());
    out.all.push_back(*std::move(policy));
  }
  return out;
}

Outcome<PolicyEntry> LocalHub::renew_policy_key(std::string_view name, std::string_view which) {
  const auto response = call(
      "POST", "/policies/" + wire::percent_encoded(name) + "/renew-key?key=" + std::string(which));
  if (!response) return std::unexpected(response.error());
  if (response->status != 200) return failed(one_line(response->body));
  const auto value = wire::parse_json(response->body, kAnswerLimits);
  if (!value) return not_understood();
  return read_policy(*value);
}

Outcome<void> LocalHub::advance_clock(std::chrono::seconds by) {
  const auto response = call("POST", "/clock/advance?by=" + std::to_string(by.count()));
  if (!response) return std::unexpected(response.error());
  if (response->status == 200) return {};
  std::string reason = one_line(response->body);
  reason.erase(reason.find_last_not_of(' ') + 1);
  return failed(reason + "; start the hub with 'linarite serve --clock manual' to move it");
}

Outcome<LocalHub::Health> LocalHub::health() {
  const auto response = call("GET", "/health");
  if (!response) return std::unexpected(response.error());
  auto value = wire::parse_json(response->body, kAnswerLimits);
  if (!value) return not_understood();
  return Health{response->status == 200, *std::move(value)};
}

Outcome<PolicyEntry> find_policy(const std::vector<PolicyEntry>& all, std::string_view name) {
  const auto found = std::ranges::find_if(
      all, [&](const PolicyEntry& one) { return equal_ignoring_case(one.name, name); });
  if (found != all.end()) return *found;
  return failed("no policy found with name " + one_line(name));
}

}  // namespace linarite::cli
