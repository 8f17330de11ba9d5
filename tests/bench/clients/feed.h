// Sends messages to devices that live in the same process, on threads of their own, and learns from
// them what arrived. Lives on the session's loop and runs it: for the session's thread, unless a
// member says otherwise.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "load/sender.h"

namespace linarite::load {

class Feed final : private SenderSink {
 public:
  Feed(Session& session, size_t devices);

  // A device has received a message. Any thread.
  void received(size_t device);
  // Connects the back ends.
  void open();
  // Sends from now on, with at most options.window under way in all and options.depth for one
  // device.
  void begin();
  // Stops, and waits until each message that was sent has come. Gives up if one does not, or comes
  // twice.
  void end();
  // One message for each device, and waits until it has come.
  void one_each();

  uint64_t received_total() const { return received_total_.load(std::memory_order_relaxed); }

 private:
  void on_accepted(uint64_t /*token*/) override {}
  void on_refused(uint64_t token, const std::string& why) override;
  void on_room() override { pump(); }
  void keep_pumping();
  void pump();
  bool send_one();

  Session& session_;
  std::vector<std::unique_ptr<Sender>> senders_;
  size_t next_sender_ = 0;
  size_t next_device_ = 0;
  std::vector<uint64_t> sent_;                   // By device.
  std::vector<std::atomic<uint64_t>> received_;  // By device.
  uint64_t sent_total_ = 0;
  uint64_t sent_max_ = 0;
  std::atomic<uint64_t> received_total_{0};
  Bytes payload_;
};

}  // namespace linarite::load
