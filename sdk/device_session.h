// A device's connection, and everything that outlives it: what the application waits for, the
// pauses between tries, the renewal of tokens.
//
// Owned by the client and by what is under way; lives on one loop. All members are for the loop's
// thread unless they say otherwise.
#pragma once

#include <linarite/device_client.h>

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mqtt/connection.h"
#include "net/stream.h"
#include "sdk/endpoint.h"
#include "sdk/event_sender.h"
#include "sdk/log.h"
#include "sdk/network.h"
#include "sdk/pending.h"
#include "sdk/state_stream.h"
#include "sdk/token_source.h"
#include "wire/device_id.h"

namespace linarite::sdk {

// A message in the application's hands. Its end without a decision is told to the session.
struct Delivery {
  Delivery() = default;
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;
  ~Delivery();

  message content;
  bool redelivered = false;
  std::weak_ptr<DeviceSession> session;
  std::shared_ptr<Loop> loop;
  uint64_t connection = 0;  // The one by which it came.
  uint16_t packet_id = 0;   // 0: QoS 0, the hub wants no answer.
  std::atomic<bool> decided{false};
};

class DeviceSession final : public std::enable_shared_from_this<DeviceSession> {
 public:
  DeviceSession(const network& network, device_identity identity, device_options options);
  ~DeviceSession();

  const std::shared_ptr<Loop>& loop() const { return loop_; }   // Any thread.
  connection_state state() const { return states_.current(); }  // Any thread.
  size_t undecided() const { return undecided_.load(); }        // Any thread.

  void connect(detail::operation_id id, detail::completion<> done);
  void receive(detail::operation_id id, detail::completion<received_message> done);
  void send_event(detail::operation_id id, const message& message, detail::completion<> done);
  void send_events(detail::operation_id id, std::span<const message> messages,
                   detail::completion<std::vector<error>> done);
  void complete(Delivery& delivery, detail::completion<> done);
  void next_state(detail::operation_id id, detail::completion<connection_change> done);
  void close(detail::completion<> done);
  void cancel(detail::operation_id id);
  // The client is gone: everything ends now.
  void shut_down();
  // A delivery ended without a decision.
  void drop(uint64_t connection, const std::string& message_id);

 private:
  class Link;
  enum class Phase : uint8_t { kIdle, kConnecting, kUp, kWaiting, kClosing, kClosed };

  bool running() const { return phase_ != Phase::kClosing && phase_ != Phase::kClosed; }
  void start_attempt(error reason);
  void arm_attempt_deadline();
  void wait_to_dial(TokenSource::Token token);
  void dial(TokenSource::Token token);
  std::unique_ptr<net::StreamHandler> open_link(net::Stream& stream,
                                                const TokenSource::Token& token);
  void give_up_connect(detail::operation_id id);
  void stop_unwanted_tries();
  void on_up();
  void on_acknowledged(uint64_t token);
  void on_lost(error why);
  void on_link_gone();
  void drop_link(bool orderly);
  void retry_later(error why);
  void arm_renewal();
  void renew_if_possible();
  void renew_now();
  void hand_out(std::shared_ptr<Delivery> delivery);
  void serve_receivers();
  void end();
  std::string subscription() const;

  const std::weak_ptr<Network> network_;
  const std::shared_ptr<Loop> loop_;
  const device_identity identity_;
  const device_options options_;
  const wire::Identity name_;
  const Log log_;
  std::optional<TokenSource> tokens_;  // None with X.509.

  Phase phase_ = Phase::kIdle;
  uint64_t connection_ = 0;  // Counts the tries; what carries another number is of the past.
  unsigned attempt_ = 0;
  error last_failure_;
  bool was_up_ = false;
  Link* link_ = nullptr;  // Owned by its stream.
  std::optional<Endpoint> target_;
  std::shared_ptr<void> dial_place_;  // While it dials, until it is up or gave up.
  TimerId attempt_deadline_ = 0;
  TimerId retry_ = 0;
  TimerId renewal_ = 0;
  bool renewal_due_ = false;
  std::optional<WallTime> token_expiry_;
  size_t held_ = 0;  // Deliveries of this connection in the application's hands.

  std::vector<std::shared_ptr<Delivery>> inbox_;  // Received, not fetched.
  StateStream states_;
  EventSender events_;
  PendingList<> connects_;
  PendingList<received_message> receivers_;
  PendingList<> closes_;
  std::atomic<size_t> undecided_{0};
};

}  // namespace linarite::sdk
