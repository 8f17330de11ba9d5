// iofail [--how EIO] [--call sync] [--file log] [--every N] [--offset N] [--ordinal N]
//        [--allocations N] [--places N] [--control 1] [--stop 1] [--keep 1]
//
// Plays one scenario again and again, each time with another call on the disk failing: every call
// there is, or every Nth from the offset on, in each way that --how, --call and --file leave. With
// --allocations N it is every Nth allocation that fails instead; with --places N every Nth of the
// places that allocate, each at its first time. --control 1 lets syncs lie: a
// promise must be broken then. The exit code is 1 if one was broken.
//
// Threads of RocksDB work beside the scenario, so that the number of calls is not the same in each
// run: they are counted twice before, and a call that a run did not come to is tried again.
#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "iofail/faults.h"
#include "iofail/trial.h"

namespace linarite::iofail {
namespace {

constexpr int kTries = 3;
constexpr uint32_t kLies = 20;  // Syncs before the control's end.
constexpr uint64_t kProgressEvery = 500;

struct Arguments {
  std::string how, call, file;  // Empty: all.
  uint64_t every = 1;
  uint64_t offset = 0;
  uint64_t ordinal = 0;      // 0: all.
  uint64_t allocations = 0;  // 0: none of them.
  uint64_t places = 0;       // The same.
  uint64_t control = 0;
  uint64_t stop = 0;  // At the first broken promise.
  uint64_t keep = 0;  // The same, and its files stay.
};

[[noreturn]] void usage() {
  fmt::print(stderr,
             "iofail [--how EIO] [--call sync] [--file log] [--every N] [--offset N] [--ordinal N] "
             "[--allocations N] [--places N] [--control 1] [--stop 1] [--keep 1]\n");
  std::exit(2);
}

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  const std::map<std::string_view, std::string*> texts{
      {"--how", &arguments.how}, {"--call", &arguments.call}, {"--file", &arguments.file}};
  const std::map<std::string_view, uint64_t*> numbers{
      {"--every", &arguments.every},     {"--offset", &arguments.offset},
      {"--ordinal", &arguments.ordinal}, {"--allocations", &arguments.allocations},
      {"--places", &arguments.places},   {"--control", &arguments.control},
      {"--stop", &arguments.stop},       {"--keep", &arguments.keep}};
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) usage();
    if (const auto text = texts.find(argv[i]); text != texts.end()) {
      *text->second = argv[i + 1];
      continue;
    }
    const auto number = numbers.find(argv[i]);
    const auto value = whole_number<uint64_t>(argv[i + 1]);
    if (number == numbers.end() || !value) usage();
    *number->second = *value;
  }
  if (arguments.every == 0) usage();
  return arguments;
}

// In memory where the machine allows it: nothing here needs a real disk.
std::string make_folder() {
  const bool in_memory = std::filesystem::is_directory("/dev/shm");
  std::string path =
      (in_memory ? "/dev/shm" : std::filesystem::temp_directory_path().string()) + "/iofail_XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) std::exit(2);
  return path;
}

class Sweep {
 public:
  Sweep(const Arguments& arguments, std::string folder)
      : arguments_(arguments), folder_(std::move(folder)) {}

  // How many promises were broken.
  uint64_t run() {
    if (arguments_.control != 0) {
      note("every sync",
           run_trial(
               folder_,
               {.how = How::kLie, .call = Call::kSync, .file = FileKind::kLog, .ordinal = kLies}));
    } else if (arguments_.allocations + arguments_.places != 0) {
      sweep_allocations();
    } else {
      sweep_calls();
    }
    for (const auto& [key, count] : outcomes_) {
      fmt::print("{:32} {:6}  {}\n", key.first, count, key.second);
    }
    fmt::print("{} trials, {} did not come to it, {} broken\n", trials_, missed_, broken_);
    return broken_;
  }

 private:
  void sweep_calls();
  void sweep_allocations();
  Counts count_calls();
  std::vector<Fault> faults(const Counts& counts) const;
  bool wanted(How how, Call call, FileKind file) const {
    const auto fits = [](const std::string& asked, std::string_view name) {
      return asked.empty() || asked == name;
    };
    return possible(how, call, file) && how != How::kLie && fits(arguments_.how, name_of(how)) &&
           fits(arguments_.call, name_of(call)) && fits(arguments_.file, name_of(file));
  }
  void note(const std::string& what, const Trial& trial, const std::string& where = {}) {
    ++trials_;
    ++outcomes_[{what, trial.outcome}];
    if (trials_ % kProgressEvery == 0) fmt::print(stderr, "{} trials\n", trials_);
    if (trial.broken.empty()) return;
    ++broken_;
    fmt::print("BROKEN {}{}: {}\n  the scenario: {}; {}\n", what, where, trial.broken,
               trial.outcome, trial.error);
    std::fflush(stdout);
  }

