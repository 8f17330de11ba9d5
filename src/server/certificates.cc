#include "server/certificates.h"

#include <fmt/core.h>

#include <fstream>
#include <sstream>
#include <utility>

namespace linarite::server {
namespace {

constexpr uintmax_t kPemFileSizeMax = 1U << 20U;

Result<std::string> read_pem(const std::string& path) {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(path, error);
  if (error || size > kPemFileSizeMax) {
    return fail(
        ErrorCode::kArgumentInvalid,
        fmt::format("cannot read {}: {}.", path, error ? error.message() : "larger than 1 MiB"));
  }
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return fail(ErrorCode::kArgumentInvalid, fmt::format("cannot read {}.", path));
  return text.str();
}

net::DevCaOptions dev_ca_options(const Config& config, std::filesystem::path directory,
                                 bool may_defer) {
  return {.directory = std::move(directory),
          .names = config.hosts,
          .extra_names = net::machine_names(),
          .may_defer_rsa = may_defer,
          .now = SystemClock().wall()};
}

}  // namespace

Result<std::unique_ptr<Certificates>> Certificates::open(const Config& config,
                                                         std::filesystem::path directory,
                                                         Logger& log) {
  std::unique_ptr<Certificates> out(new Certificates(config, std::move(directory), log));
  bool rsa_deferred = false;
  Result<net::TlsServerOptions> options = out->load(true, rsa_deferred);
  if (!options) return std::unexpected(options.error());
  if (Status applied = out->apply(std::move(*options)); !applied) {
    return std::unexpected(applied.error());
  }
  if (rsa_deferred) out->add_rsa_later();
  return out;
}

Certificates::~Certificates() {
  if (rsa_thread_.joinable()) rsa_thread_.join();
}

Result<net::TlsServerOptions> Certificates::load_files() {
  net::TlsServerOptions out;
  for (size_t i = 0; i < config_.certificate_files.size(); ++i) {
    Result<std::string> chain = read_pem(config_.certificate_files[i]);
    if (!chain) return std::unexpected(chain.error());
    Result<std::string> key = read_pem(config_.key_files[i]);
    if (!key) return std::unexpected(key.error());
    out.certificates.push_back({std::move(*chain), std::move(*key)});
  }
  shown_file_ = config_.certificate_files.front();
  return out;
}

Result<net::TlsServerOptions> Certificates::load(bool may_defer_rsa, bool& rsa_deferred) {
  if (!config_.uses_dev_ca()) return load_files();
  Result<net::DevCertificates> made =
      net::open_dev_ca(dev_ca_options(config_, directory_, may_defer_rsa));
  if (!made) return std::unexpected(made.error());
  if (made->ca_replaced) {
    log_.warning(
        "the development CA was replaced, because it may not sign for these host names; "
        "clients must trust the new one",
        {{"ca", made->ca_file.string()}});
  }
  rsa_deferred = made->rsa_deferred;
  ca_pem_ = made->ca_pem;
  shown_file_ = made->ca_file;
  net::TlsServerOptions out;
  out.certificates = std::move(made->certificates);
  return out;
}

Status Certificates::apply(net::TlsServerOptions options) {
  options.allow_cbc = config_.allow_cbc;
  options.own_records = config_.own_tls_records;
  net::TlsServerOptions https = options;
  https.alpn = {"http/1.1"};
  if (devices_) {
    if (Status done = devices_->reload(options); !done) return done;
    return https_->reload(https);
  }
  auto devices = net::TlsServerContext::create(options);
  if (!devices) return std::unexpected(devices.error());
  devices_ = std::move(*devices);
  auto made = net::TlsServerContext::create(https);
  if (!made) return std::unexpected(made.error());
  https_ = std::move(*made);
  return {};
}

Status Certificates::renew() {
  if (rsa_thread_.joinable()) rsa_thread_.join();
  bool ignored = false;
  Result<net::TlsServerOptions> options = load(false, ignored);
  if (!options) return std::unexpected(options.error());
  return apply(std::move(*options));
}

void Certificates::add_rsa_later() {
  // It touches nothing but its files and the contexts, which are for any thread.
  rsa_thread_ = std::thread([this, options = dev_ca_options(config_, directory_, false)] {
    Result<net::DevCertificates> made = net::open_dev_ca(options);
    Status done = made ? Status{} : std::unexpected(made.error());
    if (made) {
      net::TlsServerOptions tls;
      tls.certificates = std::move(made->certificates);
      done = apply(std::move(tls));
    }
    if (!done) log_.error("no RSA certificate", {{"reason", done.error().message}});
  });
}

}  // namespace linarite::server
