#include "hub/event_block.h"

#include <lz4.h>

#include <utility>

#include "base/check.h"

namespace linarite::hub {
namespace {

constexpr uint8_t kVersion = 1;
// Events as one LZ4 block; before it, in the place of the events, their size.
constexpr uint8_t kPackedVersion = 2;
// 3 is a gap: event_gap.cc.
// Version, sequence number and offset of the first event, count of events.
constexpr size_t kHeaderSize = 1 + 8 + 8 + 4;
constexpr size_t kCountPlace = 1 + 8 + 8;
// Time, annotation count, sizes of annotations and sections.
constexpr size_t kEventHeaderSize = 8 + 4 + 4 + 4;
// A block is four pieces of memory, with what the C library puts around each, and who holds it.
constexpr size_t kAroundPieces = 112;

static_assert(kHeaderSize + kEventHeaderSize + kEventAnnotationsSizeMax + kEventSectionsSizeMax <=
              kEventBlockSizeMax);

size_t stored_size(const NewEvent& event) {
  return kEventHeaderSize + event.annotations.size() + event.sections.size();
}

std::unexpected<Error> corrupt() {
  return fail(ErrorCode::kStoreCorrupt, "a stored block of events can't be read");
}

// Reads one event, without its numbers; nothing if it is not whole or over a limit.
std::optional<Event> read_event(ByteReader& reader) {
  if (reader.remaining() < kEventHeaderSize) return std::nullopt;
  Event event;
  event.enqueued =
      WallTime(std::chrono::milliseconds(static_cast<int64_t>(*reader.number<uint64_t>())));
  event.annotation_count = *reader.number<uint32_t>();
  const uint32_t annotations_size = *reader.number<uint32_t>();
  const uint32_t sections_size = *reader.number<uint32_t>();
  if (annotations_size > kEventAnnotationsSizeMax || sections_size > kEventSectionsSizeMax ||
      event.annotation_count > annotations_size) {
    return std::nullopt;
  }
  const auto annotations = reader.take(annotations_size);
  const auto sections = annotations ? reader.take(sections_size) : std::nullopt;
  if (!sections) return std::nullopt;
  event.annotations = *annotations;
  event.sections = *sections;
  return event;
}

// What was packed as it was before; nothing if it can't have been.
std::optional<Bytes> unpacked(ByteView record) {
  ByteReader reader(record);
  reader.take(kHeaderSize);
  const auto size = reader.number<uint32_t>();
  if (!size || *size > kEventBlockSizeMax - kHeaderSize) return std::nullopt;
  Bytes plain(record.substr(0, kHeaderSize));
  plain.front() = static_cast<char>(kVersion);
  plain.resize(kHeaderSize + *size);
  const int made =
      LZ4_decompress_safe(reader.rest().data(), plain.data() + kHeaderSize,
                          static_cast<int>(reader.remaining()), static_cast<int>(*size));
  if (made < 0 || static_cast<uint32_t>(made) != *size) return std::nullopt;
  return plain;
}

}  // namespace

Result<EventBlockPtr> EventBlock::decode(ByteView record) {
  if (record.size() < kHeaderSize || record.size() > kEventBlockSizeMax) return corrupt();
  const bool packed = static_cast<uint8_t>(record.front()) == kPackedVersion;
  auto plain = packed ? unpacked(record) : Bytes(record);
  if (!plain) return corrupt();
  std::shared_ptr<EventBlock> block(new EventBlock);
  block->record_ = *std::move(plain);
  ByteReader reader(block->record_);
  const uint8_t version = *reader.number<uint8_t>();
  block->first_ = *reader.number<uint64_t>();
  block->first_offset_ = *reader.number<uint64_t>();
  const uint32_t count = *reader.number<uint32_t>();
  if (version != kVersion || count == 0 || count > reader.remaining() / kEventHeaderSize ||
      block->first_ > UINT64_MAX - count ||
      block->first_offset_ > UINT64_MAX - block->record_.size()) {
    return corrupt();
  }
  block->starts_.reserve(count);
  WallTime last = WallTime::min();
  for (uint32_t i = 0; i < count; ++i) {
    block->starts_.push_back(static_cast<uint32_t>(block->record_.size() - reader.remaining()));
    const auto event = read_event(reader);
    if (!event || event->enqueued < last) return corrupt();
    last = event->enqueued;
  }
  if (!reader.empty()) return corrupt();
  return block;
}

// Events of one kind of device repeat their annotations and property names: a third to a half is
// usual. What does not shrink by an eighth is not worth unpacking.
Bytes EventBlock::stored() const {
  const ByteView events = ByteView(record_).substr(kHeaderSize);
  const size_t room = events.size() - events.size() / 8;
  Bytes packed = record_.substr(0, kHeaderSize);
  packed.front() = static_cast<char>(kPackedVersion);
  ByteWriter(packed).number(static_cast<uint32_t>(events.size()));
  const size_t start = packed.size();
  packed.resize(start + room);
  const int made = LZ4_compress_default(events.data(), packed.data() + start,
                                        static_cast<int>(events.size()), static_cast<int>(room));
  if (made <= 0) return record_;
  packed.resize(start + static_cast<size_t>(made));
  return packed.size() < record_.size() ? packed : record_;
}

size_t EventBlock::memory_bytes() const {
  return sizeof(*this) + record_.capacity() + starts_.capacity() * sizeof(uint32_t) + kAroundPieces;
}

uint64_t EventBlock::next_offset() const { return first_offset_ + record_.size() - kHeaderSize; }

Event EventBlock::at(size_t index) const {
  CHECK(index < starts_.size());
  ByteReader reader(ByteView(record_).substr(starts_[index]));
  Event event = *read_event(reader);
  event.sequence = first_ + index;
  event.offset = first_offset_ + starts_[index] - kHeaderSize;
  return event;
}

Result<LogEntry> decode_log_entry(ByteView key, ByteView value) {
  if (EventGap::is_gap(value)) {
    const auto gap = EventGap::decode(value);
    if (!gap) return std::unexpected(gap.error());
    if (key == event_block_key(gap->next - 1)) return *gap;
    return fail(ErrorCode::kStoreCorrupt, "a gap of the event log lies under a wrong key");
  }
  auto block = EventBlock::decode(value);
  if (!block) return std::unexpected(block.error());
  if (key == event_block_key((*block)->next() - 1)) return *std::move(block);
  return fail(ErrorCode::kStoreCorrupt, "a block of events lies under a wrong key");
}

EventBlockBuilder::EventBlockBuilder(uint64_t sequence, uint64_t offset)
    : first_(sequence), first_offset_(offset) {
  ByteWriter writer(record_);
  writer.number(kVersion);
  writer.number(sequence);
  writer.number(offset);
  writer.number(uint32_t{0});  // The count: finish() knows it.
}

bool EventBlockBuilder::fits(const NewEvent& event) const {
  return record_.size() + stored_size(event) <= kEventBlockSizeMax;
}

void EventBlockBuilder::add(const NewEvent& event, WallTime enqueued) {
  CHECK(fits(event));
  starts_.push_back(static_cast<uint32_t>(record_.size()));
  ByteWriter writer(record_);
  writer.number(static_cast<uint64_t>(enqueued.time_since_epoch().count()));
  writer.number(event.annotation_count);
  writer.number(static_cast<uint32_t>(event.annotations.size()));
  writer.number(static_cast<uint32_t>(event.sections.size()));
  writer.bytes(event.annotations);
  writer.bytes(event.sections);
}

EventBlockPtr EventBlockBuilder::finish() {
  CHECK(!starts_.empty());
  Bytes count;
  ByteWriter(count).number(static_cast<uint32_t>(starts_.size()));
  record_.replace(kCountPlace, count.size(), count);
  // They grew by doubling, and may stay in memory for long.
  record_.shrink_to_fit();
  starts_.shrink_to_fit();
  std::shared_ptr<EventBlock> block(new EventBlock);
  block->record_ = std::move(record_);
  block->first_ = first_;
  block->first_offset_ = first_offset_;
  block->starts_ = std::move(starts_);
  return block;
}

}  // namespace linarite::hub
