// Numeric socket addresses: text to sockaddr and back, and whether one is only reachable from this
// machine.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>

namespace linarite::net {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  // `address` is numeric: "127.0.0.1", "::1", "0.0.0.0".
  static std::optional<SocketAddress> parse(const std::string& address, uint16_t port);

  std::string address() const;  // An IPv4 address mapped into IPv6 is given as IPv4.
  uint16_t port() const;
  bool is_loopback() const;
  int family() const { return storage.ss_family; }
  sockaddr* raw() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// By what a peer is counted: the address itself, or the first 64 bits of an IPv6 address, as one
// host owns at least a /64.
std::string address_key(const std::string& address);

// "127.0.0.1:8883", "[::1]:8883".
std::string address_and_port(const std::string& address, uint16_t port);

}  // namespace linarite::net
