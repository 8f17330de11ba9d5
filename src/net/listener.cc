#include "net/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <list>
#include <utility>

#include "base/check.h"
#include "net/descriptor.h"
#include "net/socket_address.h"
#include "net/socket_stream.h"

namespace linarite::net {
namespace {

struct BoundSocket {
  Descriptor socket;
  std::string address;
};

std::unexpected<Error> cannot_listen(const ListenerOptions& options, const SocketAddress& at,
                                     int error) {
  const std::string where = address_and_port(at.address(), at.port());
  const std::string flag = "--" + options.name + "-port";
  std::string what = "cannot listen for " + options.name + " on " + where + ": ";
  switch (error) {
    case EACCES:
      what +=
          "ports below 1024 need root or CAP_NET_BIND_SERVICE; run `sudo sysctl "
          "net.ipv4.ip_unprivileged_port_start=0`, or choose another port with " +
          flag + ".";
      break;
    case EADDRINUSE:
      what +=
          "another program uses this port; stop it (`ss -ltnp` shows it), or choose another port "
          "with " +
          flag + ".";
      break;
    case EADDRNOTAVAIL:
      what += "this machine has no such address; bind to one that `ip address` shows.";
      break;
    default:
      what += strerror(error);
      what += ".";
  }
  return fail(ErrorCode::kIoError, std::move(what));
}

// Linux takes no larger one from a program, yet has one of 65,483 on loopback. azure-eventhub's
// asyncio client sets the one that it finds on its connection again, and fails with EINVAL.
constexpr int kSegmentSizeMax = 32'767;

Result<BoundSocket> bind_one(const ListenerOptions& options, const std::string& text,
                             uint16_t port) {
  std::optional<SocketAddress> at = SocketAddress::parse(text, port);
  if (!at) {
    return fail(
        ErrorCode::kArgumentInvalid,
        "\"" + text + "\" is not a numeric address to listen on; write 0.0.0.0 for all of IPv4.");
  }
  if (!options.tls && !at->is_loopback()) {
    return fail(ErrorCode::kArgumentInvalid, "the " + options.name +
                                                 " listener has no TLS, so it listens on "
                                                 "loopback addresses only, not on " +
                                                 text + ".");
  }
  Descriptor socket(::socket(at->family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return cannot_listen(options, *at, errno);
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (at->family() == AF_INET6) {
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  }
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_MAXSEG, &kSegmentSizeMax, sizeof(kSegmentSizeMax));
  if (::bind(socket.get(), at->raw(), at->size) != 0 ||
      ::listen(socket.get(), Listener::kBacklog) != 0) {
    return cannot_listen(options, *at, errno);
  }
  return BoundSocket{std::move(socket), text};
}

uint16_t local_port(const Descriptor& socket) {
  SocketAddress at;
  at.size = sizeof(at.storage);
  ::getsockname(socket.get(), at.raw(), &at.size);
  return at.port();
}

// True where "::1" can be bound. A machine without IPv6 is no reason to refuse to start.
bool has_ipv6_loopback() {
  const Descriptor socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const SocketAddress at = *SocketAddress::parse("::1", 0);
  return socket.valid() && ::bind(socket.get(), at.raw(), at.size) == 0;
}

Result<std::vector<BoundSocket>> bind_all(const ListenerOptions& options) {
  std::vector<BoundSocket> out;
  uint16_t port = options.port;
  for (const std::string& address : options.addresses) {
    if (address == "::1" && options.addresses.size() > 1 && !has_ipv6_loopback()) continue;
    Result<BoundSocket> one = bind_one(options, address, port);
    if (!one) return std::unexpected(one.error());
    if (port == 0) port = local_port(one->socket);
    out.push_back(std::move(*one));
  }
  if (out.empty()) return fail(ErrorCode::kArgumentInvalid, "no address to listen on.");
  return out;
}

}  // namespace

// What the listener, its acceptors and its streams hold together.
struct Listener::Shared {
  // The handshakes under way on one loop, oldest first; touched on that loop only.
  struct Handshake {
    SocketStream* stream = nullptr;
    bool listed = false;
    std::list<std::shared_ptr<Handshake>>::iterator place;
  };
  using Handshakes = std::list<std::shared_ptr<Handshake>>;
  static void leave(Handshakes& handshakes, Handshake& one) {
    if (std::exchange(one.listed, false)) handshakes.erase(one.place);
  }

  Shared(LoopGroup& group, ListenerOptions how, std::shared_ptr<ConnectionBudget> places,
         StreamAcceptor make_handler, Logger& logger)
      : loops(group),
        options(std::move(how)),
        budget(std::move(places)),
        acceptor(std::move(make_handler)),
        log(logger),
        handshakes(group.size()) {}

