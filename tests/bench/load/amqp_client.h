// A back end of the load: one AMQP connection, authenticated by SASL PLAIN with the policy's token,
// with one session. What has links on it derives from it.
#pragma once

#include <memory>

#include "amqp/connection.h"
#include "load/session.h"

namespace linarite::load {

class AmqpClient {
 public:
  virtual ~AmqpClient() = default;
  AmqpClient(const AmqpClient&) = delete;
  AmqpClient& operator=(const AmqpClient&) = delete;

 protected:
  // Connects on the loop; the client must outlive the loop's last turn.
  explicit AmqpClient(Session& session);

  // Attach the links.
  virtual void on_session(amqp::SessionId session) = 0;
  // What happened on a link; its end gives up before.
  virtual void on_link_event(const amqp::Event& event) = 0;
  // All events of one read have been handed out.
  virtual void on_batch_end() {}

  Session& session() { return session_; }
  // Null until connected.
  amqp::Connection* engine() const { return engine_.get(); }
  // Takes nothing more from the connection.
  void stop_reading() { stream_->pause_reading(); }
  // Sends what the engine has written.
  void flush_output();

 private:
  class Handler;

  void on_stream(net::Stream& stream);
  void on_bytes(ByteView bytes);
  void handle_events();
  void handle(const amqp::Event& event);
  void keep_alive();

  Session& session_;
  net::Stream* stream_ = nullptr;
  std::unique_ptr<amqp::Connection> engine_;
  amqp::Events events_;
};

}  // namespace linarite::load
