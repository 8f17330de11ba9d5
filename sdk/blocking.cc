#include <linarite/blocking.h>

#include <boost/asio/system_executor.hpp>
#include <condition_variable>
#include <mutex>
#include <tuple>
#include <utility>

#include "sdk/network.h"

namespace linarite {
inline namespace v1 {
namespace blocking {
namespace {

// What the calling thread waits on and the SDK's thread fills.
template <class... Results>
struct Slot {
  std::mutex mutex;
  std::condition_variable_any filled;
  bool done = false;
  error why;
  std::tuple<Results...> values;
};

template <class... Results>
class SlotTarget final : public detail::completion_target<Results...> {
 public:
  explicit SlotTarget(std::shared_ptr<Slot<Results...>> slot) : slot_(std::move(slot)) {}
  ~SlotTarget() override {
    if (slot_) complete(errc::closed, Results{}...);
  }
  void complete(error why, Results... results) override {
    const auto slot = std::move(slot_);
    const std::lock_guard lock(slot->mutex);
    slot->why = std::move(why);
    slot->values = {std::move(results)...};
    slot->done = true;
    slot->filled.notify_all();
  }

 private:
  std::shared_ptr<Slot<Results...>> slot_;
};

// On a network that has no threads the caller's own makes the result come; false on others.
template <class... Results, class Cancel>
bool run_by_hand(sdk::Network& network, const std::stop_token& stop,
                 std::optional<std::chrono::milliseconds> wait, const Slot<Results...>& slot,
                 const Cancel& cancel) {
  const auto done = [&] { return slot.done; };
  if (!network.run_until([&] { return slot.done || stop.stop_requested(); }, wait)) return false;
  if (!slot.done) cancel();
  network.run_until(done, Duration(0));
  if (!slot.done) throw exception({errc::timed_out, "nothing runs the network of this client"});
  return true;
}

// Starts an operation and waits until its result has come. When the stop is requested, or `wait` is
// over, it is cancelled; its result is then that of the cancellation, or its own if that was first.
template <class... Results, class Start, class Cancel>
std::shared_ptr<Slot<Results...>> run(const network& on, std::stop_token stop,
                                      std::optional<std::chrono::milliseconds> wait, Start start,
                                      const Cancel& cancel) {
  auto slot = std::make_shared<Slot<Results...>>();
  const detail::operation_id id = detail::next_operation_id();
  start(id, std::make_unique<SlotTarget<Results...>>(slot));
  if (run_by_hand(*on.implementation(), stop, wait, *slot, [&] { cancel(id); })) return slot;
  std::unique_lock lock(slot->mutex);
  const auto done = [&] { return slot->done; };
  bool in_time = false;
  if (wait) {
    in_time = slot->filled.wait_for(lock, std::move(stop), *wait, done);
  } else {
    in_time = slot->filled.wait(lock, std::move(stop), done);
  }
  if (!in_time) {
    lock.unlock();
    cancel(id);
    lock.lock();
    slot->filled.wait(lock, done);
  }
  return slot;
}

template <class... Results, class Start, class Cancel>
auto demand(const network& on, std::stop_token stop, Start start, const Cancel& cancel) {
  const auto slot = run<Results...>(on, std::move(stop), std::nullopt, std::move(start), cancel);
  if (slot->why) throw exception(std::move(slot->why));
  if constexpr (sizeof...(Results) > 0) return std::move(std::get<0>(slot->values));
}

// The same for what may not come.
template <class Result, class Start, class Cancel>
std::optional<Result> await(const network& on, std::stop_token stop, std::chrono::milliseconds wait,
                            Start start, const Cancel& cancel) {
  const auto slot = run<Result>(on, std::move(stop), wait, std::move(start), cancel);
  if (slot->why == errc::operation_aborted) return std::nullopt;
  if (slot->why) throw exception(std::move(slot->why));
  return std::move(std::get<0>(slot->values));
}

constexpr auto kNoCancel = [](detail::operation_id) {};

}  // namespace

// --- Devices.

device_client::device_client(device_identity identity, device_options options)
    : client_(boost::asio::system_executor(), std::move(identity), std::move(options)) {}
device_client::device_client(std::string_view connection_string, device_options options)
    : device_client(device_identity::parse(connection_string), std::move(options)) {}
device_client::~device_client() = default;
device_client::device_client(device_client&&) noexcept = default;

void device_client::connect(std::stop_token stop) {
  demand<>(
      client_.network_, std::move(stop),
      [&](auto id, auto done) {
        linarite::device_client::start_connect(client_.session_, id, std::move(done));
      },
      client_.canceller());
}

std::optional<received_message> device_client::receive(std::stop_token stop,
                                                       std::chrono::milliseconds wait) {
  return await<received_message>(
      client_.network_, std::move(stop), wait,
      [&](auto id, auto done) {
        linarite::device_client::start_receive(client_.session_, id, std::move(done));
      },
      client_.canceller());
}

void device_client::send_event(message message, std::stop_token stop) {
  demand<>(
      client_.network_, std::move(stop),
      [&](auto id, auto done) {
        linarite::device_client::start_send_event(client_.session_, id, std::move(message),
                                                  std::move(done));
      },
      client_.canceller());
}

std::vector<error> device_client::send_events(std::vector<message> messages, std::stop_token stop) {
  const bool none = messages.empty();
  const auto slot = run<std::vector<error>>(
      client_.network_, std::move(stop), std::nullopt,
      [&](auto id, auto done) {
        linarite::device_client::start_send_events(client_.session_, id, std::move(messages),
                                                   std::move(done));
      },
      client_.canceller());
  auto& outcomes = std::get<0>(slot->values);
  if (outcomes.empty() && !none) throw exception(std::move(slot->why));
  return std::move(outcomes);
}

void device_client::complete(received_message message, std::stop_token stop) {
  demand<>(
      client_.network_, std::move(stop),
      [&](auto, auto done) {
        linarite::device_client::start_complete(std::move(message.delivery_), std::move(done));
      },
      kNoCancel);
}

std::optional<connection_change> device_client::next_state(std::stop_token stop,
                                                           std::chrono::milliseconds wait) {
  return await<connection_change>(
      client_.network_, std::move(stop), wait,
      [&](auto id, auto done) {
        linarite::device_client::start_next_state(client_.session_, id, std::move(done));
      },
      client_.canceller());
}

connection_state device_client::state() const noexcept { return client_.state(); }
std::size_t device_client::undecided_messages() const noexcept {
  return client_.undecided_messages();
}

void device_client::close() {
  demand<>(
      client_.network_, {},
      [&](auto, auto done) {
        linarite::device_client::start_close(client_.session_, std::move(done));
      },
      kNoCancel);
}

// --- Back ends.

service_client::service_client(service_identity identity, service_options options)
    : client_(boost::asio::system_executor(), std::move(identity), std::move(options)) {}
service_client::service_client(std::string_view connection_string, service_options options)
    : service_client(service_identity::parse(connection_string), std::move(options)) {}
service_client::~service_client() = default;
service_client::service_client(service_client&&) noexcept = default;

// Calls the client's `start` with these arguments between its id and its completion.
#define LINARITE_DEMAND(result, start, ...)                                              \
  demand<result>(                                                                        \
      client_.network_, std::move(stop),                                                 \
      [&](auto id, auto done) {                                                          \
        linarite::service_client::start(client_.session_, id __VA_OPT__(, ) __VA_ARGS__, \
                                        std::move(done));                                \
      },                                                                                 \
      [&](detail::operation_id id) { linarite::service_client::cancel(client_.session_, id); })

void service_client::connect(std::stop_token stop) { LINARITE_DEMAND(, start_connect); }

send_result service_client::send(std::string device_id, message message, std::stop_token stop) {
  return LINARITE_DEMAND(send_result, start_send, std::move(device_id), std::move(message));
}

device service_client::create_device(const device& device, std::stop_token stop) {
  using kind = linarite::service_client::put_kind;
  return LINARITE_DEMAND(linarite::device, start_put, kind::create, device);
}

device service_client::update_device(const device& device, std::stop_token stop) {
  using kind = linarite::service_client::put_kind;
  return LINARITE_DEMAND(linarite::device, start_put, kind::update, device);
}

device service_client::get_device(const std::string& device_id, std::stop_token stop) {
  return LINARITE_DEMAND(device, start_get, device_id);
}

void service_client::delete_device(const std::string& device_id, const std::string& etag,
                                   std::stop_token stop) {
  LINARITE_DEMAND(, start_delete, device_id, etag);
}

std::vector<device> service_client::list_devices(std::stop_token stop) {
  return list_devices(linarite::service_client::list_maximum, std::move(stop));
}

std::vector<device> service_client::list_devices(std::size_t maximum, std::stop_token stop) {
  return LINARITE_DEMAND(std::vector<device>, start_list, maximum);
}

std::uint64_t service_client::purge(const std::string& device_id, std::stop_token stop) {
  return LINARITE_DEMAND(std::uint64_t, start_purge, device_id);
}

linarite::registry_statistics service_client::registry_statistics(std::stop_token stop) {
  return LINARITE_DEMAND(linarite::registry_statistics, start_registry_statistics);
}

std::uint64_t service_client::connected_devices(std::stop_token stop) {
  return LINARITE_DEMAND(std::uint64_t, start_connected_devices);
}

wall_time service_client::hub_time(std::stop_token stop) {
  return LINARITE_DEMAND(wall_time, start_hub_time);
}

#undef LINARITE_DEMAND

void service_client::close() {
  demand<>(
      client_.network_, {},
      [&](auto, auto done) {
        linarite::service_client::start_close(client_.session_, std::move(done));
      },
      kNoCancel);
}

// --- Feedback.

feedback_receiver::feedback_receiver(const service_client& client) : receiver_(client.client_) {}
feedback_receiver::~feedback_receiver() = default;

std::optional<feedback_batch> feedback_receiver::receive(std::stop_token stop,
                                                         std::chrono::milliseconds wait) {
  return await<feedback_batch>(
      receiver_.network_, std::move(stop), wait,
      [&](auto id, auto done) {
        linarite::feedback_receiver::start_receive(receiver_.link_, id, std::move(done));
      },
      receiver_.canceller());
}

void feedback_receiver::accept(feedback_batch batch, std::stop_token stop) {
  demand<>(
      receiver_.network_, std::move(stop),
      [&](auto, auto done) {
        linarite::feedback_receiver::start_decide(true, std::move(batch.delivery_),
                                                  std::move(done));
      },
      kNoCancel);
}

void feedback_receiver::abandon(feedback_batch batch, std::stop_token stop) {
  demand<>(
      receiver_.network_, std::move(stop),
      [&](auto, auto done) {
        linarite::feedback_receiver::start_decide(false, std::move(batch.delivery_),
                                                  std::move(done));
      },
      kNoCancel);
}

feedback_record feedback_receiver::wait_for(std::string message_id, std::stop_token stop) {
  return demand<feedback_record>(
      receiver_.network_, std::move(stop),
      [&](auto id, auto done) {
        linarite::feedback_receiver::start_wait(receiver_.link_, id, std::move(message_id),
                                                std::move(done));
      },
      receiver_.canceller());
}

// --- Events.

event_reader::event_reader(event_hub_identity identity, event_reader_options options)
    : reader_(boost::asio::system_executor(), std::move(identity), std::move(options)) {}
event_reader::event_reader(service_identity identity, event_reader_options options)
    : event_reader(event_hub_identity(std::move(identity)), std::move(options)) {}
event_reader::event_reader(std::string_view connection_string, event_reader_options options)
    : event_reader(event_hub_identity::parse(connection_string), std::move(options)) {}
event_reader::~event_reader() = default;
event_reader::event_reader(event_reader&&) noexcept = default;

std::vector<event> event_reader::receive(std::stop_token stop, std::chrono::milliseconds wait) {
  auto events = await<std::vector<event>>(
      reader_.network_, std::move(stop), wait,
      [&](auto id, auto done) {
        linarite::event_reader::start_receive(reader_.session_, id, std::move(done));
      },
      [&](detail::operation_id id) { linarite::event_reader::cancel(reader_.session_, id); });
  return std::move(events).value_or(std::vector<event>());
}

event_hub_properties event_reader::get_properties(std::stop_token stop) {
  return demand<event_hub_properties>(
      reader_.network_, std::move(stop),
      [&](auto id, auto done) {
        linarite::event_reader::start_get_properties(reader_.session_, id, std::move(done));
      },
      [&](detail::operation_id id) { linarite::event_reader::cancel(reader_.session_, id); });
}

partition_properties event_reader::get_partition_properties(std::uint32_t partition,
                                                            std::stop_token stop) {
  return demand<partition_properties>(
      reader_.network_, std::move(stop),
      [&](auto id, auto done) {
        linarite::event_reader::start_get_partition_properties(reader_.session_, id, partition,
                                                               std::move(done));
      },
      [&](detail::operation_id id) { linarite::event_reader::cancel(reader_.session_, id); });
}

}  // namespace blocking
}  // namespace v1
}  // namespace linarite
