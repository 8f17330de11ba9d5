// One AMQP stream of a back end: joins the engine to the stream, authenticates, decides which links
// may attach, and cuts them when their token ends (service-protocol 0.3, 1.4, 1.5).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "amqp/connection.h"
#include "base/logging.h"
#include "gateway/amqp_cbs.h"
#include "gateway/amqp_claims.h"
#include "gateway/amqp_gateway.h"
#include "gateway/amqp_link.h"
#include "gateway/amqp_management.h"
#include "gateway/amqp_metrics.h"
#include "hub/hub.h"
#include "net/stream.h"
#include "wire/address.h"

namespace linarite::gateway {

// A connection with this many refused tokens in a row is closed.
inline constexpr uint32_t kRefusedTokensMax = 10;

// Links of a connection that has presented no token: pairs of $cbs and $management.
inline constexpr size_t kLinksBeforeTokenMax = 8;

// Owned by its stream. Used on the stream's loop only.
class AmqpConnection final : public net::StreamHandler {
 public:
  struct Context {
    const AmqpOptions& options;
    std::shared_ptr<const amqp::ConnectionOptions> engine_options;
    hub::Hub& hub;
    Logger& log;
    AmqpMetrics& metrics;
  };

  AmqpConnection(const Context& context, net::Stream& stream);
  ~AmqpConnection() override;

  void on_bytes(ByteView bytes) override;
  void on_writable() override;
  void on_closed(net::CloseReason reason) override;

 private:
  void handle(amqp::Events& events);
  void on(const amqp::SaslReceived& event);
  void on(const amqp::SaslChallenged& /*event*/) {}
  void on(const amqp::Opened& event);
  void on(const amqp::SessionBegun& /*event*/) {}
  void on(const amqp::SessionEnded& /*event*/) {}
  void on(const amqp::LinkRequested& event);
  void on(const amqp::LinkAttached& /*event*/) {}
  void on(const amqp::LinkDetached& event);
  void on(const amqp::MessageReceived& event);
  void on(const amqp::DeliveryUpdated& event);
  void on(const amqp::DeliverySettled& /*event*/) {}
  void on(const amqp::CreditChanged& event);
  void on(const amqp::Drained& /*event*/) {}
  void on(const amqp::Closed& event);

  // Which links come and go: amqp_connection_links.cc.
  // The link for what the peer wants to attach to, or why not.
  Result<std::unique_ptr<AmqpLink>> make_link(const amqp::LinkRequested& request);
  Result<std::unique_ptr<AmqpLink>> make_cbs_link(const amqp::LinkRequested& request);
  Result<std::unique_ptr<AmqpLink>> make_events_link(const amqp::LinkRequested& request,
                                                     const wire::Address& address);
  Result<std::unique_ptr<AmqpLink>> make_management_link(const amqp::LinkRequested& request,
                                                         const wire::Address& address);
  // Where an attach to the old address of events is sent on to; nothing if it is another one.
  std::optional<amqp::Error> redirect_of(const amqp::LinkRequested& request) const;
  Status allow(const AmqpRight& right) const;
  void refuse(const amqp::LinkRequested& request, const Error& error);
  void add_link(const amqp::LinkRequested& request, std::unique_ptr<AmqpLink> link);
  void answer(amqp::LinkId link, const std::optional<amqp::Error>& refusal);
  void detach(amqp::LinkId link, amqp::Error error);
  void remove_link_later(amqp::LinkId link);
  void remove_link(amqp::LinkId link);
  void remove_links();

  // Ends what the tokens no longer allow.
  void check_claims();
  void check_time();
  void close(const Error& error);

  size_t unsent();
  void tell_room();
  void flush();
  void flush_soon();
  void arm_timer();
  void on_timer();
  void token_judged(const Status& status);
  void hold_back(Duration wait);

  Loop& loop() const { return stream_.loop(); }
  Instant now() const { return loop().clock().now(); }

  const Context context_;
  net::Stream& stream_;
  amqp::Connection engine_;
  AmqpClaims claims_;
  AmqpPeer peer_;
  AmqpCbs cbs_;
  AmqpManagement management_;
  std::map<amqp::LinkId, std::unique_ptr<AmqpLink>> links_;
  // Attaches that were not answered yet; the links are in links_ already.
  std::map<amqp::LinkId, std::shared_ptr<const amqp::Attach>> requested_;
  Instant claim_deadline_;       // Until a token was accepted.
  Instant recheck_;              // When the tokens are looked at next.
  uint32_t refused_tokens_ = 0;  // Since the last one that was accepted.
  bool had_claim_ = false;
  bool claims_changed_ = false;  // To be looked at after the events at hand.
  bool closing_ = false;  // Our close is on its way; only the engine's deadline counts any more.
  bool flush_due_ = false;
  bool paused_ = false;
  TimerId hold_timer_ = 0;    // Nothing is read and nothing sent until it comes.
  bool room_wanted_ = false;  // A link waits for on_writable().
  bool ended_ = false;        // The stream was told to close.
  TimerId timer_ = 0;
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace linarite::gateway
