#include "iofail/world.h"

#include <fmt/format.h>

#include "base/text.h"
#include "iofail/promises.h"

namespace linarite::iofail {
namespace {

constexpr size_t kMemtable = size_t{64} << 10U;  // RocksDB's least: many tables.
constexpr size_t kEventSize = 2500;

std::string text_with(uint32_t index, uint64_t seed, size_t size) {
  SeededRandom random(seed + index);
  return fmt::format("{} ", index) + random.bytes(size);
}

}  // namespace

World::World(std::string path, WallTime wall) : path_(std::move(path)), clock_(wall) {}

Status World::open() {
  auto opened = store::EmbeddedStore::open(
      {.path = path_, .partition_count = kPartitions, .memtable_bytes = kMemtable}, clock_, log_);
  if (!opened) return std::unexpected(opened.error());
  store_ = *std::move(opened);
  registry_ = std::make_unique<prometheus::Registry>();
  hub_ = std::make_unique<hub::Hub>(hub::HubOptions{}, hub::Hub::Parts{.store = *store_,
                                                                       .loops = {&loop_},
                                                                       .random = random_,
                                                                       .log = log_,
                                                                       .metrics = *registry_,
                                                                       .vault = vault_});
  return wait<Status>([&](Reply<Status> reply) { hub_->open(std::move(reply)); });
}

Status World::close() {
  if (!store_) return {};
  Status closed = store_->close();
  loop_.drop_all();
  hub_.reset();
  store_.reset();
  return closed;
}

std::string event_text(uint32_t index) {
  return text_with(index, 1'000'000, kEventSize + index % 7 * 100);
}
std::string message_text(uint32_t index) { return text_with(index, 2'000'000, 100 + index); }

std::optional<uint32_t> index_of(std::string_view text) {
  const size_t blank = text.find(' ');
  if (blank == std::string_view::npos) return std::nullopt;
  const auto index = whole_number<uint32_t>(text.substr(0, blank));
  if (!index || (text != event_text(*index) && text != message_text(*index))) return std::nullopt;
  return index;
}

std::string device_name(uint32_t index) { return fmt::format("device-{}", index); }

uint32_t partition_number(hub::Hub& hub, const std::string& device) {
  uint32_t number = 0;
  while (&hub.partition(number) != &hub.partition_of(device)) ++number;
  return number;
}

}  // namespace linarite::iofail
