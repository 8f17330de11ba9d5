// The options of the clients. Each default is what most programs want.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <linarite/network.h>

namespace linarite {
inline namespace v1 {

// How much a line of the log matters.
enum class log_level { debug, info, warning, error };
// Called on a thread of the SDK: it must not block and must not throw. Never given a secret or a
// message body.
using log_sink = std::function<void(log_level, std::string_view line)>;

// Where to connect, if not where the identity says. What is verified and what tokens are made for
// stays the identity's host name.
struct endpoint_options {
  std::string host{};                         // Name or numeric address.
  std::optional<std::uint16_t> port{};        // 8883 for devices; 5671 for messages of a service.
  std::optional<std::uint16_t> https_port{};  // 443 for the registry and for WebSockets.
  // PEM of the only CAs to trust: a file, or the text itself. Neither: SSL_CERT_FILE if it is set,
  // else the machine's.
  std::string ca_file{};
  std::string ca_pem{};
};

// What MQTT and AMQP connections go over. The registry is asked over HTTPS either way.
enum class transport {
  direct,     // TLS on the protocol's own port.
  websocket,  // A WebSocket (RFC 6455) on the HTTPS port, for networks that let only that through.
};

// A pause before each try: initial, then twice as long each time, at most maximum; each shortened
// by a random share of at most `jitter`, so that a fleet does not come back in step.
struct reconnect_options {
  std::chrono::milliseconds initial{500};
  std::chrono::milliseconds maximum{60'000};
  double jitter = 0.5;  // 0 to 1.
  // A client that never was connected reports a failed try at once, so that a wrong connection
  // string shows. True: it goes on trying, until the deadline of the operation.
  bool retry_first_connect = false;
};

// What waits while the hub is away.
struct offline_queue_options {
  enum class policy {
    reject_newest,  // The new one fails with offline_queue_full.
    drop_oldest,    // The oldest fails with dropped_from_queue; the new one takes its place.
  };
  std::size_t limit = 1000;
  policy when_full = policy::reject_newest;
};

// What clients of both kinds have in common.
struct client_options {
  endpoint_options endpoint{};
  linarite::transport transport = linarite::transport::direct;
  reconnect_options reconnect{};
  // From the call to the completion of whatever asks the hub for something. Nothing waits for ever
  // unless this is zero.
  std::chrono::milliseconds operation_timeout{60'000};
  // For one try: name, TCP, TLS, WebSocket, and the protocol's own handshake. Zero: no limit of its
  // own. Of the device clients of one network 256 at most dial one hub at a time; waiting for that
  // is not counted here.
  std::chrono::milliseconds connect_timeout{30'000};
  // Life of the tokens the client makes, and how long before the end they are replaced.
  std::chrono::seconds token_life_time{3600};
  std::chrono::seconds token_renewal_margin{300};
  std::string product_info{};  // Told to the hub besides the SDK's own name.
  // Empty: warnings and errors on standard error. Set it to a function that does nothing for
  // silence.
  log_sink log{};
  std::optional<linarite::network> network{};  // None: network::shared().
};

// Of a device_client.
struct device_options : client_options {
  offline_queue_options offline_queue{};  // Of events.
  std::chrono::seconds keep_alive{240};   // At most 1177: the hub waits 1.5 times as long.
};

// Of a service_client.
struct service_options : client_options {
  offline_queue_options offline_queue{};
  // What becomes of a send whose outcome was lost with its connection.
  enum class lost_outcome {
    report,      // It fails with outcome_unknown: it was queued, or it was not.
    send_again,  // It is sent again, perhaps a second time; send_result says so.
  };
  lost_outcome when_outcome_is_lost = lost_outcome::report;
};

}  // namespace v1
}  // namespace linarite
