// The operator's pages: plain HTTP on loopback.
//
//   GET  /livez               200 while the program runs
//   GET  /readyz              200 when the hub serves, else 503
//   GET  /health              JSON about stores, uptime, version and connections; status as /readyz
//   GET  /metrics             Prometheus text format
//   GET  /ca.pem              the certificate that clients must trust
//
// and, for who can read the data directory and so has the token of its control file (wire/
// control_file.h), as "Authorization: Bearer TOKEN"; 401 for everyone else:
//
//   GET  /policies            {"hostName", "time", "policies": [{"keyName", "primaryKey", "rights",
//                             "secondaryKey"}]}; the time is the hub's own
//   POST /policies/{name}/renew-key?key=primary|secondary|swap
//                             answered with the policy once it is durable
//   POST /clock/advance?by=S  moves a manual clock by S seconds; answered when all due timers have
//                             run
//
// A web page in the operator's browser can reach a loopback port too. So the Host of a request must
// be a loopback name or address (DNS rebinding), and so must its Origin, if it has one.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/loop.h"
#include "base/time.h"
#include "hub/hub.h"
#include "net/stream.h"

namespace prometheus {
class Registry;
}

namespace linarite::gateway {

inline constexpr std::chrono::seconds kClockAdvanceMax = std::chrono::hours(24 * 366);

// Any thread; a connection lives on the loop of its stream. Must outlive its connections.
class AdminGateway {
 public:
  struct Parts {
    prometheus::Registry& metrics;
    // Called on the loop of a connection, so both must be safe on any thread.
    std::function<bool()> ready;
    std::function<std::string()> health_json;
    std::string ca_certificate;  // PEM; empty if there is none.
    hub::Hub* hub = nullptr;     // For the policies; null only in tests.
    std::string token;           // Of the control file; empty: nobody has it.
    // Empty unless the clock is manual. Moves it by `by`, lets every loop run its due timers, then
    // replies. Called on the loop of a connection and must not block it.
    std::function<void(Duration by, Reply<> done)> advance_clock;
  };

  explicit AdminGateway(Parts parts) : parts_(std::move(parts)) {}

  // The handler of a new stream; fits net::StreamAcceptor. On the stream's loop.
  std::unique_ptr<net::StreamHandler> accept(net::Stream& stream);

 private:
  const Parts parts_;
};

// The rights of a policy as Azure Resource Manager words them: "RegistryWrite, ServiceConnect".
std::string rights_text(hub::Rights rights);

// Whether a Host field or authority names this machine's loopback: localhost, 127.0.0.0/8 or [::1],
// with or without a port.
bool is_loopback_host(std::string_view host);

}  // namespace linarite::gateway
