#include "sdk/endpoint.h"

#include <fstream>
#include <iterator>
#include <utility>

namespace linarite::sdk {
namespace {

constexpr size_t kFileSizeMax = size_t{4} << 20U;
constexpr Duration kNoLimit = std::chrono::hours(24);

// Leaves `problem` alone if the file could be read.
std::string read_pem(const std::string& name, const char* what, error& problem) {
  std::ifstream file(name, std::ios::binary);
  std::string text;
  if (file) text.assign(std::istreambuf_iterator<char>(file), {});
  if (!file || text.empty() || text.size() > kFileSizeMax) {
    problem = error(errc::bad_local_file, std::string(what) + " '" + name + "' cannot be read");
  }
  return text;
}

}  // namespace

Endpoint make_endpoint(Network& network, const endpoint_options& options, const Target& target,
                       Duration limit) {
  Endpoint out;
  net::TlsClientOptions tls;
  tls.roots_pem = options.ca_pem;
  if (tls.roots_pem.empty() && !options.ca_file.empty()) {
    tls.roots_pem = read_pem(options.ca_file, "the CA file", out.problem);
  }
  if (target.certificate && target.chain_file.empty()) {
    out.problem = error(errc::bad_local_file,
                        "x509=true needs the files of a client_certificate as credential");
  } else if (target.certificate) {
    tls.chain_pem = read_pem(target.chain_file, "the client certificate", out.problem);
    tls.key_pem = read_pem(target.key_file, "the client's private key", out.problem);
  }
  if (out.problem) return out;
  auto context = network.tls(tls);
  if (!context) {
    out.problem = error(errc::bad_local_file, context.error().message);
    return out;
  }
  out.connect = {.host = options.host.empty() ? target.host : options.host,
                 .port = target.port,
                 .tls = *std::move(context),
                 .tls_name = target.host,
                 .limit = limit > Duration(0) ? limit : kNoLimit};
  return out;
}

}  // namespace linarite::sdk
