// What the tests of net share: a loop on the test's thread, handlers that write down what they are
// told, and certificates that are made once.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "net/certificate.h"
#include "net/socket_stream.h"
#include "net/tls_context.h"

namespace linarite::net::testing {

struct TestCertificates {
  TestCertificates() {
    const WallTime now = SystemClock().wall();
    const Validity validity{now - std::chrono::hours(1), now + std::chrono::hours(24)};
    const HostNames names{"hub.test", "127.0.0.1"};
    ca_key = make_p256_key();
    ca = *make_ca(ca_key.get(), "test CA", names, validity);
    const KeyPtr p256_key = make_p256_key();
    const KeyPtr rsa_key = make_rsa_key();
    const auto pair = [&](EVP_PKEY* key) {
      const X509Ptr made = *make_server_certificate(key, names, validity, ca.get(), ca_key.get());
      return CertificateAndKey{to_pem(made.get()), to_pem(key)};
    };
    p256 = pair(p256_key.get());
    rsa = pair(rsa_key.get());
  }
  static const TestCertificates& get() {
    static const TestCertificates made;
    return made;
  }

  X509Ptr ca;
  KeyPtr ca_key;
  CertificateAndKey p256, rsa;
};

inline TlsServerOptions server_options() {
  const TestCertificates& made = TestCertificates::get();
  TlsServerOptions out;
  out.certificates = {made.p256, made.rsa};
  return out;
}
inline TlsClientOptions client_options() {
  TlsClientOptions out;
  out.roots_pem = to_pem(TestCertificates::get().ca.get());
  return out;
}

// One end of a stream, as a transcript. Survives its handler.
struct Peer {
  Stream* stream = nullptr;  // Null before it opens and after it has closed.
  std::string received;
  std::string failure;
  bool opened = false;
  bool closed = false;
  int writable = 0;
  CloseReason reason = CloseReason::kReset;
  PeerInfo info;
  std::function<void(ByteView)> on_bytes;  // After the bytes were added to `received`.

  bool over() const { return closed || !failure.empty(); }
};

class PeerHandler final : public StreamHandler {
 public:
  explicit PeerHandler(Peer& peer) : peer_(peer) {}
  void on_bytes(ByteView bytes) override {
    peer_.received += bytes;
    if (peer_.on_bytes) peer_.on_bytes(bytes);
  }
  void on_writable() override { ++peer_.writable; }
  void on_closed(CloseReason reason) override {
    peer_.closed = true;
    peer_.reason = reason;
    peer_.stream = nullptr;
  }

 private:
  Peer& peer_;
};

inline std::unique_ptr<StreamHandler> open_peer(Peer& peer, Stream& stream) {
  peer.stream = &stream;
  peer.opened = true;
  peer.info = stream.peer();
  return std::make_unique<PeerHandler>(peer);
}

// A manual clock, a loop on this thread, and streams over socket pairs.
class StreamTest : public ::testing::Test {
 protected:
  static std::pair<Descriptor, Descriptor> socket_pair() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    return {Descriptor(ends[0]), Descriptor(ends[1])};
  }

  void start(Peer& peer, Descriptor socket, std::shared_ptr<const TlsEndpoint> tls) {
    SocketStream::Setup setup;
    setup.socket = std::move(socket);
    setup.tls = std::move(tls);
    setup.opened = [&peer](Stream& stream) { return open_peer(peer, stream); };
    setup.failed = [&peer](const std::string& why) { peer.failure = why; };
    on_loop([&] { SocketStream::start(loop_, std::move(setup)); });
  }

  // Both ends of a connection; the client verifies the server as hub.test.
  void connect(const TlsServerOptions& server, const TlsClientOptions& client,
               const std::string& name = "hub.test") {
    auto [a, b] = socket_pair();
    start(server_, std::move(a), *TlsServerContext::create(server));
    start(client_, std::move(b),
          TlsClientContext::for_server(*TlsClientContext::create(client), name));
    until([&] { return (server_.opened || server_.over()) && (client_.opened || client_.over()); });
  }
  void connect_plain() {
    auto [a, b] = socket_pair();
    start(server_, std::move(a), nullptr);
    start(client_, std::move(b), nullptr);
    until([&] { return server_.opened && client_.opened; });
  }

  // Runs the loop on this thread until `done`; the test's time limit is the only one.
  void until(const std::function<bool()>& done) { loop_.run_until(done); }
  // A call as the handler could make it.
  void on_loop(std::move_only_function<void()> call) {
    bool ran = false;
    loop_.post([&] {
      call();
      ran = true;
    });
    until([&] { return ran; });
  }
  // Lets everything happen that needs no further input.
  void settle() {
    for (int i = 0; i < 20; ++i) on_loop([] {});
  }
  void advance(Duration by) {
    clock_.advance(by);
    on_loop([&] { loop_.run_due_timers(); });
  }

  ManualClock clock_{WallTime(std::chrono::seconds(1'700'000'000))};
  Peer server_, client_;
  AsioLoop loop_{clock_, TimerDrive::kWhenTold};
};

}  // namespace linarite::net::testing
