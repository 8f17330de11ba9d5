#include "bitflip/trial.h"

#include <fmt/format.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <ranges>
#include <utility>

#include "base/clock.h"
#include "base/logging.h"
#include "base/manual_loop.h"
#include "base/random.h"
#include "base/text.h"
#include "hub/event_block.h"
#include "hub/event_gap.h"
#include "hub/hub.h"
#include "hub/records.h"
#include "server/salvage.h"
#include "server/store_contents.h"
#include "store/embedded/closed_store.h"
#include "store/embedded/embedded_store.h"

namespace linarite::bitflip {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMemtable = size_t{64} << 10U;

std::string kind_of(const std::string& name) {
  if (name.ends_with(".log")) return "log";
  if (name.ends_with(".sst")) return "table";
  const std::string plain = fs::path(name).filename();
  return plain.substr(0, plain.find('-'));  // format, high_water, CURRENT, MANIFEST, OPTIONS...
}

// The files of a store but its locks, which hold nothing.
std::vector<std::string> files_of(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    const std::string name = fs::relative(entry.path(), path);
    if (entry.is_regular_file() && name != "lock" && !name.ends_with("LOCK")) names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

class Run {
 public:
  Run(const Image& image, std::string folder, uint64_t seed)
      : image_(image), store_(folder + "/store"), salvaged_(folder + "/salvaged"), random_(seed) {
    fs::remove_all(folder);
    fs::create_directory(folder);
    fs::copy(image.path, store_, fs::copy_options::recursive);
  }

  Trial run() {
    damage();
    const std::string first = open_damaged();
    if (trial_.broken.empty() && first != "all content") look_and_salvage();
    trial_.outcome = first + trial_.outcome;
    return std::move(trial_);
  }

 private:
  void broken(std::string text) {
    if (trial_.broken.empty()) trial_.broken = std::move(text);
  }
  void damage();
  std::string open_damaged();
  void look_and_salvage();
  void judge(store::ClosedStore& kept, const server::SalvageReport& report,
             const store::ClosedStore& from);
  void judge_certain(store::PartitionId p, const Content::Records& records);
  void judge_uncertain(store::PartitionId p, const Content::Records& records);
  void judge_identity(const Bytes& value);
  void judge_log(store::PartitionId p, store::ClosedStore& kept, bool certain);
  void serve();

  const Image& image_;
  const std::string store_;
  const std::string salvaged_;
  SeededRandom random_;
  SystemRandom keys_;
  const hub::KeyVault vault_ = *hub::KeyVault::parse(image_.master_keys, keys_);
  Trial trial_;
  Logger log_ = Logger::none();
  ManualClock clock_{WallTime(std::chrono::hours(480001))};
};

void Run::damage() {
  const std::vector<std::string> names = files_of(store_);
  const std::string& name = names[random_.below(names.size())];
  const std::string path = store_ + "/" + name;
  const uint64_t size = fs::file_size(path);
  const uint64_t how = random_.below(10);
  trial_.file = kind_of(name);
  if (size == 0 || how == 0) {
    trial_.what = name + " deleted";
    fs::remove(path);
  } else if (how <= 2) {
    const uint64_t left = random_.below(size);
    trial_.what = fmt::format("{} cut at byte {} of {}", name, left, size);
    fs::resize_file(path, left);
  } else {
    const uint64_t place = random_.below(size);
    const uint64_t bit = random_.below(8);
    trial_.what = fmt::format("bit {} of byte {} of {} flipped", bit, place, name);
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(place));
    const auto byte = static_cast<char>(file.get() ^ (1 << bit));
    file.seekp(static_cast<std::streamoff>(place));
    file.put(byte);
  }
  trial_.what += " in " + image_.path;
}

// As a server would.
std::string Run::open_damaged() {
  auto opened = store::EmbeddedStore::open(
      {.path = store_, .partition_count = kPartitions, .memtable_bytes = kMemtable}, clock_, log_);
  if (!opened) {
    if (opened.error().message.empty()) broken("refused without a word");
    if (opened.error().code != ErrorCode::kStoreCorrupt) {
      broken("refused, but not as damaged: " + opened.error().message);
    }
    return "refused";
  }
  bool refused = false;
  for (store::PartitionId p = 0; p < kPartitions; ++p) {
    const auto same = [&](const Content::Records& expected, const auto& scan) {
      auto next = expected.begin();
      bool equal = true;
      const Status read = scan([&](std::string_view key, std::string_view value) {
        equal = next != expected.end() && next->first == key && next->second == value;
        if (equal) ++next;
        return equal;
      });
      if (!equal) return broken(fmt::format("partition {} serves something else", p));
      if (!read) {
        refused = true;
      } else if (next != expected.end()) {
        broken(
            fmt::format("partition {} silently ends early, before {}", p, hex_text(next->first)));
      }
    };
    same(image_.content.records[p],
         [&](const store::Store::Visitor& visit) { return (*opened)->scan(p, {}, {}, visit); });
    same(image_.content.log[p],
         [&](const store::Store::Visitor& visit) { return (*opened)->scan_log(p, {}, {}, visit); });
    const auto last = (*opened)->last_log_record(p);
    if (!last) {
      refused = true;
    } else if (!*last || (*last)->key != image_.content.log[p].rbegin()->first) {
      broken(fmt::format("partition {}: the log silently ends early", p));
    }
  }
  return refused ? "refused when read" : "all content";
}

void Run::look_and_salvage() {
  auto from = store::ClosedStore::open(store_, log_);
  if (!from) return broken("can't be looked at: " + from.error().message);
  if ((*from)->damage().empty()) return broken("the check finds no damage");
  const auto report = server::salvage(**from, salvaged_, clock_.wall(), keys_, vault_, log_);
  if (!report) return broken("can't be salvaged: " + report.error().message);
  trial_.outcome = report->records_certain ? ", records kept" : ", records distrusted";
  bool logs = true;
  for (store::PartitionId p = 0; p < kPartitions; ++p) logs = logs && (*from)->log_certain(p);
  trial_.outcome += logs ? ", events kept" : ", events with gaps";
  auto kept = store::ClosedStore::open(salvaged_, log_);
  if (!kept) return broken("what was salvaged can't be looked at: " + kept.error().message);
  if (!(*kept)->damage().empty()) {
    return broken("what was salvaged is damaged: " + (*kept)->damage().front().what);
  }
  judge(**kept, *report, **from);
  kept->reset();
  if (trial_.broken.empty()) serve();
}

void Run::judge(store::ClosedStore& kept, const server::SalvageReport& report,
                const store::ClosedStore& from) {
  const auto contents = server::read_contents(kept, vault_);
  if (!contents) return broken("the content can't be read: " + contents.error().message);
  if (!contents->problems.empty()) return broken("the hub refuses: " + contents->problems.front());
  if (contents->unopened != 0 || report.keys_renewed != 0) broken("keys can't be opened");
  if (contents->policies != 5) broken("there are not five policies");
  if (contents->identities != report.identities || contents->messages != report.messages ||
      contents->events != report.events) {
    broken("the report counts something else than is there");
  }
  for (store::PartitionId p = 0; p < kPartitions; ++p) {
    Content::Records records;
    static_cast<void>(kept.scan(p, {}, {}, [&](std::string_view key, std::string_view value) {
      records.emplace(key, value);
      return true;
    }));
    if (report.records_certain) {
      judge_certain(p, records);
    } else {
      judge_uncertain(p, records);
    }
    judge_log(p, kept, from.log_certain(p));
  }
}

// All records, and no other.
void Run::judge_certain(store::PartitionId p, const Content::Records& records) {
  const auto without_log = [](const Content::Records& all) {
    Content::Records out = all;
    out.erase(Bytes(1, hub::kTrimmedKey));
    out.erase(Bytes(1, hub::kGapKey));
    return out;
  };
  if (without_log(records) != without_log(image_.content.records[p])) {
    broken(fmt::format("partition {}: the records are not the same", p));
  }
}

// Identities that there once were, all disabled; new keys; nothing else that a client sees.
void Run::judge_uncertain(store::PartitionId p, const Content::Records& records) {
  for (const auto& [key, value] : records) {
    switch (key.front()) {
      case hub::kDeviceKey:
        judge_identity(value);
        break;
      case hub::kPolicyKey: {
        const auto policy = hub::decode_policy(value, vault_);
        if (image_.policy_keys.contains(policy->primary_key) ||
            image_.policy_keys.contains(policy->secondary_key)) {
          broken("an old key of a policy works");
        }
        break;
      }
      case hub::kReservedKey:
        if (*hub::decode_number(value) <= image_.last_message[p]) {
          broken("a message number would be used again");
        }
        break;
      case hub::kHubKey:
        if (image_.content.records[p].at(key) != value) broken("another creation time");
        break;
      case hub::kKeyringKey:
      case hub::kTrimmedKey:
      case hub::kGapKey:
        break;
      default:
        broken(fmt::format("a record of kind {} came back", key.front()));
    }
  }
}

void Run::judge_identity(const Bytes& value) {
  const auto kept = hub::decode_identity(value, vault_);
  if (kept->status != hub::DeviceStatus::kDisabled) return broken("a device is enabled");
  const auto found = image_.identities.find(kept->device_id);
  const auto same = [&](const hub::Identity& once) {
    return once.generation_id == kept->generation_id && once.primary_key == kept->primary_key &&
           once.secondary_key == kept->secondary_key && once.authentication == kept->authentication;
  };
  if (found == image_.identities.end() || std::ranges::none_of(found->second, same)) {
    broken("an identity that there never was: " + kept->device_id);
  }
}

// Blocks that there were, each in its place, all of them if the log is certain; and no number
// again.
void Run::judge_log(store::PartitionId p, store::ClosedStore& kept, bool certain) {
  const Content::Records& expected = image_.content.log[p];
  size_t blocks = 0;
  uint64_t next = 0;
  uint64_t offset = 0;
  static_cast<void>(kept.scan(p, "t", "u", [&](std::string_view, std::string_view value) {
    const auto begin = hub::decode_log_begin(value);
    next = begin->sequence;
    offset = begin->offset;
    return false;
  }));
  static_cast<void>(kept.scan_log(p, [&](std::string_view key, std::string_view value) {
    const auto entry = hub::decode_log_entry(key, value);
    if (const auto* gap = std::get_if<hub::EventGap>(&*entry)) {
      next = gap->next;
      offset = gap->next_offset;
      return true;
    }
    const auto found = expected.find(Bytes(key));
    if (found == expected.end() || found->second != value) {
      broken(fmt::format("partition {}: a block of events that there never was", p));
    }
    ++blocks;
    next = std::get<hub::EventBlockPtr>(*entry)->next();
    offset = std::get<hub::EventBlockPtr>(*entry)->next_offset();
    return true;
  }));
  if (next < image_.next_event[p] || offset < image_.next_offset[p]) {
    broken(fmt::format("partition {}: event {} would be used again", p, next));
  }
  if (certain && blocks != expected.size()) {
    broken(fmt::format("partition {}: {} of {} blocks are kept", p, blocks, expected.size()));
  }
}

// A hub opens what was salvaged, takes an event and reads everything from the beginning.
void Run::serve() {
  ManualLoop loop(clock_);
  auto opened = store::EmbeddedStore::open(
      {.path = salvaged_, .partition_count = kPartitions, .memtable_bytes = kMemtable}, clock_,
      log_);
  if (!opened) return broken("what was salvaged can't be opened: " + opened.error().message);
  prometheus::Registry metrics;
  hub::Hub hub({}, {.store = **opened,
                    .loops = {&loop},
                    .random = keys_,
                    .log = log_,
                    .metrics = metrics,
                    .vault = vault_});
  std::optional<Status> done;
  hub.open({loop, [&](Status status) { done = std::move(status); }});
  loop.run_until([&] { return done.has_value(); });
  if (!*done) return broken("the hub does not open: " + done->error().message);
  for (store::PartitionId p = 0; p < kPartitions; ++p) {
    done.reset();
    hub::EventLog& events = hub.partition(p).events();
    events.append({.annotations = {}, .annotation_count = 0, .sections = "new"},
                  [&](Status status) { done = std::move(status); });
    loop.run_until([&] { return done.has_value(); });
    uint64_t next = events.state().first_sequence;
    bool seen = false;
    while (done->has_value() && next < events.state().next_sequence) {
      const auto blocks = events.read_on(next);
      if (!blocks || blocks->empty()) break;
      next = blocks->back()->next();
      seen = blocks->back()->back().sections == "new" &&
             blocks->back()->back().sequence >= image_.next_event[p];
    }
    if (!seen) broken(fmt::format("partition {}: the log can't be read to its end", p));
    const auto last = events.find({.kind = hub::EventPosition::Kind::kOffset,
                                   .number = events.state().last_offset,
                                   .inclusive = true});
    // The number may lie in the gap before the event, where reading goes on with the event.
    const auto found = last ? events.read(*last) : std::unexpected(last.error());
    if (!found || !*found || (*found)->back().sections != "new") {
      broken(fmt::format("partition {}: the last event is not found by its offset", p));
    }
  }
  static_cast<void>((*opened)->close());
  loop.drop_all();
}

}  // namespace

Trial run_trial(const std::vector<Image>& images, const std::string& folder, uint64_t seed) {
  return Run(images[seed % images.size()], folder, seed).run();
}

}  // namespace linarite::bitflip
