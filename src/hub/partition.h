// Everything of the devices of one partition: identities, message queues, sessions, pending
// feedback, and the log of their events. A partition belongs to one loop and lives in one partition
// of the store; all of its methods are called on that loop, and replies of its operations come back
// there. Nothing is answered before it is durable.
#pragma once

#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/logging.h"
#include "base/loop.h"
#include "base/random.h"
#include "hub/c2d_queue.h"
#include "hub/device_link.h"
#include "hub/event_log.h"
#include "hub/feedback.h"
#include "hub/feedback_queue.h"
#include "hub/identity.h"
#include "hub/key_vault.h"
#include "hub/metrics.h"
#include "hub/options.h"
#include "hub/permission.h"
#include "hub/policies.h"
#include "hub/queue_event.h"
#include "hub/records.h"
#include "hub/session.h"
#include "hub/stored_identity.h"
#include "store/store.h"
#include "wire/c2d_message.h"

namespace linarite::hub {

template <class T>
using Done = std::move_only_function<void(Result<T>)>;
using StatusDone = std::move_only_function<void(Status)>;

struct Statistics {
  uint64_t devices = 0;
  uint64_t enabled = 0;
  uint64_t disabled = 0;
  uint64_t connected = 0;
};

class Partition {
 public:
  struct Parts {
    store::PartitionId id;
    const HubOptions& options;
    store::Store& store;
    Loop& loop;
    Random& random;
    Logger& log;
    Metrics& metrics;
    std::atomic<uint64_t>& identities;  // Of the whole hub, with those that are being created.
    const std::atomic<const PolicySet*>& policies;
    const KeyVault& vault;
    QueueWatch watch;
  };
  explicit Partition(Parts parts);
  ~Partition();
  Partition(const Partition&) = delete;
  Partition& operator=(const Partition&) = delete;

  // Reads everything of this partition from the store. Once, before anything else.
  Status load();

  Loop& loop() const { return parts_.loop; }
  FeedbackQueue& feedback() { return feedback_; }
  EventLog& events() { return events_; }

  // --- The device's side, for gateways on this loop.

  // Who connects: the device id of the connection and the token it presented. Any failure of the
  // credentials is kIotHubUnauthorized and takes the same time for known and unknown devices; only
  // with good credentials kDeviceDisabled is told apart (device-protocol 1.4, 5.5).
  Result<Principal> authenticate_device(std::string_view device_id, std::string_view token);

  // Makes `link` the one connection of the device; an older one is disconnected first. The link
  // must call detach() before it is destroyed, unless the hub disconnected it. kDeviceNotFound or
  // kDeviceDisabled if the identity changed since it was authenticated. `key_fingerprint` is that
  // of the principal: the connection ends when the device no longer has this key; 0 for other
  // credentials.
  Status attach(std::string_view device_id, DeviceLink& link, uint64_t key_fingerprint);
  // Messages delivered and not settled go back to their places at once, delivery count unchanged.
  // A no-op for a link that is not attached.
  void detach(DeviceLink& link);

  // Starts (or changes the window of) delivery to an attached link: at most `window` messages are
  // unsettled at any time; 0 stops delivery. `since` is when the device first subscribed, used
  // under C2dOptions::strict_subscription_time. Messages may be delivered from inside the call.
  void open_delivery(DeviceLink& link, uint32_t window, WallTime since);

  // Settle one delivery of an attached link. `done` comes after the decision is durable and says
  // kDeviceMessageLockLost if the lock no longer fits. The place in the window is free at once.
  void complete(DeviceLink& link, LockToken lock, StatusDone done);
  void abandon(DeviceLink& link, LockToken lock, StatusDone done);
  void reject(DeviceLink& link, LockToken lock, StatusDone done);

  // The same without a connection: the lock runs for C2dOptions::lock_duration. Nothing if no
  // message is ready.
  struct Received {
    LockToken lock;
    wire::C2dMessage message;
    WallTime enqueued;
    uint32_t delivery_count = 0;
  };
  Result<std::optional<Received>> receive(std::string_view device_id);
  enum class Settlement : uint8_t { kComplete, kAbandon, kReject };
  void settle(std::string_view device_id, LockToken lock, Settlement how, StatusDone done);

  // Persistent sessions, one per device; nothing if there is none. Loading waits for what was
  // saved or erased before, so `done` may come at once or later. If that failed it fails too.
  void load_session(std::string_view device_id, Done<std::optional<Session>> done);
  void save_session(std::string_view device_id, const Session& session, StatusDone done);
  void erase_session(std::string_view device_id, StatusDone done);

  // When devices came and went is written some seconds later, for many of them at once; this writes
  // what is left, as at the end of the server.
  void write_connection_times(StatusDone done);

  // --- The back end's side; Hub calls these on the right loop.

  void create_device(IdentityWrite write, Done<DeviceView> done);
  void update_device(IdentityWrite write, Condition condition, Done<DeviceView> done);
  void delete_device(const std::string& device_id, Condition condition, StatusDone done);
  Result<DeviceView> get_device(std::string_view device_id) const;
  // Empty if there is no such device. Good until the identity changes.
  std::string_view generation_id(std::string_view device_id) const;
  // At most `limit`, in order of the ids.
  Result<std::vector<DeviceView>> list_devices(size_t limit) const;
  Statistics statistics() const;

  // Queues a message; the sequence number comes once it is durable. Errors: service-protocol 2.3.
  void send(std::string device_id, wire::C2dMessage message, Done<uint64_t> done);
  // Removes all messages of the device; how many.
  void purge(const std::string& device_id, Done<uint64_t> done);