  LoopGroup& loops;
  const ListenerOptions options;
  const std::shared_ptr<ConnectionBudget> budget;
  const StreamAcceptor acceptor;
  Logger& log;
  std::vector<BoundSocket> sockets;  // Until start().
  std::vector<std::string> bound;
  uint16_t port = 0;

  // Loop 0 only.
  std::vector<Acceptor*> acceptors;
  size_t next_loop = 0;
  bool asked_for_release = false;  // The budget will call when a place is given back.

  std::vector<Handshakes> handshakes;  // One for each loop.
  std::atomic<uint64_t> accepted{0}, opened{0}, handshakes_failed{0}, refused_by_address{0},
      pauses{0};
};

// One listening socket, on loop 0.
class Listener::Acceptor final : public LoopResident {
 public:
  static void start(std::shared_ptr<Shared> shared, BoundSocket bound);
  ~Acceptor() override { std::erase(shared_->acceptors, this); }

  void on_turn_end() override;
  void shut_down() override;

 private:
  enum class Next { kMore, kWait, kRest, kFull };

  Acceptor(std::shared_ptr<Shared> shared, BoundSocket bound)
      : shared_(std::move(shared)),
        loop_(shared_->loops.loop(0)),
        socket_(loop_.context(), bound.socket.release()) {
    shared_->acceptors.push_back(this);
  }

  void wait();
  void accept_some();
  Next accept_one();
  void hand_out(Descriptor socket, const SocketAddress& from, std::shared_ptr<void> place);
  static void begin(const std::shared_ptr<Shared>& shared, size_t loop_index,
                    SocketStream::Setup setup);
  void rest(const char* reason);

