// Reads the events (device-to-cloud messages, telemetry) of a hub, from all its partitions.
//
//   linarite::event_reader reader(executor, "HostName=...;SharedAccessKeyName=service;...");
//   for (const linarite::event& one : co_await reader.async_receive(use_awaitable)) use(one);
//
// Reading takes nothing away: each reader has its own position in each partition. Within a
// partition events come in their order; between partitions there is none.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <linarite/completion.h>
#include <linarite/event_hub.h>
#include <linarite/identity.h>
#include <linarite/message.h>
#include <linarite/network.h>
#include <linarite/options.h>

namespace linarite {
namespace sdk {
class EventsSession;
}
inline namespace v1 {
namespace blocking {
class event_reader;
}

// One event, with what the hub says about it.
struct event {
  message content{};
  std::string device_id{};  // Who sent it, as the hub has authenticated it.
  std::string module_id{};  // Empty for a device.
  std::uint32_t partition = 0;
  std::int64_t sequence_number = 0;  // Of its partition; without gaps.
  std::string offset{};
  wall_time enqueued{};
  // All annotations of the message: text, or a number. Times are milliseconds since 1970.
  std::vector<std::pair<std::string, std::variant<std::string, std::int64_t>>> annotations{};
};

// Where a reader begins in a partition. A position before the oldest event that is kept begins
// there; one behind the newest waits for what comes behind it.
struct event_position {
  enum class kind { earliest, latest, enqueued_after, offset, sequence_number };
  kind where = kind::latest;
  wall_time time{};                  // Of enqueued_after.
  std::string offset{};              // As event::offset; printable ASCII, without "'".
  std::int64_t sequence_number = 0;  // From -1 on, which is before the first event.
  bool inclusive = false;            // Of offset and sequence_number: the event there comes too.

  static event_position earliest() { return {.where = kind::earliest}; }
  // What comes from now on. "Now" is when the hub first tells the reader where the partition ends;
  // a connection that is lost later does not move it.
  static event_position latest() { return {}; }
  static event_position enqueued_after(wall_time time) {
    return {.where = kind::enqueued_after, .time = time};
  }
  static event_position from_offset(std::string offset, bool inclusive = false) {
    return {.where = kind::offset, .offset = std::move(offset), .inclusive = inclusive};
  }
  static event_position from_sequence_number(std::int64_t number, bool inclusive = false) {
    return {.where = kind::sequence_number, .sequence_number = number, .inclusive = inclusive};
  }
};

// Of an event_reader: what it reads, besides how it connects.
struct event_reader_options : service_options {
  std::string consumer_group = "$Default";
  event_position begin{};
  // In these partitions instead of `begin`: a program's checkpoints, say, each made by
  // event_position::from_sequence_number(event.sequence_number) of the last event dealt with.
  std::map<std::uint32_t, event_position> begin_in{};
  std::vector<std::uint32_t> partitions{};  // Only these. Empty: all that the hub has.
  // From 0 on: be the only reader of each partition in its consumer group. Readers without a level,
  // with a lower one, or with the same one from earlier on are disconnected; so is this reader when
  // another comes with the same or a higher one (errc::consumer_disconnected).
  std::optional<std::int64_t> owner_level{};
};

// Threads and lifetime as device_client. A lost connection is made again by itself, and each
// partition goes on behind its last event, or where it first began if it has shown none. Should the
// hub have dropped events meanwhile, because their retention was over, the reader goes on with the
// oldest that is kept and writes a warning to the log: sequence numbers show the gap.
class event_reader {
 public:
  // Throws linarite::exception for text that is no connection string (event_hub.h).
  event_reader(boost::asio::any_io_executor executor, std::string_view connection_string,
               event_reader_options options = {})
      : event_reader(std::move(executor), event_hub_identity::parse(connection_string),
                     std::move(options)) {}
  LINARITE_API event_reader(boost::asio::any_io_executor executor, event_hub_identity identity,
                            event_reader_options options = {});
  event_reader(boost::asio::any_io_executor executor, service_identity identity,
               event_reader_options options = {})
      : event_reader(std::move(executor), event_hub_identity(std::move(identity)),
                     std::move(options)) {}
  LINARITE_API ~event_reader();
  LINARITE_API event_reader(event_reader&&) noexcept;
  event_reader& operator=(event_reader&&) = delete;

  // The next events, at least one and at most 1000: void(error, std::vector<event>). No deadline.
  // The first call connects and takes its place in the partitions. Fails with
  // - invalid_argument for options that make no sense,
  // - amqp_address_not_found for a partition, consumer group or event hub that is not there,
  // - too_many_receivers (the hub lets five readers without an owner level into a partition),
  // - consumer_disconnected for good: a reader that wants its partitions back is a new one,
  // - and whatever else keeps it from the hub. The next call tries again.
  template <class Token>
  auto async_receive(Token&& token) {
    return start<std::vector<event>>(std::forward<Token>(token),
                                     [session = session_](detail::operation_id id, auto done) {
                                       start_receive(session, id, std::move(done));
                                     });
  }

  // What the hub says about itself, void(error, event_hub_properties), and about one partition,
  // void(error, partition_properties). Neither takes a place in a partition. The deadline is
  // client_options::operation_timeout.
  template <class Token>
  auto async_get_properties(Token&& token) {
    return start<event_hub_properties>(std::forward<Token>(token),
                                       [session = session_](detail::operation_id id, auto done) {
                                         start_get_properties(session, id, std::move(done));
                                       });
  }
  template <class Token>
  auto async_get_partition_properties(std::uint32_t partition, Token&& token) {
    return start<partition_properties>(
        std::forward<Token>(token),
        [session = session_, partition](detail::operation_id id, auto done) {
          start_get_partition_properties(session, id, partition, std::move(done));
        });
  }

 private:
  friend class blocking::event_reader;
  using session_pointer = std::shared_ptr<sdk::EventsSession>;

  template <class Result, class Token, class Start>
  auto start(Token&& token, Start start) {
    return detail::initiate<Result>(
        executor_, std::forward<Token>(token), std::move(start),
        [session = session_](detail::operation_id id) { cancel(session, id); });
  }
  LINARITE_API static void start_receive(const session_pointer&, detail::operation_id,
                                         detail::completion<std::vector<event>>);
  LINARITE_API static void start_get_properties(const session_pointer&, detail::operation_id,
                                                detail::completion<event_hub_properties>);
  LINARITE_API static void start_get_partition_properties(const session_pointer&,
                                                          detail::operation_id,
                                                          std::uint32_t partition,
                                                          detail::completion<partition_properties>);
  LINARITE_API static void cancel(const session_pointer&, detail::operation_id);

  boost::asio::any_io_executor executor_;
  network network_;  // Outlives the session.
  session_pointer session_;
};

}  // namespace v1
}  // namespace linarite
