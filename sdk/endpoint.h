// Where a session connects to, made from its options.
#pragma once

#include <linarite/error.h>
#include <linarite/options.h>
#include <memory>
#include <string>

#include "base/error.h"
#include "net/client.h"
#include "sdk/network.h"

namespace linarite::sdk {

// The hub of a session. Its name is what its certificate must say; options may dial another host.
struct Target {
  std::string host;
  uint16_t port = 0;
  bool certificate = false;  // Whether it shows one of its own.
  std::string chain_file{};
  std::string key_file{};
};

// Reads the files that options and target name: bad_local_file with the name of the one that is
// unusable. `limit` is for each step of a connect; 0: none.
struct Endpoint {
  error problem;
  net::ConnectOptions connect;
};
Endpoint make_endpoint(Network& network, const endpoint_options& options, const Target& target,
                       Duration limit);

}  // namespace linarite::sdk
