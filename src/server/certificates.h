// The certificates of the listeners: files of the operator, or the development CA of the data
// directory.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/logging.h"
#include "net/dev_ca.h"
#include "net/tls_context.h"
#include "server/config.h"

namespace linarite::server {

// One thread, except the TLS contexts.
class Certificates {
 public:
  // `config` and `log` must outlive it. On the first start of a data directory the RSA certificate
  // is still being made when this returns, on a thread of its own.
  static Result<std::unique_ptr<Certificates>> open(const Config& config,
                                                    std::filesystem::path directory, Logger& log);
  ~Certificates();

  std::shared_ptr<net::TlsServerContext> for_devices() const { return devices_; }  // MQTT, AMQP
  std::shared_ptr<net::TlsServerContext> for_https() const { return https_; }
  // PEM; empty with an operator's certificates.
  const std::string& ca_pem() const { return ca_pem_; }
  // The CA, or the operator's first certificate.
  const std::filesystem::path& shown_file() const { return shown_file_; }

  // Reads, renews and reloads. Connections go on.
  Status renew();

 private:
  Certificates(const Config& config, std::filesystem::path directory, Logger& log)
      : config_(config), directory_(std::move(directory)), log_(log) {}

  Result<net::TlsServerOptions> load(bool may_defer_rsa, bool& rsa_deferred);
  Result<net::TlsServerOptions> load_files();
  Status apply(net::TlsServerOptions options);
  void add_rsa_later();

  const Config& config_;
  const std::filesystem::path directory_;
  Logger& log_;
  std::string ca_pem_;
  std::filesystem::path shown_file_;
  std::shared_ptr<net::TlsServerContext> devices_;
  std::shared_ptr<net::TlsServerContext> https_;
  std::thread rsa_thread_;
};

}  // namespace linarite::server
