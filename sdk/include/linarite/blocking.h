// The clients for scripts, tests and programs without an event loop: each call waits for its
// result and throws linarite::exception.
//
//   linarite::blocking::service_client client("HostName=...");
//   client.send("device-1", linarite::message("hello"));
//
// Threads: every member may be called on any thread, several at a time too; a stop request of a
// call's std::stop_token ends its wait with errc::operation_aborted (a send that had left: with
// outcome_unknown). Not from a token provider or log sink: those run on the thread that would
// answer. On a network without threads (manual_network.h) a call runs the network itself instead of
// waiting, on that network's one thread and in its time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <linarite/device_client.h>
#include <linarite/events.h>
#include <linarite/feedback.h>
#include <linarite/service_client.h>

namespace linarite {
inline namespace v1 {
namespace blocking {

// How long the members that wait for others wait, if they are not told.
inline constexpr std::chrono::milliseconds default_wait{60'000};

// linarite::device_client, whose calls wait.
class LINARITE_API device_client {
 public:
  explicit device_client(device_identity identity, device_options options = {});
  explicit device_client(std::string_view connection_string, device_options options = {});
  ~device_client();
  device_client(device_client&&) noexcept;
  device_client& operator=(device_client&&) = delete;

  void connect(std::stop_token stop = {});
  // Nothing if no message came in time or the stop was requested.
  std::optional<received_message> receive(std::stop_token stop = {},
                                          std::chrono::milliseconds wait = default_wait);
  void complete(received_message message, std::stop_token stop = {});
  void send_event(message message, std::stop_token stop = {});
  // What became of each; throws only if the client is closed.
  std::vector<error> send_events(std::vector<message> messages, std::stop_token stop = {});
  // Nothing, as above.
  std::optional<connection_change> next_state(std::stop_token stop = {},
                                              std::chrono::milliseconds wait = default_wait);
  connection_state state() const noexcept;
  std::size_t undecided_messages() const noexcept;
  void close();

 private:
  linarite::device_client client_;
};

// linarite::service_client, whose calls wait.
class LINARITE_API service_client {
 public:
  explicit service_client(service_identity identity, service_options options = {});
  explicit service_client(std::string_view connection_string, service_options options = {});
  ~service_client();
  service_client(service_client&&) noexcept;
  service_client& operator=(service_client&&) = delete;

  void connect(std::stop_token stop = {});
  send_result send(std::string device_id, message message, std::stop_token stop = {});
  device create_device(const device& device, std::stop_token stop = {});
  device update_device(const device& device, std::stop_token stop = {});
  device get_device(const std::string& device_id, std::stop_token stop = {});
  void delete_device(const std::string& device_id, const std::string& etag = {},
                     std::stop_token stop = {});
  std::vector<device> list_devices(std::stop_token stop = {});
  std::vector<device> list_devices(std::size_t maximum, std::stop_token stop = {});
  std::uint64_t purge(const std::string& device_id, std::stop_token stop = {});
  linarite::registry_statistics registry_statistics(std::stop_token stop = {});
  std::uint64_t connected_devices(std::stop_token stop = {});
  wall_time hub_time(std::stop_token stop = {});
  void close();

 private:
  friend class feedback_receiver;
  linarite::service_client client_;
};

// linarite::feedback_receiver, whose calls wait. To be destroyed before its client.
class LINARITE_API feedback_receiver {
 public:
  explicit feedback_receiver(const service_client& client);
  ~feedback_receiver();

  // Nothing if no feedback came in time or the stop was requested.
  std::optional<feedback_batch> receive(std::stop_token stop = {},
                                        std::chrono::milliseconds wait = default_wait);
  void accept(feedback_batch batch, std::stop_token stop = {});
  void abandon(feedback_batch batch, std::stop_token stop = {});
  // Throws timed_out after client_options::operation_timeout.
  feedback_record wait_for(std::string message_id, std::stop_token stop = {});

 private:
  linarite::feedback_receiver receiver_;
};

// linarite::event_reader, whose calls wait.
class LINARITE_API event_reader {
 public:
  explicit event_reader(event_hub_identity identity, event_reader_options options = {});
  explicit event_reader(service_identity identity, event_reader_options options = {});
  explicit event_reader(std::string_view connection_string, event_reader_options options = {});
  ~event_reader();
  event_reader(event_reader&&) noexcept;
  event_reader& operator=(event_reader&&) = delete;

  // None if no event came in time or the stop was requested.
  std::vector<event> receive(std::stop_token stop = {},
                             std::chrono::milliseconds wait = default_wait);
  event_hub_properties get_properties(std::stop_token stop = {});
  partition_properties get_partition_properties(std::uint32_t partition, std::stop_token stop = {});

 private:
  linarite::event_reader reader_;
};

}  // namespace blocking
}  // namespace v1
}  // namespace linarite
