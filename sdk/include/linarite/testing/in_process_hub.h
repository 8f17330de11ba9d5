// A whole hub inside a test: the real gateways, queues and rules on a store in memory, reached by
// the real clients over pipes in memory. No socket, no thread, no sleeping: time is what you say it
// is.
//
//   boost::asio::io_context io;
//   linarite::testing::in_process_hub hub(io);
//   linarite::device_client device(io.get_executor(), hub.device_connection_string("d1"),
//                                  hub.options_for_devices());
//   hub.run(device.async_connect(boost::asio::use_awaitable));
//   hub.advance(std::chrono::hours(1));
//   EXPECT_EQ(hub.journey_text("m1"), "enqueued, expired, feedback");
//
// Threads: the hub, its clients and the io_context are used on the one thread that made the hub.
// Lifetime: the io_context outlives the hub, and the hub outlives its clients.
// Determinism: the seed decides which of the things that could happen next does happen; the same
// seed and the same calls give the same run. Another seed gives another order that is as possible.
//
// What it does not do: TLS and certificates, and Asio's own timers, which follow the machine's
// clock (give your program async_wait() to wait with). Errors of a test itself are
// std::logic_error.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <linarite/completion.h>
#include <linarite/message.h>
#include <linarite/network.h>
#include <linarite/options.h>

