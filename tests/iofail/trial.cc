#include "iofail/trial.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "base/out_of_memory.h"
#include "iofail/allocations.h"
#include "iofail/disk.h"
#include "iofail/judge.h"
#include "iofail/scenario.h"

namespace linarite::iofail {
namespace {

namespace fs = std::filesystem;

constexpr auto kPatience = std::chrono::seconds(120);
constexpr int kKept = 0;
constexpr int kBroken = 3;
constexpr std::string_view kOutOfMemory = "out of memory";

struct End {
  bool hung = false;
  int status = 0;

  bool exited(int code) const { return !hung && WIFEXITED(status) && WEXITSTATUS(status) == code; }
  bool aborted() const { return !hung && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT; }
  std::string text() const {
    if (hung) return "it hung";
    if (WIFSIGNALED(status)) return fmt::format("signal {}", WTERMSIG(status));
    return fmt::format("exit code {}", WEXITSTATUS(status));
  }
};

// Its standard error goes to the file.
template <class Work>
End in_own_process(const std::string& errors, Work work) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) std::abort();
  if (child == 0) {
    const int file = ::open(errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ::dup2(file, STDERR_FILENO);
    std::exit(work());
  }
  End end;
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (::waitpid(child, &end.status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > deadline) {
      end.hung = true;
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
      break;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return end;
}

std::string content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Folders {
  explicit Folders(const std::string& folder)
      : store(folder + "/store"), killed(folder + "/killed"), errors(folder + "/errors") {
    fs::remove_all(folder);
    fs::create_directory(folder);
  }
  const std::string store;
  const std::string killed;
  const std::string errors;
};

std::string judged(const std::string& store, const std::string& errors) {
  if (!fs::exists(store)) return {};  // Not even begun.
  const End end = in_own_process(errors, [&] {
    const std::string broken = judge(store);
    std::fputs(broken.c_str(), stderr);
    return broken.empty() ? kKept : kBroken;
  });
  if (end.exited(kKept)) return {};
  return (end.exited(kBroken) ? "" : end.text() + ": ") + content_of(errors);
}

std::string judge_both(const Folders& folders) {
  fs::copy(folders.store, folders.killed, fs::copy_options::recursive);
  std::string broken = judged(folders.killed, folders.errors);
  if (!broken.empty()) return "after a kill: " + broken;
  cut_power(folders.store);
  broken = judged(folders.store, folders.errors);
  return broken.empty() ? broken : "after a power cut: " + broken;
}

std::string outcome_of(const Promises& promises) {
  if (promises.refused_to_open) return "refused to open";
  if (promises.write_failed) return "no more writes until opened again";
  if (promises.read_failed) return "a read failed";
  return "unnoticed, all there";
}

}  // namespace

Trial run_trial(const std::string& folder, const Fault& fault) {
  const Folders folders(folder);
  reset_shared_memory();
  shared().fault = fault;
  const End end = in_own_process(folders.errors, [&] {
    watch_folder(folders.store);
    play(folders.store);
    return kKept;
  });
  const Promises& promises = shared().promises;
  const bool killed = end.exited(kKilled) && shared().hit;
  Trial trial{.outcome = killed ? "killed" : outcome_of(promises),
              .error = promises.first_error.data(),
              .broken = {}};
  if (!end.exited(kKept) && !killed) trial.broken = end.text() + ": " + content_of(folders.errors);
  if (trial.broken.empty()) trial.broken = promises.broken.data();
  if (trial.broken.empty() && fs::exists(folders.store)) trial.broken = judge_both(folders);
  return trial;
}

Trial run_allocation_trial(const std::string& folder, FailingAllocation failing) {
  const Folders folders(folder);
  reset_shared_memory();
  shared().failing_allocation = failing.number;
  shared().failing_place = failing.place;
  shared().collect_places = failing.number == 0 && failing.place == 0;
  const End end = in_own_process(folders.errors, [&] {
    end_when_out_of_memory();
    watch_folder(folders.store);
    watch_allocations(true);
    play(folders.store);
    watch_allocations(false);
    return kKept;
  });
  const std::string said = content_of(folders.errors);
  const bool loud = end.aborted() && said.find(kOutOfMemory) != std::string::npos;
  Trial trial{.outcome = loud ? "ended loudly" : "went on", .error = said, .broken = {}};
  if (shared().hit != loud) trial.broken = end.text() + ": " + said;
  if (trial.broken.empty()) trial.broken = shared().promises.broken.data();
  if (trial.broken.empty() && fs::exists(folders.store)) trial.broken = judge_both(folders);
  return trial;
}

}  // namespace linarite::iofail
