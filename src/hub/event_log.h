// One partition's log of device-to-cloud events: append at the end, read from anywhere, trim at the
// front (service-protocol 4, device-protocol 1.8).
//
// Events carry the AMQP sections in which readers receive them, encoded once by the gateway that
// took the event, so that reading is copying. The log adds what only it knows: sequence number,
// offset and enqueued time. Sequence numbers of a partition start at 0, have no gaps but those that
// a salvage left (EventGap), and are never used twice, also not after a crash. Readers see durable
// events only.
//
// The unit of storage is the block: the events that became durable together, at most
// kEventBlockSizeMax bytes. A block is immutable and shared between the log and its readers.
//
// Threads: a log belongs to the loop of its partition; EventBlock may be read on any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/time.h"
#include "hub/event_gap.h"
#include "hub/metrics.h"
#include "hub/options.h"
#include "store/store.h"

namespace linarite::hub {

// What a gateway appends.
struct NewEvent {
  // Entries of the AMQP message annotations (encoded symbol key and value, one after the other)
  // besides x-opt-sequence-number, x-opt-offset and x-opt-enqueued-time, which readers put before.
  Bytes annotations;
  uint32_t annotation_count = 0;  // Keys in `annotations`.
  // The encoded sections behind the annotations: properties, application properties, data.
  Bytes sections;
};

// An event as readers see it. Views into its block.
struct Event {
  uint64_t sequence = 0;
  // Bytes of all events before it in the partition: strictly increasing; decimal on the wire.
  uint64_t offset = 0;
  WallTime enqueued;  // Never runs backwards in a partition.
  uint32_t annotation_count = 0;
  ByteView annotations;
  ByteView sections;
};

class EventBlock;  // first(), size(), at(i), byte_count(); see event_block.h.
using EventBlockPtr = std::shared_ptr<const EventBlock>;
using EventBlocks = std::vector<EventBlockPtr>;
using LogEntry = std::variant<EventBlockPtr, EventGap>;  // A record of the log.

// Blocks are read from the disk together until they have so many bytes: finding the place costs as
// much as reading a hundred events.
inline constexpr size_t kEventReadBytes = size_t{128} << 10U;

// Where a reader starts (service-protocol 4.6). `inclusive` is ">=".
struct EventPosition {
  enum class Kind : uint8_t { kStart, kLatest, kOffset, kSequence, kEnqueued };
  Kind kind = Kind::kStart;
  uint64_t number = 0;  // For kOffset and kSequence.
  WallTime time;        // For kEnqueued.
  bool inclusive = false;
};

// What is durable and retained: what is being trimmed is not any more, also before that is durable.
struct EventLogState {
  uint64_t first_sequence = 0;  // Of the first retained event; next_sequence if there is none.
  uint64_t next_sequence = 0;   // Of the event after the last durable one.
  uint64_t last_offset = 0;     // Of the last durable event, also when it was trimmed, if any().
  WallTime last_enqueued;
  bool any() const { return next_sequence > 0; }  // Whether there ever was an event.
  bool empty() const { return first_sequence == next_sequence; }
};

class EventBlockBuilder;

// Owned by its partition; all methods on the partition's loop.
class EventLog {
 public:
  using Done = std::move_only_function<void(Status)>;
  struct Parts {
    store::PartitionId id;
    const EventOptions& options;
    store::Store& store;
    Loop& loop;
    Metrics& metrics;
    // Makes a batch durable, in order; of the partition, which counts what waits for the disk.
    std::function<void(store::Batch, Done)> commit;
    // Whether `bytes` more may wait for the disk, of at most `backlog_bytes_max`.
    std::function<Status(size_t bytes)> check_backlog;
    size_t backlog_bytes_max;
  };
  explicit EventLog(Parts parts);
  ~EventLog();
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  // Finds out where the stored log begins and ends. Once, before anything else. kStoreCorrupt.
  Status load();

  // `done` comes once the event is durable, in the order of the calls; on a failure of the store
  // with its error. Refused at once, by a call of `done` from inside: kServiceUnavailable if too
  // much waits for the disk already, kMessageTooLarge over kEventSectionsSizeMax or
  // kEventAnnotationsSizeMax.
  void append(const NewEvent& event, Done done);

  // Whether so much waits for the disk that devices should be read more slowly.
  bool crowded() const;

  EventLogState state() const;
  // The sequence number at which a reader starts: before the first retained event it is that event,
  // beyond the last durable one it is next_sequence (or the number asked for, if that is later).
  // Reads blocks. kStoreCorrupt, kIoError.
  Result<uint64_t> find(const EventPosition& position) const;
  // The block with this event; the first retained one if the event was trimmed; nullptr if the
  // event is not there yet. kStoreCorrupt, kIoError.
  Result<EventBlockPtr> read(uint64_t sequence) const;
  // The same block and those behind it, until they have kEventReadBytes; none if the event is not
  // there yet.
  Result<EventBlocks> read_on(uint64_t sequence) const;

  using WatchId = uint64_t;
  // `on_more` is called after new events became durable.
  WatchId watch(std::function<void()> on_more);
  void unwatch(WatchId watch);

 private:
  // Where the log is, or will be once what is under way is durable.
  struct End {
    uint64_t sequence = 0;  // Of the next event.
    uint64_t offset = 0;    // Of the next event.
    uint64_t last_offset = 0;
    WallTime last_enqueued;
  };
  struct Begin {
    uint64_t sequence = 0;  // Of the first retained event.
    uint64_t offset = 0;
  };

  // What is durable and retained from this event on, until it has `bytes`: one block at least, if
  // the event is there.
  Result<EventBlocks> read_until(uint64_t sequence, size_t bytes) const;
  // The same of the store alone.
  Result<EventBlocks> read_stored(uint64_t sequence, size_t bytes) const;
  // The first retained event for which `reached` is true; it stays true from there on.
  Result<uint64_t> search(const std::function<bool(const Event&)>& reached) const;
  static End end_of(const EventBlock& block);
  // Where the log ends after this record, a block or a gap.
  static End end_of(const LogEntry& entry);

  void flush();
  void durable(const EventBlockPtr& block, std::vector<Done> dones, const Status& status);
  // Readers may have the block from now on.
  void show(const EventBlockPtr& block);
  static void answer(std::vector<Done> dones, const Status& status);
  void tell_watches();
  void trim_later();
  void trim();
  Status trim_to(uint64_t sequence);
  // Of the events from the first retained one to the end, without the jump in their offsets.
  uint64_t retained_bytes() const;

  Parts parts_;
  Begin begin_;
  End end_;        // What is durable.
  EventGap jump_;  // The last one that a salvage made, if any.
  End assigned_;   // What was appended.
  std::unique_ptr<EventBlockBuilder> collecting_;
  std::vector<Done> collecting_dones_;
  size_t commits_ = 0;  // Under way.
  // What packing saves of the blocks under way: they are held unpacked until they are durable.
  size_t saved_bytes_ = 0;
  bool flush_posted_ = false;
  std::deque<EventBlockPtr> tail_;  // The last blocks, without a hole, up to end_.
  size_t tail_bytes_ = 0;           // Of memory.
  std::map<WatchId, std::function<void()>> watches_;
  WatchId last_watch_ = 0;
  TimerId trim_timer_ = 0;
  bool trimming_ = false;
};

}  // namespace linarite::hub
