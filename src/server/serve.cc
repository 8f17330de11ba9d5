#include "server/serve.h"

#include <fmt/core.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>
#include <utility>

#include "base/out_of_memory.h"
#include "server/server.h"

namespace linarite::server {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr time_t kRenewalCheck = 12L * 3600;  // Certificates live for 90 days.
constexpr time_t kMemoryCheck = 5;

// What the command line says; what it does not say is left to file and environment.
struct Flags {
  std::optional<std::string> data, config, clock;
  std::vector<std::string> hosts;
  std::optional<uint16_t> mqtt_port, amqp_port, https_port, admin_port;
  bool in_memory = false;
  bool allow_dev_ca = false;
};

void declare(CLI::App& app, Flags& flags) {
  app.add_option("--data", flags.data, "The data directory.");
  app.add_flag("--in-memory", flags.in_memory, "Keep nothing: the hub is empty after each start.");
  app.add_option("--host", flags.hosts, "A name that clients use; the first is the hub's name.");
  app.add_option("--config", flags.config, "A configuration file (docs/configuration.md).");
  app.add_option("--mqtt-port", flags.mqtt_port, "8883 unless set; 0 picks a free port.");
  app.add_option("--amqp-port", flags.amqp_port, "5671 unless set; 0 picks a free port.");
  app.add_option("--https-port", flags.https_port, "443 unless set; 0 picks a free port.");
  app.add_option("--admin-port", flags.admin_port, "5300 unless set; 0 picks a free port.");
  app.add_option("--clock", flags.clock, "system, or manual for tests.")
      ->check(CLI::IsMember({"system", "manual"}));
  app.add_flag("--allow-dev-ca-on-public-address", flags.allow_dev_ca,
               "Listen on other than loopback addresses with the development CA.");
}

template <class T>
void set(const std::optional<T>& from, T& to) {
  if (from) to = *from;
}

Result<Config> configuration(const Flags& flags) {
  Config out;
  const char* const named = ::getenv("LINARITE_CONFIG");
  const std::string file = flags.config.value_or(named == nullptr ? "" : named);
  Status done = file.empty() ? Status{} : read_file(file, out);
  if (done) done = read_environment(environ, out);
  set(flags.data, out.data_directory);
  set(flags.clock, out.clock);
  set(flags.mqtt_port, out.mqtt_port);
  set(flags.amqp_port, out.amqp_port);
  set(flags.https_port, out.https_port);
  set(flags.admin_port, out.admin_port);
  if (!flags.hosts.empty()) out.hosts = flags.hosts;
  out.in_memory |= flags.in_memory;
  out.allow_dev_ca_on_public_address |= flags.allow_dev_ca;
  if (done) done = out.check();
  if (!done) return std::unexpected(done.error());
  return out;
}

int complain(const Error& error, int code) {
  fmt::print(stderr, "linarite: {}\n", error.message);
  return code;
}

// The signals that this program waits for; blocked in all threads, so that none is interrupted.
sigset_t block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

void run_until_told_to_stop(Server& server, const sigset_t& signals) {
  time_t until_renewal = kRenewalCheck;
  for (;;) {
    const timespec limit{kMemoryCheck, 0};
    const int number = sigtimedwait(&signals, nullptr, &limit);
    if (number == SIGTERM || number == SIGINT) return;
    server.return_memory();
    until_renewal -= kMemoryCheck;
    if (number != SIGHUP && until_renewal > 0) continue;
    server.renew_certificates();
    until_renewal = kRenewalCheck;
  }
}

// The memory holds keys: no other process of this user may read it, and no dump may hold it.
void forbid_core_dumps() {
  const rlimit none{.rlim_cur = 0, .rlim_max = 0};
  static_cast<void>(::setrlimit(RLIMIT_CORE, &none));
  static_cast<void>(::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
}

}  // namespace

int serve(int argc, char** argv, std::string version) {
  CLI::App app("Runs a hub on this machine.", "linarite serve");
  Flags flags;
  declare(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  end_when_out_of_memory();
  // Everything it writes is the owner's alone, RocksDB's files included.
  ::umask(S_IRWXG | S_IRWXO);
  const sigset_t signals = block_signals();
  Result<Config> config = configuration(flags);
  if (!config) return complain(config.error(), kExitUsage);
  if (!config->core_dumps) forbid_core_dumps();
  Result<std::unique_ptr<Server>> server = Server::start(std::move(*config), std::move(version));
  if (!server) return complain(server.error(), kExitFailed);
  run_until_told_to_stop(**server, signals);
  const Status stopped = (*server)->stop();
  return stopped ? 0 : complain(stopped.error(), kExitFailed);
}

}  // namespace linarite::server
