#include "cli/session.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "wire/connection_string.h"

namespace linarite::cli {
namespace {

constexpr uint16_t kHttpsPort = 443;

Text find_login(const Arguments& arguments) {
  if (arguments.login) return arguments.login;
  if (arguments.data_directory) return std::nullopt;
  const char* const value = std::getenv("LINARITE_CONNECTION_STRING");
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

}  // namespace

Session::Session(Arguments arguments, ServerHooks& hooks)
    : arguments_(std::move(arguments)), hooks_(hooks), login_(find_login(arguments_)) {}

Outcome<void> Session::open_login() {
  auto parsed = wire::parse_service_connection_string(*login_);
  if (!parsed) return std::unexpected(parsed.error());
  auto client = RestClient::create(loop_,
                                   {.host = parsed->host_name,
                                    .address = parsed->host_name,
                                    .port = kHttpsPort,
                                    .roots_pem = {}},
                                   {.policy = std::move(parsed->policy),
                                    .key = std::move(parsed->key),
                                    .token = std::move(parsed->signature)},
                                   Duration(0));
  if (!client) return std::unexpected(client.error());
  rest_.emplace(*std::move(client));
  return {};
}

Outcome<void> Session::open_local() {
  const auto policies = local_policies();
  if (!policies) return std::unexpected(policies.error());
  auto owner = find_policy(policies->all, "iothubowner");
  if (!owner) return std::unexpected(owner.error());
  auto roots = local_->ca_pem();
  if (!roots) return std::unexpected(roots.error());
  const wire::ControlFile& control = local_->control();
  auto client = RestClient::create(loop_,
                                   {.host = control.host,
                                    .address = control.address,
                                    .port = control.https_port,
                                    .roots_pem = *std::move(roots)},
                                   {.policy = owner->name, .key = owner->primary_key},
                                   policies->hub_time - clock_.wall());
  if (!client) return std::unexpected(client.error());
  rest_.emplace(*std::move(client));
  return {};
}

Outcome<RestClient*> Session::rest() {
  if (!rest_) {
    const auto opened = login_ ? open_login() : open_local();
    if (!opened) return std::unexpected(opened.error());
  }
  return &*rest_;
}

Outcome<LocalHub*> Session::local() {
  if (!local_) {
    auto directory = data_directory(arguments_);
    if (!directory) return std::unexpected(directory.error());
    auto found = LocalHub::find(loop_, *std::move(directory));
    if (!found) return std::unexpected(found.error());
    local_.emplace(*std::move(found));
  }
  return &*local_;
}

Outcome<LocalHub::Policies> Session::local_policies() {
  const auto hub = local();
  if (!hub) return std::unexpected(hub.error());
  return (*hub)->policies();
}

void Session::show_item(const boost::json::value& item) {
  const std::string text = format_stream_item(item, arguments_.output);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void Session::tell(std::string_view line) { std::fprintf(stderr, "%s\n", one_line(line).c_str()); }

}  // namespace linarite::cli