 private:
  struct Device;
  using DevicePtr = std::shared_ptr<Device>;
  using Message = QueuedMessage;
  // Messages that end together, and the feedback that tells of it.
  struct Endings {
    Outcome outcome;
    std::vector<uint64_t> sequences;
    std::vector<std::pair<uint64_t, FeedbackRecord>> feedback;
  };
  // Writes of one session that are not durable yet, and what waits for them. Of one that failed
  // nobody knows whether it is on the disk: until the store is opened again the session is neither
  // there nor not.
  struct SessionWrites {
    size_t count = 0;
    std::vector<Task> waiting;
    Status failure;
  };
  // What has been committed since the loop's turn began.
  struct Turn {
    store::Batch batch;
    std::vector<StatusDone> dones;
  };
  struct NameHash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const { return std::hash<std::string_view>{}(name); }
  };
  template <class T>
  using ByName = std::unordered_map<std::string, T, NameHash, std::equal_to<>>;

  // partition.cc
  Status load_record(std::string_view key, std::string_view value);
  Status load_device(std::string_view value);
  Status load_message(std::string_view key, std::string_view value);
  DevicePtr find(std::string_view device_id) const;
  const Device* stand_in(std::string_view device_id) const;
  void take_place(Device& device);
  Result<KeyPair> keys_to_compare(const IdentityFields& known) const;
  WallTime wall() const { return parts_.loop.clock().wall(); }
  void commit(store::Batch batch, StatusDone done);
  void commit_turn();
  void committed(size_t bytes, std::vector<StatusDone> dones, Status status);
  // Whether new work may be committed, with `more` bytes that wait to be.
  Status check_backlog(size_t more = 0) const;
  uint64_t next_sequence(store::Batch& batch);
  void tell(QueueEvent::Kind kind, const Device& device, const Message& message) const;

  // partition_connections.cc
  void unlink(Device& device);
  void note_connection(Device& device);
  Result<std::optional<Session>> read_session(std::string_view device_id) const;
  void commit_session(std::string_view device_id, store::Batch batch, StatusDone done);

  // partition_registry.cc
  void run_identity_write(const std::string& device_id, Task task);
  void end_identity_write(const std::string& device_id);
  void create_now(IdentityWrite write, Done<DeviceView> done);
  void update_now(IdentityWrite write, const Condition& condition, Done<DeviceView> done);
  void delete_now(const std::string& device_id, const Condition& condition, StatusDone done);
  void updated(Device& device, StoredIdentity identity);
  void deleted(Device& device);
  Result<DeviceView> view(const Device& device) const;
  std::string new_generation_id();
  void count(DeviceStatus status, int by);

  // partition_queue.cc
  Result<DevicePtr> admit(std::string_view device_id, const wire::C2dMessage& message);
  void enqueued(const DevicePtr& device, uint64_t sequence, const Status& status);
  void pump(const DevicePtr& device);
  bool deliver_next(const DevicePtr& device);
  bool load_body(Device& device, Message& message);
  void remember_id(Message& message, const wire::C2dMessage& body);
  void drop_body(Message& message);
  void lock(Device& device, Message& message, bool linked);
  void unlock(Device& device, Message& message);
  Result<Message*> locked_message(Device* device, LockToken token) const;
  void end(const DevicePtr& device, Message& message, Outcome outcome, StatusDone done);
  void end_all(const DevicePtr& device, std::span<Message*> messages, Outcome outcome,
               StatusDone done);
  void end_in(store::Batch& batch, Device& device, Message& message, Endings& endings);
  void ended(const DevicePtr& device, Endings endings);
  void give_back(const DevicePtr& device, Message& message, StatusDone done);
  void settle_message(const DevicePtr& device, LockToken token, Settlement how, StatusDone done);
  void watch_expiry(Device& device, WallTime when);
  void arm_expiry();
  void expire_due();
  void expire(const DevicePtr& device);

  Parts parts_;
  const StoredIdentity nobody_;  // With keys that open no device.
  // While loading also devices of which only the connection times are known yet.
  boost::unordered_flat_map<std::string, DevicePtr, NameHash, std::equal_to<>> devices_;
  std::vector<Device*> places_;  // The same in no order, to choose one from.
  std::unordered_map<DeviceLink*, DevicePtr> links_;
  // The devices of messages, by sequence, while loading.
  std::vector<std::pair<uint64_t, Device*>> loaded_owners_;
  // Writes of one identity run one after the other: those that wait, by device id.
  ByName<std::deque<Task>> identity_writes_;
  ByName<SessionWrites> session_writes_;
  std::vector<std::string> unwritten_times_;  // Ids of devices.
  TimerId times_timer_ = 0;
  FeedbackQueue feedback_;
  EventLog events_;
  Statistics totals_;  // Without `connected`.
  int64_t last_generation_ = 0;
  uint64_t next_sequence_ = 1;
  uint64_t reserved_sequence_ = 1;  // The store knows that numbers below it may be used.
  Turn turn_;
  uint64_t cached_bytes_ = 0;
  uint64_t committing_bytes_ = 0;  // Of batches that the store has not answered.
  // Each device with something that may expire, once, under the time it is to be looked at and
  // its number, so that a run can be repeated.
  std::map<std::pair<WallTime, uint64_t>, Device*> expiries_;
  uint64_t last_device_number_ = 0;
  TimerId expiry_timer_ = 0;
};

}  // namespace linarite::hub
