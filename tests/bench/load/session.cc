#include "load/session.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/base64.h"
#include "base/random.h"
#include "net/socket_address.h"
#include "websocket/client.h"
#include "wire/sas_token.h"

namespace linarite::load {
namespace {

constexpr std::chrono::hours kTokenLife{24};
constexpr size_t kKeySize = 32;

std::shared_ptr<net::TlsClientContext> tls_context(const std::string& ca_file) {
  if (ca_file.empty()) return nullptr;
  std::stringstream roots;
  roots << std::ifstream(ca_file).rdbuf();
  net::TlsClientOptions options;
  options.roots_pem = roots.str();
  // One version on both sides of every comparison.
  options.version_min = TLS1_3_VERSION;
  auto context = net::TlsClientContext::create(options);
  if (!context) give_up(ca_file + ": " + context.error().message);
  return *context;
}

Duration duration_of(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

wire::ConnectionString policy_of(const Options& options) {
  if (!options.is_hub()) return {};
  auto parsed = wire::parse_service_connection_string(options.connection_string);
  if (!parsed) give_up(parsed.error().message);
  return *parsed;
}

}  // namespace

void give_up(const std::string& why) {
  fmt::print(stderr, "hub_load: {}\n", why);
  std::fflush(nullptr);
  std::_Exit(1);
}

Session::Session(const Options& options)
    : options_(options),
      loop_(clock_, net::TimerDrive::kSystem),
      tls_(tls_context(options.ca_file)),
      policy_(policy_of(options)) {}

double Session::now_s() const {
  return std::chrono::duration<double>(now().time_since_epoch()).count();
}

void Session::connect(
    uint16_t port,
    std::move_only_function<std::unique_ptr<net::StreamHandler>(net::Stream&)> opened) {
  net::ConnectOptions options{.host = options_.host, .port = port, .tls = tls_};
  net::connect(loop_, std::move(options), std::move(opened),
               [](const Error& error) { give_up(error.message); });
}

void Session::connect_device(
    std::move_only_function<std::unique_ptr<net::StreamHandler>(net::Stream&)> opened) {
  if (options_.websocket == 0) return connect(options_.mqtt_port, std::move(opened));
  auto outcomes = websocket::through_websocket(
      {.offer = {.host = net::address_and_port(options_.host, options_.https_port),
                 .path = "/$iothub/websocket",
                 .protocol = "mqtt"},
       .random = random_},
      {.opened = std::move(opened), .failed = [](const Error& why) { give_up(why.message); }});
  connect(options_.https_port, std::move(outcomes.opened));
}

void Session::on_loop(const std::function<void()>& task) {
  bool ran = false;
  loop_.post([&] {
    task();
    ran = true;
  });
  loop_.run_until([&ran] { return ran; });
}

void Session::run_until(const std::function<bool()>& done, double limit_s, std::string_view what) {
  bool late = false;
  TimerId timer = 0;
  on_loop([&] { timer = loop_.run_after(duration_of(limit_s), [&late] { late = true; }); });
  loop_.run_until([&] { return late || done(); });
  if (!done()) give_up(fmt::format("{} took longer than {} s", what, limit_s));
  on_loop([&] { loop_.cancel(timer); });
}

void Session::run_for(double seconds) {
  bool over = false;
  on_loop([&] { loop_.run_after(duration_of(seconds), [&over] { over = true; }); });
  loop_.run_until([&over] { return over; });
}

std::string Session::device_id(size_t device) { return fmt::format("bench-{:06}", device); }

std::string Session::device_key(size_t device) {
  return base64_encode(SeededRandom(device).bytes(kKeySize));
}

const std::string& Session::host_name() const {
  return options_.is_hub() ? policy_.host_name : options_.host;
}

std::string Session::device_token(size_t device) const {
  return token(host_name() + "/devices/" + device_id(device), device_key(device), {});
}

std::string Session::policy_token() const {
  return token(host_name(), policy_.key, policy_.policy);
}

std::string Session::token(const std::string& audience, const std::string& key,
                           const std::string& policy) const {
  auto made = wire::make_sas_token({audience, key, policy, clock_.wall() + kTokenLife});
  if (!made) give_up(made.error().message);
  return *made;
}

}  // namespace linarite::load
