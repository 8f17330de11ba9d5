// The running program: all parts, made in order by start() and passed by constructor.
#pragma once

#include <prometheus/registry.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/logging.h"
#include "base/random.h"
#include "gateway/admin_gateway.h"
#include "gateway/amqp_gateway.h"
#include "gateway/http_gateway.h"
#include "gateway/mqtt_gateway.h"
#include "hub/hub.h"
#include "net/listener.h"
#include "net/loop_group.h"
#include "net/tls_context.h"
#include "server/certificates.h"
#include "server/config.h"
#include "server/data_directory.h"
#include "store/embedded/embedded_store.h"

namespace linarite::server {

// Used from the thread that made it, which must not be one of its loops.
class Server {
 public:
  // Serves when it returns: the hub is loaded, the ports are bound and accept, and control.json
  // tells the command line where. The message of a failure is one sentence that says what to do.
  // `config` has passed check(). SIGPIPE need not be ignored.
  static Result<std::unique_ptr<Server>> start(Config config, std::string version);
  // stop()
  ~Server();

  // What listens: name and "address:port".
  struct Endpoint {
    std::string name;
    std::string at;
  };
  std::vector<Endpoint> endpoints() const;
  Logger& log() { return log_; }

  // Reads the certificates again, or renews the development CA's where it is time; connections go
  // on. A failure leaves the old ones in place and is logged.
  void renew_certificates();

  // Gives the memory that many closed connections have left behind back to the system, where there
  // is any. To be called every few seconds.
  void return_memory();

  // Says goodbye to all connections within the limit of the configuration, makes everything durable
  // that was promised, ends the loops. Once; the status of the store.
  Status stop();

 private:
  Server(Config config, std::string version, DataDirectory data);

  Status open_store();
  Status open_master_keys();
  Status open_certificates();
  Status open_hub();
  void make_gateways();
  Status open_listeners();
  Result<std::unique_ptr<net::Listener>> listen(const std::string& name, uint16_t port,
                                                std::shared_ptr<net::TlsServerContext> tls,
                                                net::StreamAcceptor acceptor);
  Status announce();
  bool is_ready() const;
  std::string health_json() const;
  uint16_t port_of(std::string_view listener) const;
  std::string local_address() const;

  // In the order in which they are made; each may use those before it.
  const Config config_;
  const std::string version_;
  DataDirectory data_;
  Logger log_;
  SystemClock system_clock_;
  std::optional<ManualClock> manual_clock_;
  Clock& clock_;
  SystemRandom random_;
  prometheus::Registry metrics_;
  std::unique_ptr<net::LoopGroup> loops_;
  std::unique_ptr<store::Store> store_;
  store::EmbeddedStore* embedded_ = nullptr;  // store_, if it is one.
  std::optional<hub::KeyVault> vault_;
  std::unique_ptr<Certificates> certificates_;
  std::unique_ptr<hub::Hub> hub_;
  std::unique_ptr<gateway::MqttGateway> mqtt_;
  std::unique_ptr<gateway::AmqpGateway> amqp_;
  std::unique_ptr<gateway::HttpGateway> http_;
  std::unique_ptr<gateway::AdminGateway> admin_;
  std::shared_ptr<net::ConnectionBudget> budget_;
  size_t most_connections_ = 0;  // Seen since memory was last returned.
  std::vector<std::pair<std::string, std::unique_ptr<net::Listener>>> listeners_;
  const std::string control_token_;  // Of control.json; the admin listener knows it.
  const Instant started_;
  std::atomic<bool> serving_{false};
  bool stopped_ = false;
};

}  // namespace linarite::server
