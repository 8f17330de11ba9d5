// A service's AMQP connection: made when somebody wants it, authorised by CBS (service protocol,
// 1.5), made again after a loss.
#pragma once

#include <linarite/identity.h>
#include <linarite/options.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "amqp/connection.h"
#include "net/stream.h"
#include "sdk/endpoint.h"
#include "sdk/log.h"
#include "sdk/network.h"
#include "sdk/token_source.h"

namespace linarite::sdk {

// In what a peer differs from the hub of the identity's name.
struct AmqpPeer {
  std::string audience{};  // Of the tokens for it, if not the host's name.
  bool tls = true;
  std::optional<uint16_t> port{};  // If not AMQP's own.
};

// Owned by a ServiceSession or an EventsSession; its loop only.
class AmqpSession {
 public:
  // What has a link on the connection.
  class User {
   public:
    virtual ~User() = default;
    virtual bool wants_connection() const = 0;
    // The connection is authorised: attach.
    virtual void on_ready(amqp::Connection& engine, amqp::SessionId session) = 0;
    virtual void on_event(const amqp::Event& event) = 0;
    // A link ended. True: it was the user's, and the connection goes on without it.
    virtual bool on_detached(const amqp::LinkDetached& /*detached*/) { return false; }
    // It is gone. What is not decided yet may be tried on the next one.
    virtual void on_lost() = 0;
    // It will not be tried again by itself: what waits fails.
    virtual void on_refused(const error& why) = 0;
  };

  AmqpSession(std::weak_ptr<Network> network, std::shared_ptr<Loop> loop,
              const service_identity& identity, const service_options& options, const Log& log,
              AmqpPeer peer = {});
  ~AmqpSession();
  AmqpSession(const AmqpSession&) = delete;
  AmqpSession& operator=(const AmqpSession&) = delete;

  // Called back with on_ready() at once if the connection is up.
  void add(User& user);
  void remove(User& user);
  // Connects unless it is connected, trying, or waiting to try again.
  void want();
  // Null unless authorised. What is done to the engine leaves with flush().
  amqp::Connection* engine() { return phase_ == Phase::kUp ? engine_.get() : nullptr; }
  void flush();
  // The connection cannot be used as it is.
  void fail(const error& why);
  // Why the last try failed; no error if it did not.
  const error& last_failure() const { return last_failure_; }
  Loop& loop() { return *loop_; }
  // Ends for good, saying goodbye.
  void shut_down();

 private:
  class Link;
  enum class Phase : uint8_t { kIdle, kConnecting, kUp, kWaiting, kClosed };

  void start_attempt();
  error choose_target(Network& network);
  error choose_plain_target(uint16_t port);
  void dial(std::string token);
  void drop_link();
  void retry_later(const error& why);
  void handle_events();
  void handle(const amqp::Event& event);
  void attach_cbs();
  void put_token();
  void on_cbs_reply(ByteView payload);
  void arm_renewal();
  void renew();
  void set_tick();
  template <class Member>
  Task unless_gone(Member member);

  const std::weak_ptr<Network> network_;
  const std::shared_ptr<Loop> loop_;
  const service_identity identity_;
  const service_options& options_;
  const Log& log_;
  const AmqpPeer peer_;
  TokenSource tokens_;
  std::vector<User*> users_;

  Phase phase_ = Phase::kIdle;
  uint64_t connection_ = 0;
  unsigned attempt_ = 0;
  bool was_up_ = false;
  error last_failure_;
  std::optional<Endpoint> target_;
  TimerId attempt_deadline_ = 0, retry_ = 0, renewal_ = 0, tick_ = 0;
  Instant tick_at_;  // When tick_ runs.

  Link* link_ = nullptr;  // Owned by its stream.
  std::unique_ptr<amqp::Connection> engine_;
  amqp::Events events_;
  std::string token_;
  std::optional<WallTime> token_expiry_;
  amqp::SessionId session_{};
  amqp::LinkId cbs_sender_{}, cbs_receiver_{};
  bool cbs_receiver_attached_ = false;
  bool token_sent_ = false;
  uint64_t cbs_requests_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace linarite::sdk
