// Measures what one idle TLS connection costs the server: resident memory (RSS) at two counts of
// connections, each of which has completed its handshake and echoed 100 bytes; the slope is the
// cost, without what the process needs anyway. The clients live in a child process.
//
//   idle_tls [FIRST] [SECOND]      (1000 and 5000 when left out; each is one descriptor per side)
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/wait.h>

#include <charconv>
#include <fstream>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "net/certificate.h"
#include "net/connection_budget.h"
#include "net/listener.h"
#include "net/socket_address.h"

namespace linarite::net {
namespace {

size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  size_t total = 0;
  size_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

class Echo final : public StreamHandler {
 public:
  Echo(Stream& stream, std::atomic<size_t>& echoed) : stream_(stream), echoed_(echoed) {}
  void on_bytes(ByteView bytes) override {
    stream_.send(bytes);
    ++echoed_;
  }
  void on_closed(CloseReason) override {}

 private:
  Stream& stream_;
  std::atomic<size_t>& echoed_;
};

// The child: for each number read from `orders` opens that many connections, then says so.
void run_clients(int orders, int reports, int version) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_max_proto_version(context, version);
  uint16_t port = 0;
  CHECK(::read(orders, &port, sizeof(port)) == sizeof(port));
  const SocketAddress server = *SocketAddress::parse("127.0.0.1", port);
  std::vector<SSL*> open;
  size_t count = 0;
  while (::read(orders, &count, sizeof(count)) == sizeof(count)) {
    while (open.size() < count) {
      const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
      const int on = 1;
      ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      CHECK(::connect(socket, server.raw(), server.size) == 0);
      SSL* ssl = SSL_new(context);
      SSL_set_fd(ssl, socket);
      CHECK(SSL_connect(ssl) == 1);
      char bytes[100] = {};
      CHECK(SSL_write(ssl, bytes, sizeof(bytes)) == sizeof(bytes));
      CHECK(SSL_read(ssl, bytes, sizeof(bytes)) == sizeof(bytes));
      open.push_back(ssl);
    }
    CHECK(::write(reports, &count, sizeof(count)) == sizeof(count));
  }
}

TlsServerOptions certificates() {
  const WallTime now = SystemClock().wall();
  const Validity validity{now, now + std::chrono::hours(1)};
  const KeyPtr ca_key = make_p256_key();
  const X509Ptr ca = *make_ca(ca_key.get(), "bench", {"127.0.0.1"}, validity);
  const KeyPtr key = make_p256_key();
  const X509Ptr leaf =
      *make_server_certificate(key.get(), {"127.0.0.1"}, validity, ca.get(), ca_key.get());
  TlsServerOptions out;
  out.certificates = {{to_pem(leaf.get()), to_pem(key.get())}};
  return out;
}

size_t argument(int argc, char** argv, int index, size_t otherwise) {
  if (index >= argc) return otherwise;
  const std::string_view text = argv[index];
  size_t out = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

void measure(size_t first, size_t second, int version, const char* name) {
  int orders[2];
  int reports[2];
  CHECK(::pipe(orders) == 0 && ::pipe(reports) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(orders[1]);
    run_clients(orders[0], reports[1], version);
    ::_exit(0);
  }
  SystemClock clock;
  Logger log = Logger::none();
  std::atomic<size_t> echoed{0};
  LoopGroup loops(2, clock, TimerDrive::kSystem);
  ListenerOptions options;
  options.name = "bench";
  options.addresses = {"127.0.0.1"};
  options.tls = *TlsServerContext::create(certificates());
  auto listener = *Listener::open(
      loops, options, ConnectionBudget::create({second + 10, 0}),
      [&echoed](Stream& stream) { return std::make_unique<Echo>(stream, echoed); }, log);
  listener->start();
  loops.start();
  const uint16_t port = listener->port();
  CHECK(::write(orders[1], &port, sizeof(port)) == sizeof(port));
  const auto at = [&](size_t count) {
    CHECK(::write(orders[1], &count, sizeof(count)) == sizeof(count));
    CHECK(::read(reports[0], &count, sizeof(count)) == sizeof(count));
    return resident_bytes();
  };
  const size_t low = at(first);
  const size_t high = at(second);
  fmt::print("{}: {} connections {} KiB, {} connections {} KiB: {:.2f} KB each\n", name, first,
             low >> 10U, second, high >> 10U,
             static_cast<double>(high - low) / static_cast<double>(second - first) / 1000.0);
  ::close(orders[1]);
  ::waitpid(child, nullptr, 0);
  loops.stop();
}

}  // namespace
}  // namespace linarite::net

int main(int argc, char** argv) {
  using namespace linarite::net;
  raise_descriptor_limit();
  const size_t first = argument(argc, argv, 1, 1000);
  const size_t second = argument(argc, argv, 2, 5000);
  // In a process of its own, so that the second measurement does not reuse the memory of the first.
  const pid_t child = ::fork();
  if (child == 0) {
    measure(first, second, TLS1_3_VERSION, "TLS 1.3");
    return 0;
  }
  ::waitpid(child, nullptr, 0);
  measure(first, second, TLS1_2_VERSION, "TLS 1.2");
  return 0;
}
