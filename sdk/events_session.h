// All of an event reader that lives on a loop: its AMQP connection, and a link for each partition.
#pragma once

#include <linarite/events.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sdk/amqp_session.h"
#include "sdk/pending.h"

namespace linarite::sdk {

// Owned by the reader and by what is under way. Its loop only, but for loop().
class EventsSession final : public AmqpSession::User {
 public:
  // Events that nobody has taken yet; with these no more are asked for.
  static constexpr size_t kWaitingMax = 1'000;
  // Of one partition, on their way.
  static constexpr uint32_t kCredit = 200;
  static constexpr uint32_t kPartitionsMax = 32;  // Azure's own limit (service protocol, 4.11).

  EventsSession(const network& network, service_identity identity, event_reader_options options);

  const std::shared_ptr<Loop>& loop() const { return loop_; }  // Any thread.
  void receive(detail::operation_id id, detail::completion<std::vector<event>> done);
  void cancel(detail::operation_id id) { receivers_.fail(id, errc::operation_aborted); }
  void shut_down();

  bool wants_connection() const override { return !closed_; }
  void on_ready(amqp::Connection& engine, amqp::SessionId session) override;
  void on_event(const amqp::Event& event) override;
  bool on_detached(const amqp::LinkDetached& detached) override;
  void on_lost() override;
  void on_refused(const error& why) override;

 private:
  struct Partition {
    std::optional<amqp::LinkId> link;
    std::optional<int64_t> last;  // Sequence number of the last event.
  };

  void attach(uint32_t number);
  void attached(const amqp::LinkAttached& attached);
  void take(const amqp::MessageReceived& received);
  std::string selector(const Partition& partition) const;
  std::optional<uint32_t> number_of(amqp::LinkId link) const;
  void serve();
  void ask_for_more();

  const std::shared_ptr<Loop> loop_;
  const service_identity identity_;
  const event_reader_options options_;
  const Log log_;
  AmqpSession amqp_;
  bool added_ = false;
  bool closed_ = false;
  amqp::SessionId session_{};
  std::vector<Partition> partitions_;
  bool counted_ = false;  // partitions_ is all that the hub has.
  std::deque<event> waiting_;
  PendingList<std::vector<event>> receivers_;
};

}  // namespace linarite::sdk
