// bitflip [--trials N] [--seconds N] [--seed N] [--keep 1]
//
// Makes a store of known content and damages copies of it, one place at a time: a bit, the end of a
// file, a whole file. Each must be opened with all of its content, or refused and then salvaged;
// what is salvaged must be true. Trial N of a seed is trial 1 of the seed N - 1 later. Which tables
// RocksDB has made by then is not the same in each run, so that a seed does not always show a
// failure again: the files of one stay (with --keep 1, always), and their folder is printed.
#include <fmt/format.h>
#include <stdlib.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "base/text.h"
#include "bitflip/image.h"
#include "bitflip/trial.h"

namespace {

constexpr uint64_t kImageSeed = 1;

struct Arguments {
  uint64_t trials = UINT64_MAX;
  uint64_t seconds = 1'000'000;
  uint64_t seed = 1;
  uint64_t keep = 0;
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    const auto value = linarite::whole_number<uint64_t>(i + 1 < argc ? argv[i + 1] : "");
    uint64_t* const field = name == "--trials"    ? &arguments.trials
                            : name == "--seconds" ? &arguments.seconds
                            : name == "--seed"    ? &arguments.seed
                            : name == "--keep"    ? &arguments.keep
                                                  : nullptr;
    if (field == nullptr || !value) {
      fmt::print(stderr, "bitflip [--trials N] [--seconds N] [--seed N] [--keep 1]\n");
      std::exit(2);
    }
    *field = *value;
  }
  return arguments;
}

// In memory where the machine allows it: this is about content, not about disks.
std::string make_folder() {
  const bool in_memory = std::filesystem::is_directory("/dev/shm");
  std::string path = (in_memory ? "/dev/shm" : std::filesystem::temp_directory_path().string()) +
                     "/bitflip_XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) std::exit(2);
  return path;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  const std::string folder = make_folder();
  const auto images = linarite::bitflip::make_images(folder, kImageSeed);
  const auto started = std::chrono::steady_clock::now();
  std::map<std::string, std::map<std::string, uint64_t>> outcomes;
  uint64_t trials = 0;
  uint64_t broken = 0;
  while (trials < arguments.trials && broken == 0 &&
         std::chrono::steady_clock::now() - started < std::chrono::seconds(arguments.seconds)) {
    const uint64_t seed = arguments.seed + trials++;
    const auto trial = linarite::bitflip::run_trial(images, folder + "/trial", seed);
    ++outcomes[trial.file][trial.outcome];
    if (trial.broken.empty()) continue;
    ++broken;
    fmt::print("BROKEN with --seed {}: {}\n  {}: {}\n", seed, trial.what, trial.outcome,
               trial.broken);
  }
  for (const auto& [file, counts] : outcomes) {
    for (const auto& [outcome, count] : counts)
      fmt::print("{:10} {:6}  {}\n", file, count, outcome);
  }
  fmt::print("{} trials, {} broken\n", trials, broken);
  if (arguments.keep == 0 && broken == 0) {
    std::filesystem::remove_all(folder);
  } else {
    fmt::print("{}\n", folder);
  }
  return broken == 0 ? 0 : 1;
}
