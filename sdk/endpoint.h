// Where a session connects to, made from its options.
#pragma once

#include <linarite/error.h>
#include <linarite/options.h>
#include <optional>
#include <string>
#include <string_view>

#include "http/websocket_handshake.h"
#include "net/client.h"
#include "sdk/network.h"

namespace linarite::sdk {

// The hub of a session. Its name is what its certificate must say; options may dial another host.
struct Target {
  std::string host;
  uint16_t port = 0;  // Of the protocol itself.
  // Of a WebSocket (device protocol, 2 and 3.14), if options ask for one; empty: never through one.
  std::string_view sub_protocol{};
  bool certificate = false;  // Whether it shows one of its own.
  std::string chain_file{};
  std::string key_file{};
};

// Reads the files that options and target name: bad_local_file with the name of the one that is
// unusable. options.connect_timeout is for each step of a connect.
struct Endpoint {
  error problem;
  net::ConnectOptions connect;
  std::optional<http::WebSocketOffer> websocket;  // To be asked for on the connection.
};
Endpoint make_endpoint(Network& network, const client_options& options, const Target& target);

// Connects to the endpoint: as Network::connect(), with the stream inside of the WebSocket if it
// has one. On the loop's thread.
void connect(Network& network, Loop& loop, const Endpoint& endpoint, Network::Opened opened,
             Network::Failed failed);

}  // namespace linarite::sdk
