#include "cli/session.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "cli/output.h"

namespace linarite::cli {
namespace {

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

linarite::transport Session::transport() const {
  return arguments_.websocket == "true" ? transport::websocket : transport::direct;
}

Outcome<void> Session::open_login() {
  linarite::error problem;
  auto identity = service_identity::parse(*login_, problem);
  if (problem) return std::unexpected(Failure(problem));
  service_.emplace(std::move(identity), endpoint_options{}, transport(), clock_,
                   std::chrono::milliseconds(0));
  return {};
}

Outcome<void> Session::open_local() {
  const auto policies = local_policies();
  if (!policies) return std::unexpected(policies.error());
  auto owner = find_policy(policies->all, "iothubowner");
  if (!owner) return std::unexpected(owner.error());
  const auto roots = local_->ca_pem();
  if (!roots) return std::unexpected(roots.error());
  const wire::ControlFile& control = local_->control();
  device_endpoint_ = {.host = control.address,
                      .port = control.mqtt_port,
                      .https_port = control.https_port,
                      .ca_pem = *roots};
  service_.emplace(
      service_identity{
          .host_name = control.host,
          .credential = shared_access_key{.key = owner->primary_key, .policy = owner->name}},
      endpoint_options{.host = control.address,
                       .port = control.amqp_port,
                       .https_port = control.https_port,
                       .ca_pem = *roots},
      transport(), clock_,
      std::chrono::duration_cast<std::chrono::milliseconds>(policies->hub_time - clock_.wall()));
  return {};
}

Outcome<Service*> Session::service() {
  if (!service_) {
    const auto opened = login_ ? open_login() : open_local();
    if (!opened) return std::unexpected(opened.error());
  }
  return &*service_;
}

Outcome<LocalHub*> Session::local() {
  if (!local_) {
    auto directory = data_directory(arguments_);
    if (!directory) return std::unexpected(directory.error());
    auto found = LocalHub::find(*std::move(directory));
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
