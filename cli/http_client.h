// HTTP/1.1 calls that wait for their response. A command does one thing after the other, so it
// drives its loop from here.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "http/request.h"
#include "http/response.h"
#include "net/asio_loop.h"
#include "net/client.h"

namespace linarite::cli {

// Lets `duration` pass.
void wait(net::AsioLoop& loop, Duration duration);

// One server. A connection is kept for the next call. The loop must outlive the client and be run
// by nobody else.
class HttpClient {
 public:
  // `host` is sent as the Host of each request.
  HttpClient(net::AsioLoop& loop, net::ConnectOptions where, std::string host);
  ~HttpClient();
  HttpClient(HttpClient&&) = default;

  // Adds Host to the request and sends it. The error is one of net::connect() or
  // http::ClientConnection. A request that a kept connection lost is sent once more on a new one,
  // except POST: it gets a new connection at once, for nothing may be sent twice.
  Result<http::Response> call(http::Request request);

 private:
  struct Link;

  Status connect();
  Result<http::Response> exchange(const http::Request& request);
  void drop();

  net::AsioLoop& loop_;
  net::ConnectOptions where_;
  std::string host_;
  std::shared_ptr<Link> link_;  // Null while there is no connection.
};

}  // namespace linarite::cli
