// Whoever sends to the devices: back ends over AMQP, or the publisher of a plain broker.
#pragma once

#include <memory>
#include <vector>

#include "load/session.h"

namespace linarite::load {

class SenderSink {
 public:
  virtual ~SenderSink() = default;
  virtual void on_accepted(uint64_t token) = 0;
  virtual void on_refused(uint64_t token, const std::string& why) = 0;
  // The room of a sender may have grown.
  virtual void on_room() = 0;
};

// An interface because the two protocols differ. Loop only.
class Sender {
 public:
  virtual ~Sender() = default;
  virtual bool ready() const = 0;
  // How many messages can be sent now.
  virtual size_t room() const = 0;
  // `token` comes back in on_accepted() or on_refused(). Leaves with the next flush().
  virtual void send(size_t device, ByteView payload, uint64_t token) = 0;
  virtual void flush() = 0;
};

// options.senders back ends for a hub, one publisher for a plain broker; returns when all are
// ready.
std::vector<std::unique_ptr<Sender>> open_senders(Session& session, SenderSink& sink);

}  // namespace linarite::load
