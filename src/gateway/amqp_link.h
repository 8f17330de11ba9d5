// What stands behind one attached link of the AMQP gateway, and what it may use.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "amqp/connection.h"
#include "gateway/amqp_claims.h"
#include "gateway/amqp_metrics.h"
#include "hub/hub.h"

namespace linarite::gateway {

// What the links of one connection share. Lives as long as the connection.
struct AmqpPeer {
  amqp::Connection& engine;
  hub::Hub& hub;
  AmqpClaims& claims;
  AmqpMetrics& metrics;
  Loop& loop;
  // Sends what the engine has written. To be called after using the engine outside of an event.
  std::function<void()> flush;
  // A token came, in whatever way, and was put or refused: it is counted. After an accepted one
  // links may have lost their right; too many refused in a row end the connection.
  std::function<void(const Status&)> token_judged;
  // Bytes that are on their way to the peer. A link that has more than net::Stream::kUnsentHigh
  // before it stops writing and asks, with want_room, for one call of its on_writable().
  std::function<size_t()> unsent;
  std::function<void()> want_room;
  // The answer of a link that answers_later(): nothing, or why it is refused.
  std::function<void(amqp::LinkId, std::optional<amqp::Error>)> answer;
  // Ends an attached link from this side. It is destroyed later, not from inside the call.
  std::function<void(amqp::LinkId, amqp::Error)> detach;
};

// The right that a link needs for as long as it is attached.
struct AmqpRight {
  hub::Action action;
  hub::Resource resource;
};

// Made when a link is accepted, destroyed when it is gone, on the loop of its connection.
class AmqpLink {
 public:
  AmqpLink(AmqpPeer& peer, amqp::LinkId id) : peer_(peer), id_(id) {}
  virtual ~AmqpLink() = default;
  AmqpLink(const AmqpLink&) = delete;
  AmqpLink& operator=(const AmqpLink&) = delete;

  // Nothing for $cbs, which everybody may use.
  virtual std::optional<AmqpRight> right() const { return std::nullopt; }

  // Whether the attach is answered only when the link calls AmqpPeer::answer, after on_requested().
  virtual bool answers_later() const { return false; }
  virtual void on_requested() {}
  // What the answer to the attach says besides what was asked for.
  virtual void shape(amqp::Connection::Acceptance& /*acceptance*/) const {}

  virtual void on_attached() {}  // The attach has been answered.
  virtual void on_message(const amqp::MessageReceived& /*message*/) {}
  virtual void on_credit(const amqp::CreditChanged& /*credit*/) {}
  virtual void on_updated(const amqp::DeliveryUpdated& /*update*/) {}
  virtual void on_writable() {}  // There is room again, for a link that wanted it.

  amqp::LinkId id() const { return id_; }

 protected:
  // Calls `f` unless the link is gone by then, and sends what it wrote.
  template <class F>
  auto guarded(F f) {
    return [this, alive = std::weak_ptr<const bool>(alive_),
            f = std::move(f)](auto&&... args) mutable {
      if (alive.expired()) return;
      AmqpPeer& peer = peer_;
      f(std::forward<decltype(args)>(args)...);
      peer.flush();
    };
  }

  AmqpPeer& peer_;
  const amqp::LinkId id_;

 private:
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace linarite::gateway
