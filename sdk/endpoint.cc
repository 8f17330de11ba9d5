#include "sdk/endpoint.h"

#include <fstream>
#include <iterator>
#include <utility>

#include "base/text.h"
#include "net/socket_address.h"
#include "websocket/client.h"

namespace linarite::sdk {
namespace {

constexpr uint16_t kHttpsPort = 443;
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

// Service protocol, 0.2: Event Hubs has a path of its own.
std::string websocket_path(const std::string& host) {
  return ascii_lower(host).ends_with(".servicebus.windows.net") ? "/$servicebus/websocket"
                                                                : "/$iothub/websocket";
}

}  // namespace

Endpoint make_endpoint(Network& network, const client_options& client, const Target& target) {
  const endpoint_options& options = client.endpoint;
  const Duration limit = client.connect_timeout;
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
  if (client.transport == transport::websocket && !target.sub_protocol.empty()) {
    const uint16_t port = options.https_port.value_or(kHttpsPort);
    out.connect.port = port;
    out.websocket = http::WebSocketOffer{
        .host = port == kHttpsPort ? target.host : net::address_and_port(target.host, port),
        .path = websocket_path(target.host),
        .protocol = std::string(target.sub_protocol)};
  }
  return out;
}

void connect(Network& network, Loop& loop, const Endpoint& endpoint, Network::Opened opened,
             Network::Failed failed) {
  if (endpoint.websocket) {
    auto outcomes = websocket::through_websocket(
        {.offer = *endpoint.websocket, .random = network.random(), .limit = endpoint.connect.limit},
        {.opened = std::move(opened), .failed = std::move(failed)});
    opened = std::move(outcomes.opened);
    failed = std::move(outcomes.failed);
  }
  network.connect(loop, endpoint.connect, std::move(opened), std::move(failed));
}

}  // namespace linarite::sdk