  const Arguments& arguments_;
  const std::string folder_;
  std::map<std::pair<std::string, std::string>, uint64_t> outcomes_;
  uint64_t trials_ = 0;
  uint64_t missed_ = 0;
  uint64_t broken_ = 0;
};

// Of two undisturbed runs, which must keep all promises, the greater number of each.
Counts Sweep::count_calls() {
  Counts most{};
  for (int i = 0; i < 2; ++i) {
    note("nothing", run_trial(folder_, {}));
    for (size_t call = 0; call < kCalls; ++call) {
      for (size_t file = 0; file < kFileKinds; ++file) {
        most[call][file] = std::max(most[call][file], shared().counts[call][file]);
      }
    }
  }
  return most;
}

std::vector<Fault> Sweep::faults(const Counts& counts) const {
  std::vector<Fault> all;
  for (size_t how = 0; how < static_cast<size_t>(How::kCount); ++how) {
    for (size_t call = 0; call < kCalls; ++call) {
      for (size_t file = 0; file < kFileKinds; ++file) {
        if (!wanted(How(how), Call(call), FileKind(file))) continue;
        for (uint32_t i = 1; i <= counts[call][file]; ++i) {
          if (arguments_.ordinal != 0 && arguments_.ordinal != i) continue;
          all.push_back({How(how), Call(call), FileKind(file), i});
        }
      }
    }
  }
  return all;
}

void Sweep::sweep_calls() {
  const Counts counts = count_calls();
  uint64_t calls = 0;
  for (size_t call = 0; call < kCalls; ++call) {
    std::string line;
    for (size_t file = 0; file < kFileKinds; ++file) {
      const uint32_t count = counts[call][file];
      calls += count;
      if (count > 0) line += fmt::format(" {} {}", name_of(FileKind(file)), count);
    }
    fmt::print("calls: {:16}{}\n", name_of(Call(call)), line);
  }
  const std::vector<Fault> all = faults(counts);
  fmt::print("{} calls on the disk, {} ways to fail, every {} of them\n", calls, all.size(),
             arguments_.every);
  for (size_t i = arguments_.offset % arguments_.every; i < all.size(); i += arguments_.every) {
    const Fault& fault = all[i];
    Trial trial;
    for (int tries = 0; tries < kTries; ++tries) {
      trial = run_trial(folder_, fault);
      if (shared().hit || !trial.broken.empty()) break;
    }
    if (!shared().hit) {
      ++missed_;
      trial.outcome = "not reached: " + trial.outcome;
    }
    note(fmt::format("{} {} {}", name_of(fault.how), name_of(fault.call), name_of(fault.file)),
         trial, fmt::format(" number {}", fault.ordinal));
    if (arguments_.keep + arguments_.stop != 0 && broken_ > 0) return;
  }
}

// Every Nth place first; then, as far as they are asked for, every Nth allocation.
void Sweep::sweep_allocations() {
  note("nothing", run_allocation_trial(folder_, {}));
  const uint64_t count = shared().allocations;
  std::vector<FailingAllocation> all;
  if (arguments_.places != 0) {
    for (const auto& place : shared().places) {
      if (place != 0) all.push_back({.number = 0, .place = place});
    }
  } else {
    for (uint64_t i = 1; i <= count; ++i) all.push_back({.number = i, .place = 0});
  }
  const uint64_t every = arguments_.places != 0 ? arguments_.places : arguments_.allocations;
  fmt::print("{} allocations, {} ways to fail, every {} of them\n", count, all.size(), every);
  for (size_t i = arguments_.offset % every; i < all.size(); i += every) {
    Trial trial;
    for (int tries = 0; tries < kTries; ++tries) {
      trial = run_allocation_trial(folder_, all[i]);
      if (shared().hit || !trial.broken.empty()) break;
    }
    if (!shared().hit) ++missed_;
    constexpr std::array<std::string_view, 3> kPhases{"opening", "working", "closing"};
    note(fmt::format("while {}", kPhases[static_cast<size_t>(shared().hit_phase)]), trial,
         fmt::format(", allocation {}, place {}", all[i].number, all[i].place));
    if (arguments_.keep + arguments_.stop != 0 && broken_ > 0) return;
  }
}

int run(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  const std::string folder = make_folder();
  make_shared_memory();
  const uint64_t broken = Sweep(arguments, folder + "/trial").run();
  if (arguments.keep == 0) {
    std::filesystem::remove_all(folder);
  } else {
    fmt::print("{}\n", folder);
  }
  return broken == 0 ? 0 : 1;
}

}  // namespace
}  // namespace linarite::iofail

int main(int argc, char** argv) { return linarite::iofail::run(argc, argv); }