namespace linarite {
inline namespace v1 {
namespace testing {

// Defaults are the hub's own.
struct in_process_hub_options {
  std::uint64_t seed = 1;
  wall_time start = std::chrono::sys_days(std::chrono::year(2026) / 1 / 1);
  std::string host_name = "hub.test";  // Lower case. No other name is found.
  std::uint32_t queue_depth_max = 50;  // Messages waiting for one device.
  std::chrono::seconds default_ttl{3600};
  std::uint32_t device_window = 16;  // Messages at a device and not completed.
  std::chrono::seconds feedback_ttl{3600};
  std::chrono::seconds feedback_lock_duration{60};
  std::uint32_t feedback_delivery_count_max = 10;
  bool feedback_batched = false;  // Records gather for up to 15 s, as at the original.
};

// What happened to a message.
enum class journey_event {
  enqueued,   // Durably in the queue.
  recovered,  // Found there when the hub started again.
  delivered,  // Sent to the device, and locked.
  returned,   // The lock ended without a decision; it will be delivered again.
  abandoned,
  completed,
  expired,
  delivery_count_exceeded,
  rejected,
  purged,
  device_deleted,
  feedback,  // The outcome before left a record for back ends.
};
LINARITE_API const char* to_string(journey_event event) noexcept;

struct journey_step {
  journey_event event = journey_event::enqueued;
  wall_time when{};
  std::string device_id{};
  bool operator==(const journey_step&) const = default;
};

struct queued_message {
  std::string message_id{};     // Empty if it has none.
  bool locked = false;          // It is at the device.
  unsigned deliveries = 0;      // In this run of the hub.
  unsigned delivery_count = 0;  // Abandons, as the hub counts them.
  wall_time enqueued{};
  wall_time expiry{};
  bool operator==(const queued_message&) const = default;
};

class in_process_hub {
 public:
  using duration = std::chrono::microseconds;

  // For clients whose handlers run elsewhere, and for blocking clients.
  LINARITE_API explicit in_process_hub(in_process_hub_options options = {});
  // Runs `application` as well, whenever it runs the hub.
  explicit in_process_hub(boost::asio::io_context& application, in_process_hub_options options = {})
      : in_process_hub(std::move(options)) {
    application_ = &application;
    run_besides([&application] {
      if (application.stopped()) application.restart();
      return application.poll_one() > 0;
    });
  }
  LINARITE_API ~in_process_hub();
  in_process_hub(const in_process_hub&) = delete;
  in_process_hub& operator=(const in_process_hub&) = delete;

  // --- Clients.

  LINARITE_API network client_network() const;
  // Options with that network.
  LINARITE_API linarite::device_options options_for_devices() const;
  LINARITE_API linarite::service_options options_for_services() const;
  // Of a device, which is made if it is not there.
  LINARITE_API std::string device_connection_string(std::string_view device_id);
  // Of a shared access policy: iothubowner, service, device, registryRead, registryReadWrite.
  LINARITE_API std::string service_connection_string(std::string_view policy = "iothubowner") const;

  // --- Running. Not from a token provider or log sink; handlers and coroutines may.

  // Whatever can happen without time passing. Throws if it does not come to an end.
  LINARITE_API void settle();
  // The same, and time goes on: every timer on the way fires at its own time.
  LINARITE_API void advance(duration by);
  // Until `done` is true, letting at most `within` pass, and no more than needed. Returns done().
  LINARITE_API bool run_until(const std::function<bool()>& done, duration within = duration(0));
  // Until a coroutine has ended, as above, on the application's io_context, and then settles.
  // Returns its result, throws what it throws, and std::logic_error if it still waits although
  // nothing is left to do.
  template <class T>
  T run(boost::asio::awaitable<T> work, duration within = duration(0));
  // By the hub's clock, for the program under test to wait with: void(error), operation_aborted if
  // cancelled. On the application's io_context.
  template <class Token>
  auto async_wait(duration how_long, Token&& token) {
    if (application_ == nullptr) throw std::logic_error("async_wait needs an io_context");
    return detail::initiate<>(
        boost::asio::any_io_executor(application_->get_executor()), std::forward<Token>(token),
        [waits = waits(), how_long](detail::operation_id id, detail::completion<> done) {
          start_wait(waits, id, how_long, std::move(done));
        },
        [waits = waits()](detail::operation_id id) { cancel_wait(waits, id); });
  }
  LINARITE_API wall_time now() const;

  // --- Faults. Each takes effect at once; what clients make of it comes with the next run.

  // The connection of the device is reset, and both sides know.
  LINARITE_API void disconnect(std::string_view device_id);
  // Nothing crosses the connection of the device any more, and nobody is told.
  LINARITE_API void go_silent(std::string_view device_id);
  // The hub's process is killed: connections are reset, and what was not durable is gone. Until
  // start() nobody listens.
  LINARITE_API void stop();
  // It starts again with what is in the store. Does nothing if it runs.
  LINARITE_API void start();
  void restart() {
    stop();
    start();
  }
  // While held, nothing becomes durable, so nothing is acknowledged.
  LINARITE_API void hold_disk(bool hold);
  // While held, what the hub sends does not arrive; what clients send does.
  LINARITE_API void hold_answers(bool hold);

  // --- What there is to see.

  LINARITE_API bool is_connected(std::string_view device_id) const;
  // In order; empty for an unknown device. While the hub is stopped, what it will find.
  LINARITE_API std::vector<queued_message> queue(std::string_view device_id) const;
  // Of all messages with this id, over all runs of the hub.
  LINARITE_API std::vector<journey_step> journey(std::string_view message_id) const;
  // The same in words: "enqueued, delivered, completed, feedback".
  LINARITE_API std::string journey_text(std::string_view message_id) const;

 private:
  struct state;
  struct wait_list;

  LINARITE_API void run_besides(std::function<bool()> poll_one);
  LINARITE_API std::shared_ptr<wait_list> waits() const;
  LINARITE_API static void start_wait(const std::shared_ptr<wait_list>&, detail::operation_id,
                                      duration, detail::completion<>);
  LINARITE_API static void cancel_wait(const std::shared_ptr<wait_list>&, detail::operation_id);

  boost::asio::io_context* application_ = nullptr;
  std::unique_ptr<state> state_;
};

template <class T>
T in_process_hub::run(boost::asio::awaitable<T> work, duration within) {
  if (application_ == nullptr) throw std::logic_error("in_process_hub::run needs an io_context");
  // Shared: a coroutine that is given up may still end later.
  struct outcome {
    bool done = false;
    std::exception_ptr failure;
    std::optional<std::conditional_t<std::is_void_v<T>, bool, T>> value;
  };
  const auto result = std::make_shared<outcome>();
  boost::asio::co_spawn(*application_, std::move(work),
                        [result](std::exception_ptr failure, auto... value) {
                          result->failure = std::move(failure);
                          if constexpr (sizeof...(value) > 0)
                            result->value.emplace(std::move(value)...);
                          result->done = true;
                        });
  if (!run_until([&] { return result->done; }, within)) {
    throw std::logic_error(
        "in_process_hub::run: the coroutine still waits, and nothing is left to do within the time "
        "that may pass");
  }
  settle();
  if (result->failure) std::rethrow_exception(result->failure);
  if constexpr (!std::is_void_v<T>) return *std::move(result->value);
}

}  // namespace testing
}  // namespace v1
}  // namespace linarite
