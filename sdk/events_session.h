// All of an event reader that lives on a loop: its AMQP connection, and a link for each partition.
#pragma once

#include <linarite/events.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sdk/amqp_session.h"
#include "sdk/event_hub_management.h"
#include "sdk/pending.h"

namespace linarite::sdk {

// Owned by the reader and by what is under way. Its loop only, but for loop().
//
// First the hub is asked which partitions there are, then of each that begins at its end where that
// is: from then on a partition has a place of its own, to which every connection returns.
class EventsSession final : public AmqpSession::User {
 public:
  // Events that nobody has taken yet, with those that may be on their way.
  static constexpr size_t kWaitingMax = 1'000;
  // Of one partition, on their way.
  static constexpr uint32_t kCredit = 200;

  EventsSession(const network& network, event_hub_identity identity, event_reader_options options);

  const std::shared_ptr<Loop>& loop() const { return loop_; }  // Any thread.
  void receive(detail::operation_id id, detail::completion<std::vector<event>> done);
  void get_properties(detail::operation_id id, detail::completion<event_hub_properties> done);
  void get_partition_properties(detail::operation_id id, uint32_t partition,
                                detail::completion<partition_properties> done);
  void cancel(detail::operation_id id);
  void shut_down();

  bool wants_connection() const override { return !closed_ && !ended_; }
  void on_ready(amqp::Connection& engine, amqp::SessionId session) override;
  void on_event(const amqp::Event& event) override;
  bool on_detached(const amqp::LinkDetached& detached) override;
  void on_lost() override;
  void on_refused(const error& why) override;

 private:
  struct Partition {
    uint32_t number = 0;
    event_position from{};          // Behind the last event, once there was one.
    std::optional<int64_t> next{};  // The sequence number that comes next, if it is known.
    std::optional<amqp::LinkId> link{};
    bool open = false;  // The hub has accepted the link.
    bool was_open = false;
    bool asking = false;  // Where it ends.
  };

  error check_options() const;
  void begin();
  void ask_partitions();
  error choose(const std::vector<uint32_t>& there);
  void begin(Partition& partition);
  void ask_end(Partition& partition);
  void attach(Partition& partition);
  void attached(const amqp::LinkAttached& attached);
  error refusal(const Partition& partition, const amqp::LinkDetached& detached) const;
  void end(const error& why);
  void take(const amqp::MessageReceived& received);
  void follow(Partition& partition, const event& one);
  Partition* partition_of(amqp::LinkId link);
  uint32_t share() const;
  void serve();
  void ask_for_more();

  const std::shared_ptr<Loop> loop_;
  const event_hub_identity identity_;
  const event_reader_options options_;
  const std::string event_hub_;
  const Log log_;
  AmqpSession amqp_;
  EventHubManagement management_;
  bool added_ = false;
  bool closed_ = false;
  error ended_;  // Why there will be no more events.
  std::optional<amqp::SessionId> session_;
  std::vector<Partition> partitions_;  // Empty until the hub has told. Then it stays as it is.
  bool asking_partitions_ = false;
  bool starved_ = false;  // A partition had to do with less credit than its share.
  std::deque<event> waiting_;
  PendingList<std::vector<event>> receivers_;
};

}  // namespace linarite::sdk
