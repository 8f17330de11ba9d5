// A back end of an Azure-compatible IoT hub: sends cloud-to-device messages and receives feedback
// over AMQP, and manages the registry over HTTPS.
//
// Threads: every member may be called on any thread, also several at a time; none blocks. Handlers
// run on their associated executor, by default the one given to the constructor, never inside the
// call that started them.
//
// Lifetime: the client must be destroyed before its executor's context, and outlives its feedback
// receivers. Its destructor ends the connections at once and fails whatever is pending with
// errc::closed (a send that is on its way with errc::outcome_unknown).
//
// Connections are made when first needed and again after a loss. Every operation has the deadline
// of client_options::operation_timeout.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <linarite/completion.h>
#include <linarite/identity.h>
#include <linarite/message.h>
#include <linarite/options.h>
#include <linarite/registry.h>

namespace linarite {
namespace sdk {
class ServiceSession;
class FeedbackLink;
struct FeedbackDelivery;
}  // namespace sdk
inline namespace v1 {
namespace blocking {
class service_client;
class feedback_receiver;
}  // namespace blocking

// What the hub said to a message: it is in the device's queue, durably.
struct send_result {
  unsigned attempts = 1;
  // True: an earlier attempt's outcome was lost, so the device may get the message twice.
  bool possibly_duplicated = false;
};

class service_client {
 public:
  using executor_type = boost::asio::any_io_executor;
  static constexpr std::size_t list_maximum = 1000;

  LINARITE_API service_client(executor_type executor, service_identity identity,
                              service_options options = {});
  // Throws linarite::exception for text that is no service's connection string.
  service_client(executor_type executor, std::string_view connection_string,
                 service_options options = {})
      : service_client(std::move(executor), service_identity::parse(connection_string),
                       std::move(options)) {}
  LINARITE_API ~service_client();
  LINARITE_API service_client(service_client&&) noexcept;
  service_client& operator=(service_client&&) = delete;

  const executor_type& get_executor() const noexcept { return executor_; }

  // Until the hub takes messages: void(error). Only to know early; whatever needs a connection
  // makes one by itself.
  template <class Token>
  auto async_connect(Token&& token) {
    return start<>(std::forward<Token>(token),
                   [session = session_](detail::operation_id id, auto done) {
                     start_connect(session, id, std::move(done));
                   });
  }
  // Until the message is queued at the hub: void(error, send_result). Refused with the hub's code:
  // device_not_found, device_maximum_queue_depth_exceeded, message_too_large and so on. While the
  // hub is away the message waits in the offline queue, up to the deadline (timed_out: it was not
  // sent). Lost on its way: see service_options::lost_outcome. Cancelling it while it waits gives
  // operation_aborted, later outcome_unknown.
  template <class Token>
  auto async_send(std::string device_id, message message, Token&& token) {
    return start<send_result>(
        std::forward<Token>(token),
        [session = session_, device_id = std::move(device_id), message = std::move(message)](
            detail::operation_id id, auto done) mutable {
          start_send(session, id, std::move(device_id), std::move(message), std::move(done));
        });
  }

  // The registry: void(error, device). Creating one that exists: device_already_exists. Updating:
  // precondition_failed if etag is set and no longer the hub's.
  template <class Token>
  auto async_create_device(device device, Token&& token) {
    return start_device(put_kind::create, std::move(device), std::forward<Token>(token));
  }
  template <class Token>
  auto async_update_device(device device, Token&& token) {
    return start_device(put_kind::update, std::move(device), std::forward<Token>(token));
  }
  template <class Token>
  auto async_get_device(std::string device_id, Token&& token) {
    return start<device>(
        std::forward<Token>(token),
        [session = session_, device_id = std::move(device_id)](detail::operation_id id, auto done) {
          start_get(session, id, device_id, std::move(done));
        });
  }
  // void(error). With an etag only if it is still the hub's.
  template <class Token>
  auto async_delete_device(std::string device_id, std::string etag, Token&& token) {
    return start<>(std::forward<Token>(token),
                   [session = session_, device_id = std::move(device_id), etag = std::move(etag)](
                       detail::operation_id id, auto done) {
                     start_delete(session, id, device_id, etag, std::move(done));
                   });
  }
  // void(error, std::vector<device>): at most `maximum` (hubs take 1 to 1000), in the order of the
  // hub.
  template <class Token>
  auto async_list_devices(std::size_t maximum, Token&& token) {
    return start<std::vector<device>>(
        std::forward<Token>(token),
        [session = session_, maximum](detail::operation_id id, auto done) {
          start_list(session, id, maximum, std::move(done));
        });
  }
  template <class Token>
  auto async_list_devices(Token&& token) {
    return async_list_devices(list_maximum, std::forward<Token>(token));
  }
  // Empties the queue of a device: void(error, std::uint64_t), how many messages it held.
  template <class Token>
  auto async_purge(std::string device_id, Token&& token) {
    return start<std::uint64_t>(
        std::forward<Token>(token),
        [session = session_, device_id = std::move(device_id)](detail::operation_id id, auto done) {
          start_purge(session, id, device_id, std::move(done));
        });
  }
  // void(error, registry_statistics)
  template <class Token>
  auto async_registry_statistics(Token&& token) {
    return start<registry_statistics>(std::forward<Token>(token),
                                      [session = session_](detail::operation_id id, auto done) {
                                        start_registry_statistics(session, id, std::move(done));
                                      });
  }
  // void(error, std::uint64_t): devices that are connected now.
  template <class Token>
  auto async_connected_devices(Token&& token) {
    return start<std::uint64_t>(std::forward<Token>(token),
                                [session = session_](detail::operation_id id, auto done) {
                                  start_connected_devices(session, id, std::move(done));
                                });
  }

  // What the hub's clock shows, to the second: void(error, wall_time). Needs no rights, and answers
  // also when the hub refuses this client's tokens, for which clocks that differ are one reason.
  template <class Token>
  auto async_hub_time(Token&& token) {
    return start<wall_time>(std::forward<Token>(token),
                            [session = session_](detail::operation_id id, auto done) {
                              start_hub_time(session, id, std::move(done));
                            });
  }

  // Says goodbye and ends for good: void(error). What is pending fails as with the destructor.
  template <class Token>
  auto async_close(Token&& token) {
    return start<>(std::forward<Token>(token),
                   [session = session_](detail::operation_id, auto done) {
                     start_close(session, std::move(done));
                   });
  }

 private:
  friend class feedback_receiver;
  friend class blocking::service_client;
  using session_pointer = std::shared_ptr<sdk::ServiceSession>;
  enum class put_kind { create, update };

  template <class... Results, class Token, class Start>
  auto start(Token&& token, Start start) {
    return detail::initiate<Results...>(
        executor_, std::forward<Token>(token), std::move(start),
        [session = session_](detail::operation_id id) { cancel(session, id); });
  }
  template <class Token>
  auto start_device(put_kind kind, device what, Token&& token) {
    return start<device>(
        std::forward<Token>(token),
        [session = session_, kind, what = std::move(what)](detail::operation_id id, auto done) {
          start_put(session, id, kind, what, std::move(done));
        });
  }

  using id_type = detail::operation_id;
  LINARITE_API static void start_connect(const session_pointer&, id_type, detail::completion<>);
  LINARITE_API static void start_send(const session_pointer&, id_type, std::string device_id,
                                      message, detail::completion<send_result>);
  LINARITE_API static void start_put(const session_pointer&, id_type, put_kind, const device&,
                                     detail::completion<device>);
  LINARITE_API static void start_get(const session_pointer&, id_type, const std::string& device_id,
                                     detail::completion<device>);
  LINARITE_API static void start_delete(const session_pointer&, id_type,
                                        const std::string& device_id, const std::string& etag,
                                        detail::completion<>);
  LINARITE_API static void start_list(const session_pointer&, id_type, std::size_t maximum,
                                      detail::completion<std::vector<device>>);
  LINARITE_API static void start_purge(const session_pointer&, id_type,
                                       const std::string& device_id,
                                       detail::completion<std::uint64_t>);
  LINARITE_API static void start_registry_statistics(const session_pointer&, id_type,
                                                     detail::completion<registry_statistics>);
  LINARITE_API static void start_connected_devices(const session_pointer&, id_type,
                                                   detail::completion<std::uint64_t>);
  LINARITE_API static void start_hub_time(const session_pointer&, id_type,
                                          detail::completion<wall_time>);
  LINARITE_API static void start_close(const session_pointer&, detail::completion<>);
  LINARITE_API static void cancel(const session_pointer&, id_type);

  executor_type executor_;
  network network_;  // Outlives the session.
  session_pointer session_;
};

}  // namespace v1
}  // namespace linarite