  std::shared_ptr<Shared> shared_;
  AsioLoop& loop_;
  boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type> socket_;
  TimerId rest_timer_ = 0;
  bool waiting_ = false;
  bool resting_ = false;
};

void Listener::Acceptor::start(std::shared_ptr<Shared> shared, BoundSocket bound) {
  std::unique_ptr<Acceptor> made(new Acceptor(std::move(shared), std::move(bound)));
  Acceptor& acceptor = *made;
  acceptor.loop_.adopt(std::move(made));
  acceptor.wait();
}

void Listener::Acceptor::wait() {
  if (!socket_.is_open() || std::exchange(waiting_, true)) return;
  socket_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                     [this](const boost::system::error_code&) {
                       waiting_ = false;
                       accept_some();
                     });
}

void Listener::Acceptor::accept_some() {
  if (!socket_.is_open()) {
    loop_.at_end_of_turn(*this);
    return;
  }
  for (size_t i = 0; i < kAcceptsPerTurn; ++i) {
    switch (accept_one()) {
      case Next::kMore:
        continue;
      case Next::kWait:
        wait();
        return;
      case Next::kRest:
        rest("the machine has no descriptor or memory for another connection");
        return;
      case Next::kFull:
        rest("the connection limit is reached, or too much waits for peers that do not read");
        return;
    }
  }
  wait();
}

Listener::Acceptor::Next Listener::Acceptor::accept_one() {
  if (shared_->budget->full()) return Next::kFull;
  SocketAddress from;
  from.size = sizeof(from.storage);
  Descriptor socket(
      ::accept4(socket_.native_handle(), from.raw(), &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!socket.valid()) {
    switch (errno) {
      case EAGAIN:
        return Next::kWait;
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM:
        return Next::kRest;
      default:
        // The connection is already gone (ECONNABORTED and the network errors of accept(2)).
        return Next::kMore;
    }
  }
  if (shared_->options.admits && !shared_->options.admits(address_key(from.address()))) {
    ++shared_->refused_by_address;
    return Next::kMore;
  }
  std::shared_ptr<void> place;
  switch (shared_->budget->take(from.address(), place)) {
    case ConnectionBudget::Verdict::kTaken:
      hand_out(std::move(socket), from, std::move(place));
      return Next::kMore;
    case ConnectionBudget::Verdict::kAddressFull:
      ++shared_->refused_by_address;
      return Next::kMore;
    case ConnectionBudget::Verdict::kFull:
      break;  // Another listener took the last place meanwhile; this peer has to come again.
  }
  return Next::kFull;
}

void Listener::Acceptor::hand_out(Descriptor socket, const SocketAddress& from,
                                  std::shared_ptr<void> place) {
  ++shared_->accepted;
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  const ListenerOptions& options = shared_->options;
  SocketStream::Setup setup;
  setup.socket = std::move(socket);
  setup.peer.address = from.address();
  setup.peer.port = from.port();
  setup.tls = options.tls;
  setup.limits = {options.handshake_limit, options.close_limit, options.stall_limit};
  setup.keeps = std::move(place);
  setup.budget = shared_->budget;
  const size_t index = shared_->next_loop++ % shared_->loops.size();
  AsioLoop& target = shared_->loops.loop(index);
  if (target.in_loop()) {
    begin(shared_, index, std::move(setup));
    return;
  }
  target.post([shared = shared_, index, setup = std::move(setup)]() mutable {
    begin(shared, index, std::move(setup));
  });
}

void Listener::Acceptor::begin(const std::shared_ptr<Shared>& shared, size_t loop_index,
                               SocketStream::Setup setup) {
  Shared::Handshakes& handshakes = shared->handshakes[loop_index];
  if (handshakes.size() >= shared->options.handshakes_per_loop_max) {
    const std::shared_ptr<Shared::Handshake> oldest = handshakes.front();
    oldest->stream->abort();
    Shared::leave(handshakes, *oldest);
  }
  const auto one = std::make_shared<Shared::Handshake>();
  setup.opened = [shared, &handshakes, one](Stream& stream) {
    ++shared->opened;
    Shared::leave(handshakes, *one);
    return shared->acceptor(stream);
  };
  setup.failed = [shared, &handshakes, one, address = setup.peer.address](const std::string& why) {
    ++shared->handshakes_failed;
    Shared::leave(handshakes, *one);
    shared->log.debug("handshake failed",
                      {{"listener", shared->options.name}, {"peer", address}, {"reason", why}});
  };
  AsioLoop& loop = shared->loops.loop(loop_index);
  one->stream = &SocketStream::start(loop, std::move(setup));
  one->place = handshakes.insert(handshakes.end(), one);
  one->listed = true;
}

void Listener::Acceptor::rest(const char* reason) {
  if (std::exchange(resting_, true)) return;
  ++shared_->pauses;
  shared_->log.warning("accepting rests",
                       {{"listener", shared_->options.name}, {"reason", reason}});
  rest_timer_ = loop_.run_after(kRest, [this] {
    rest_timer_ = 0;
    loop_.at_end_of_turn(*this);
  });
  if (std::exchange(shared_->asked_for_release, true)) return;
  shared_->budget->call_at_release([shared = shared_] {
    // The acceptor may be gone by then: ask the list, on its loop.
    shared->loops.loop(0).post([shared] {
      shared->asked_for_release = false;
      for (Acceptor* acceptor : shared->acceptors) {
        if (acceptor->resting_) acceptor->loop_.at_end_of_turn(*acceptor);
      }
    });
  });
}

void Listener::Acceptor::on_turn_end() {
  if (!socket_.is_open()) {
    if (!waiting_) loop_.release(*this);
    return;
  }
  if (!std::exchange(resting_, false)) return;
  loop_.cancel(std::exchange(rest_timer_, 0));
  accept_some();
}

void Listener::Acceptor::shut_down() {
  loop_.cancel(std::exchange(rest_timer_, 0));
  boost::system::error_code ignored;
  socket_.close(ignored);
  loop_.at_end_of_turn(*this);
}

Result<std::unique_ptr<Listener>> Listener::open(LoopGroup& loops, ListenerOptions options,
                                                 std::shared_ptr<ConnectionBudget> budget,
                                                 StreamAcceptor acceptor, Logger& log) {
  Result<std::vector<BoundSocket>> sockets = bind_all(options);
  if (!sockets) return std::unexpected(sockets.error());
  auto shared = std::make_shared<Shared>(loops, std::move(options), std::move(budget),
                                         std::move(acceptor), log);
  shared->port = local_port(sockets->front().socket);
  for (const BoundSocket& one : *sockets) {
    shared->bound.push_back(address_and_port(one.address, shared->port));
  }
  shared->sockets = std::move(*sockets);
  return std::unique_ptr<Listener>(new Listener(std::move(shared)));
}

Listener::~Listener() { stop_accepting(); }

void Listener::start() {
  shared_->loops.loop(0).post([shared = shared_] {
    for (BoundSocket& one : shared->sockets) Acceptor::start(shared, std::move(one));
    shared->sockets.clear();
  });
}

void Listener::stop_accepting() {
  shared_->loops.loop(0).post([shared = shared_] {
    shared->sockets.clear();
    for (Acceptor* acceptor : shared->acceptors) acceptor->shut_down();
  });
}

uint16_t Listener::port() const { return shared_->port; }
std::vector<std::string> Listener::bound() const { return shared_->bound; }

ListenerCounts Listener::counts() const {
  return {shared_->accepted, shared_->opened, shared_->handshakes_failed,
          shared_->refused_by_address, shared_->pauses};
}

}  // namespace linarite::net
