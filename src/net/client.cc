#include "net/client.h"

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/basic_resolver.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <optional>
#include <utility>

#include "net/socket_address.h"
#include "net/socket_stream.h"

namespace linarite::net {
namespace {

using boost::asio::ip::tcp;
using Socket = boost::asio::basic_stream_socket<tcp, boost::asio::io_context::executor_type>;
using Resolver = boost::asio::ip::basic_resolver<tcp, boost::asio::io_context::executor_type>;

// One connect(), until its stream exists or everything failed.
class Connector final : public LoopResident {
 public:
  Connector(AsioLoop& loop, ConnectOptions options,
            std::move_only_function<std::unique_ptr<StreamHandler>(Stream&)> opened,
            std::move_only_function<void(Error)> failed)
      : loop_(loop),
        options_(std::move(options)),
        opened_(std::move(opened)),
        failed_(std::move(failed)),
        resolver_(loop.context()),
        socket_(loop.context()) {}

  void start();
  void on_turn_end() override;
  void shut_down() override { give_up("the program is shutting down"); }

 private:
  void set_deadline();
  void try_next();
  void finish_connect();
  void give_up(std::string reason);

  AsioLoop& loop_;
  ConnectOptions options_;
  std::move_only_function<std::unique_ptr<StreamHandler>(Stream&)> opened_;
  std::move_only_function<void(Error)> failed_;
  Resolver resolver_;
  Socket socket_;
  Resolver::results_type addresses_;
  Resolver::results_type::iterator next_;
  TimerId deadline_ = 0;
  int waits_ = 0;  // Handlers that Asio still owes us.
  std::optional<std::string> failure_;
  std::string last_reason_ = "the name has no address";
};

std::string connect_message(const ConnectOptions& options, const std::string& reason) {
  return "cannot connect to " + address_and_port(options.host, options.port) + ": " + reason;
}

void Connector::start() {
  set_deadline();
  ++waits_;
  resolver_.async_resolve(
      options_.host, std::to_string(options_.port), tcp::resolver::numeric_service,
      [this](const boost::system::error_code& error, Resolver::results_type found) {
        --waits_;
        if (failure_ || error) {
          give_up(error.message());
          return;
        }
        addresses_ = std::move(found);
        next_ = addresses_.begin();
        try_next();
      });
}

void Connector::set_deadline() {
  loop_.cancel(deadline_);
  deadline_ = loop_.run_after(options_.limit, [this] {
    deadline_ = 0;
    give_up("no answer in time");
  });
}

void Connector::try_next() {
  if (next_ == addresses_.end()) {
    give_up(last_reason_);
    return;
  }
  set_deadline();
  const tcp::endpoint endpoint = (next_++)->endpoint();
  boost::system::error_code ignored;
  socket_.close(ignored);
  ++waits_;
  socket_.async_connect(endpoint, [this](const boost::system::error_code& error) {
    --waits_;
    if (failure_) {
      loop_.at_end_of_turn(*this);
    } else if (error) {
      last_reason_ = error.message();
      try_next();
    } else {
      finish_connect();
    }
  });
}

void Connector::finish_connect() {
  boost::system::error_code error;
  const tcp::endpoint remote = socket_.remote_endpoint(error);
  if (!error) socket_.native_non_blocking(true, error);
  if (!error) socket_.set_option(tcp::no_delay(true), error);
  if (error) {
    last_reason_ = error.message();
    try_next();
    return;
  }
  SocketStream::Setup setup;
  setup.socket = Descriptor(socket_.release(error));
  setup.peer.address = remote.address().to_string();
  setup.peer.port = remote.port();
  setup.limits.handshake = options_.limit;
  if (options_.tls) {
    const std::string& name = options_.tls_name.empty() ? options_.host : options_.tls_name;
    setup.tls = TlsClientContext::for_server(options_.tls, name);
  }
  setup.opened = std::move(opened_);
  setup.failed = [options = options_, failed = std::move(failed_)](const std::string& why) mutable {
    failed(Error{ErrorCode::kIoError, connect_message(options, why)});
  };
  loop_.cancel(deadline_);
  SocketStream::start(loop_, std::move(setup));
  loop_.release(*this);
}

void Connector::give_up(std::string reason) {
  if (!failure_) failure_ = std::move(reason);
  boost::system::error_code ignored;
  resolver_.cancel();
  socket_.close(ignored);
  loop_.at_end_of_turn(*this);
}

void Connector::on_turn_end() {
  if (!failure_ || waits_ > 0) return;
  loop_.cancel(deadline_);
  const std::unique_ptr<LoopResident> self = loop_.release(*this);
  failed_(Error{ErrorCode::kIoError, connect_message(options_, *failure_)});
}

}  // namespace

void connect(AsioLoop& loop, ConnectOptions options,
             std::move_only_function<std::unique_ptr<StreamHandler>(Stream&)> opened,
             std::move_only_function<void(Error)> failed) {
  auto made =
      std::make_unique<Connector>(loop, std::move(options), std::move(opened), std::move(failed));
  Connector& connector = *made;
  loop.adopt(std::move(made));
  connector.start();
}

}  // namespace linarite::net
