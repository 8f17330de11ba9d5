#include "bitflip/image.h"

#include <fmt/format.h>
#include <prometheus/registry.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/clock.h"
#include "base/logging.h"
#include "base/manual_loop.h"
#include "base/random.h"
#include "hub/hub.h"
#include "hub/records.h"
#include "server/store_contents.h"
#include "store/embedded/embedded_store.h"

namespace linarite::bitflip {
namespace {

constexpr size_t kMemtable = size_t{64} << 10U;  // RocksDB's least: many tables.
constexpr int kDevices = 48;
constexpr int kRounds = 5;

// A hub on a store in a folder, driven by this thread.
class World {
 public:
  World(std::string path, uint64_t seed) : path_(std::move(path)), random_(seed) {
    image_.master_keys = vault_.text();
  }

  void open() {
    auto opened = store::EmbeddedStore::open(
        {.path = path_, .partition_count = kPartitions, .memtable_bytes = kMemtable}, clock_, log_);
    CHECK(opened.has_value());
    store_ = *std::move(opened);
    registry_ = std::make_unique<prometheus::Registry>();
    hub_ = std::make_unique<hub::Hub>(hub::HubOptions{}, hub::Hub::Parts{.store = *store_,
                                                                         .loops = {&loop_},
                                                                         .random = random_,
                                                                         .log = log_,
                                                                         .metrics = *registry_,
                                                                         .vault = vault_});
    CHECK(wait<Status>([&](Reply<Status> reply) { hub_->open(std::move(reply)); }).has_value());
    note_policies();
  }
  void close() {
    CHECK(store_->close().has_value());
    loop_.drop_all();
    hub_.reset();
    store_.reset();
  }

  template <class T, class Call>
  T wait(Call call) {
    std::optional<T> answer;
    call(Reply<T>(loop_, [&](T value) { answer = std::move(value); }));
    loop_.run_until([&] { return answer.has_value(); });
    return *std::move(answer);
  }

  void round(int number);
  // Until the high-water mark covers everything.
  void wait_for_mark();
  void note_policies() {
    for (const hub::Policy& policy : hub_->policies()->all()) {
      image_.policy_keys.insert({policy.primary_key, policy.secondary_key});
    }
  }
  Image image(const std::string& path);

 private:
  void create(const std::string& id);
  void update(hub::IdentityWrite write);
  void note(const Result<hub::DeviceView>& view) {
    CHECK(view.has_value());
    image_.identities[view->identity.device_id].push_back(view->identity);
  }
  void send(const std::string& id);
  void append_events();

