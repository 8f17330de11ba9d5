// Everything of the devices of one partition: identities, message queues, sessions, pending
// feedback. A partition belongs to one loop and lives in one partition of the store; all of its
// methods are called on that loop, and replies of its operations come back there. Nothing is
// answered before it is durable.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/loop.h"
#include "hub/device_link.h"
#include "hub/feedback.h"
#include "hub/identity.h"
#include "hub/permission.h"
#include "hub/session.h"
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
  Loop& loop() const { return loop_; }

  // --- The device's side, for gateways on this loop.

  // Who connects: the device id of the connection and the token it presented. Any failure of the
  // credentials is kIotHubUnauthorized and takes the same time for known and unknown devices; only
  // with good credentials kDeviceDisabled is told apart (device-protocol 1.4, 5.5).
  Result<Principal> authenticate_device(std::string_view device_id, std::string_view token);

  // Makes `link` the one connection of the device; an older one is disconnected first. The link
  // must call detach() before it is destroyed, unless the hub disconnected it. kDeviceNotFound or
  // kDeviceDisabled if the identity changed since it was authenticated.
  Status attach(std::string_view device_id, DeviceLink& link);
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

  // Persistent sessions, one per device. Loading is immediate; nothing if there is none.
  Result<std::optional<Session>> load_session(std::string_view device_id);
  void save_session(std::string_view device_id, const Session& session, StatusDone done);
  void erase_session(std::string_view device_id, StatusDone done);

  // --- The back end's side; Hub calls these on the right loop.

  void create_device(IdentityWrite write, Done<DeviceView> done);
  void update_device(IdentityWrite write, Condition condition, Done<DeviceView> done);
  void delete_device(std::string device_id, Condition condition, StatusDone done);
  Result<DeviceView> get_device(std::string_view device_id) const;
  // At most `limit`, in order of the ids.
  std::vector<DeviceView> list_devices(size_t limit) const;
  Statistics statistics() const;

  // Queues a message; the sequence number comes once it is durable. Errors: service-protocol 2.3.
  void send(std::string device_id, wire::C2dMessage message, Done<uint64_t> done);
  // Removes all messages of the device; how many.
  void purge(std::string device_id, Done<uint64_t> done);

 private:
  Loop& loop_;
};

}  // namespace linarite::hub
