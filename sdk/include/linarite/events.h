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
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <linarite/completion.h>
#include <linarite/identity.h>
#include <linarite/message.h>
#include <linarite/network.h>
#include <linarite/options.h>

namespace linarite {
namespace sdk {
class EventsSession;
}
inline namespace v1 {

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

// Where a reader begins in each partition.
struct event_position {
  enum class kind { earliest, latest, enqueued_after };
  kind where = kind::latest;
  wall_time time{};  // Of enqueued_after.
};

// Of an event_reader: where it reads, besides how it connects.
struct event_reader_options : service_options {
  std::string consumer_group = "$Default";
  event_position begin{};
};

// Threads and lifetime as device_client. A lost connection is made again by itself; each partition
// goes on behind its last event. A partition that has shown none yet begins anew, which with
// event_position::kind::latest means that events of the meantime are not seen.
class event_reader {
 public:
  LINARITE_API event_reader(boost::asio::any_io_executor executor, service_identity identity,
                            event_reader_options options = {});
  event_reader(boost::asio::any_io_executor executor, std::string_view connection_string,
               event_reader_options options = {})
      : event_reader(std::move(executor), service_identity::parse(connection_string),
                     std::move(options)) {}
  LINARITE_API ~event_reader();
  LINARITE_API event_reader(event_reader&&) noexcept;
  event_reader& operator=(event_reader&&) = delete;

  // The next events, at least one: void(error, std::vector<event>). No deadline. The first call
  // connects. Fails if the hub does not let the reader in.
  template <class Token>
  auto async_receive(Token&& token) {
    return detail::initiate<std::vector<event>>(
        executor_, std::forward<Token>(token),
        [session = session_](detail::operation_id id, auto done) {
          start_receive(session, id, std::move(done));
        },
        [session = session_](detail::operation_id id) { cancel(session, id); });
  }

 private:
  using session_pointer = std::shared_ptr<sdk::EventsSession>;

  LINARITE_API static void start_receive(const session_pointer&, detail::operation_id,
                                         detail::completion<std::vector<event>>);
  LINARITE_API static void cancel(const session_pointer&, detail::operation_id);

  boost::asio::any_io_executor executor_;
  network network_;  // Outlives the session.
  session_pointer session_;
};

}  // namespace v1
}  // namespace linarite