  const std::string path_;
  ManualClock clock_{WallTime(std::chrono::hours(480000))};
  ManualLoop loop_{clock_};
  Logger log_ = Logger::none();
  SeededRandom random_;
  hub::KeyVault vault_ = hub::KeyVault::make(random_);
  std::unique_ptr<store::EmbeddedStore> store_;
  std::unique_ptr<prometheus::Registry> registry_;
  std::unique_ptr<hub::Hub> hub_;
  Image image_;
};

void World::create(const std::string& id) {
  note(wait<Result<hub::DeviceView>>([&](Reply<Result<hub::DeviceView>> reply) {
    hub_->create_device({.device_id = id}, std::move(reply));
  }));
}

void World::update(hub::IdentityWrite write) {
  note(wait<Result<hub::DeviceView>>([&](Reply<Result<hub::DeviceView>> reply) {
    hub_->update_device(std::move(write), {}, std::move(reply));
  }));
}

void World::send(const std::string& id) {
  wire::C2dMessage message;
  message.message_id = random_.hex(4);
  message.ack = wire::Ack::kFull;
  message.body = random_.bytes(random_.below(1500));
  const auto sent = wait<Result<uint64_t>>(
      [&](Reply<Result<uint64_t>> reply) { hub_->send(id, std::move(message), std::move(reply)); });
  if (!sent) return;  // Disabled or full.
  auto& last = image_.last_message;
  for (store::PartitionId p = 0; p < kPartitions; ++p) {
    if (&hub_->partition(p) == &hub_->partition_of(id)) last[p] = std::max(last[p], *sent);
  }
}

void World::append_events() {
  for (store::PartitionId p = 0; p < kPartitions; ++p) {
    std::optional<Status> done;
    hub_->partition(p).events().append({.annotations = {},
                                        .annotation_count = 0,
                                        .sections = random_.bytes(200 + random_.below(2000))},
                                       [&](Status status) { done = std::move(status); });
    loop_.run_until([&] { return done.has_value(); });
    CHECK(done->has_value());
  }
  clock_.advance(std::chrono::milliseconds(5));
}

void World::round(int number) {
  const auto device = [&](uint64_t index) { return fmt::format("device-{}-{}", number, index); };
  for (uint64_t i = 0; i < kDevices; ++i) {
    create(device(i));
    append_events();
    send(device(i));
    send(device(random_.below(i + 1)));
  }
  for (uint64_t i = 0; i < kDevices; i += 3) {
    update({.device_id = device(i), .status = hub::DeviceStatus::kDisabled});
    update({.device_id = device(i + 1),
            .primary_key = hub::generate_key(random_),
            .secondary_key = hub::generate_key(random_)});
    if (i % 2 == 0) {
      static_cast<void>(wait<Status>(
          [&](Reply<Status> reply) { hub_->delete_device(device(i + 2), {}, std::move(reply)); }));
    } else {
      static_cast<void>(wait<Result<uint64_t>>(
          [&](Reply<Result<uint64_t>> reply) { hub_->purge(device(i + 2), std::move(reply)); }));
    }
    append_events();
  }
  static_cast<void>(wait<Result<hub::Policy>>([&](Reply<Result<hub::Policy>> reply) {
    hub_->renew_policy_key("service", hub::Hub::WhichKey::kPrimary, std::move(reply));
  }));
  note_policies();
}

// The commit thread writes it by itself when commits pause: this is the one place where time
// passes.
void World::wait_for_mark() {
  for (;;) {
    std::ifstream in(path_ + "/high_water", std::ios::binary);
    const auto mark = store::parse_high_water(std::string(std::istreambuf_iterator<char>(in), {}));
    bool whole = mark.has_value();
    for (store::PartitionId p = 0; whole && p < kPartitions; ++p) {
      whole = (*mark)[p] == store_->sequence(p);
    }
    if (whole) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

// A copy of the store as it is, with what is in it.
Image World::image(const std::string& path) {
  std::filesystem::copy(path_, path, std::filesystem::copy_options::recursive);
  Image image = image_;
  image.path = path;
  for (store::PartitionId p = 0; p < kPartitions; ++p) {
    const auto into = [](Content::Records& to) {
      return [&to](std::string_view key, std::string_view value) {
        to.emplace(key, value);
        return true;
      };
    };
    CHECK(store_->scan(p, {}, {}, into(image.content.records[p])).has_value());
    CHECK(store_->scan_log(p, {}, {}, into(image.content.log[p])).has_value());
    const auto last = store_->last_log_record(p);
    const auto block = hub::EventBlock::decode((*last)->value);
    image.next_event[p] = (*block)->next();
    image.next_offset[p] = (*block)->next_offset();
  }
  return image;
}

}  // namespace

std::vector<Image> make_images(const std::string& folder, uint64_t seed) {
  const std::string path = folder + "/made";
  World world(path, seed);
  std::vector<Image> images;
  for (int i = 0; i < kRounds; ++i) {
    world.open();
    world.round(i);
    if (i + 1 < kRounds) world.close();
  }
  world.wait_for_mark();
  images.push_back(world.image(folder + "/cut"));
  world.close();
  world.open();
  world.wait_for_mark();
  Image closed = world.image(folder + "/unused");
  world.close();
  closed.path = folder + "/closed";
  std::filesystem::copy(path, closed.path, std::filesystem::copy_options::recursive);
  images.push_back(std::move(closed));
  return images;
}

}  // namespace linarite::bitflip
