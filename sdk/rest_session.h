// A service's HTTPS connection: one request after the other, each with a deadline, on a connection
// that is kept (service protocol, 5.1).
#pragma once

#include <linarite/identity.h>
#include <linarite/options.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "http/client_connection.h"
#include "sdk/network.h"
#include "sdk/token_source.h"

namespace linarite::sdk {

struct RestCall {
  std::string method;
  std::string path;  // Ids in it percent-encoded; without api-version.
  http::Headers headers = {};
  Bytes body = {};
};

// Owned by a ServiceSession; its loop only.
class RestSession {
 public:
  // With an error, or a response whose status is 2xx.
  using Done = std::move_only_function<void(error, http::Response)>;

  RestSession(std::weak_ptr<Network> network, std::shared_ptr<Loop> loop,
              const service_identity& identity, const service_options& options);
  ~RestSession();
  RestSession(const RestSession&) = delete;
  RestSession& operator=(const RestSession&) = delete;

  void call(uint64_t id, RestCall call, Done done);
  void cancel(uint64_t id) { give_up(id, errc::operation_aborted, "it was cancelled"); }
  void shut_down();

 private:
  class Link;
  struct Request {
    uint64_t id = 0;
    RestCall call;
    Done done;
    TimerId deadline = 0;
    bool sent = false;      // It may have been done.
    bool answered = false;  // Bytes have come since.
    bool on_kept = false;   // Sent on a connection that had been idle.
  };

  void pump();
  void connect();
  void send();
  void on_events();
  void on_failure(error why);
  void on_link_closed();
  void finish_first(error why, http::Response response);
  void give_up(uint64_t id, errc unsent, const std::string& why);
  void drop_link();

  const std::weak_ptr<Network> network_;
  const std::shared_ptr<Loop> loop_;
  const service_identity& identity_;
  const service_options& options_;
  TokenSource tokens_;
  std::optional<TokenSource::Token> token_;
  std::optional<net::ConnectOptions> target_;
  std::deque<Request> requests_;  // The first is under way if busy_.
  bool busy_ = false;
  bool closed_ = false;
  uint64_t connection_ = 0;
  Link* link_ = nullptr;  // Owned by its stream.
  Instant last_use_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace linarite::sdk
