// Connects to a server by name: TCP, then TLS, then a Stream. For the command line, the SDK and
// tests.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "net/asio_loop.h"
#include "net/stream.h"
#include "net/tls_context.h"

namespace linarite::net {

struct ConnectOptions {
  std::string host;  // Name or numeric address.
  uint16_t port = 0;
  std::shared_ptr<TlsClientContext> tls;      // Null: plain TCP.
  std::string tls_name;                       // The name to verify, if it is not `host`.
  Duration limit = std::chrono::seconds(15);  // For name, TCP and TLS each.
};

// Tries the host's addresses in turn. Exactly one of the two is called, on the loop and after the
// return: `opened` with the stream, ready for use, to make its handler; or `failed` with kIoError
// and a sentence that names host, port and reason. Neither when the loop is stopped before. Loop
// thread only.
void connect(AsioLoop& loop, ConnectOptions options,
             std::move_only_function<std::unique_ptr<StreamHandler>(Stream&)> opened,
             std::move_only_function<void(Error)> failed);

}  // namespace linarite::net
