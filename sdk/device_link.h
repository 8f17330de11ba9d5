// One MQTT connection of a device, from its TCP stream to its end.
#pragma once

#include <memory>

#include "mqtt/connection.h"
#include "net/stream.h"
#include "sdk/device_session.h"

namespace linarite::sdk {

// Owned by its stream. Tells its session what happens, as long as the session still wants it.
class DeviceSession::Link final : public net::StreamHandler,
                                  public mqtt::Events,
                                  public EventSender::Outlet {
 public:
  Link(std::shared_ptr<DeviceSession> session, net::Stream& stream, const mqtt::Connect& connect);
  ~Link() override;

  void puback(uint16_t packet_id);
  Result<uint16_t> publish(const mqtt::Publish& publish, uint64_t token) override;
  // Says goodbye. The session still hears of the end.
  void disconnect();
  // The session wants to hear no more; `orderly` says goodbye.
  void abandon(bool orderly);

  void on_bytes(ByteView bytes) override;
  void on_closed(net::CloseReason reason) override;
  void on_connack(const mqtt::ConnAck& connack) override;
  void on_puback(uint64_t token) override;
  void on_suback(uint64_t token, ByteView codes) override;
  void on_publish(const mqtt::Publish& publish) override;
  void on_protocol_error(const Error& error) override;
  void on_timeout(Timeout timeout) override;

 private:
  void flush();
  void set_timer();
  void lose(error why);

  const std::shared_ptr<DeviceSession> session_;
  net::Stream& stream_;
  Loop& loop_;
  mqtt::Connection engine_;
  TimerId timer_ = 0;
  bool wanted_ = true;
  bool ended_ = false;     // The stream may no longer be used.
  bool answered_ = false;  // A CONNACK has come.
};

}  // namespace linarite::sdk
