// What a process has used so far, as the kernel counts it (proc(5)).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace linarite {

struct ProcessSample {
  double cpu_s = 0;  // User and system time of all its threads, in steps of 10 ms.
  uint64_t resident_bytes = 0;
  // What it handed to the disk. None where it may not be read: it is another user's process.
  std::optional<uint64_t> written_bytes;
  std::map<int64_t, double> thread_cpu_s;  // By thread id.
};

// None if there is no such process, or the kernel does not tell. `proc` is for tests.
std::optional<ProcessSample> sample_process(int64_t pid,
                                            const std::filesystem::path& proc = "/proc");
// "linarite", say: the first 15 characters. Empty if there is no such process.
std::string process_name(int64_t pid, const std::filesystem::path& proc = "/proc");
// Busy time of all processors of the machine, in seconds, interrupts included. 0 if not known.
double machine_cpu_s(const std::filesystem::path& proc = "/proc");

// What was used between two samples.
struct Usage {
  double cpu_s = 0;
  double busiest_thread_s = 0;
  std::optional<uint64_t> written_bytes;
  uint64_t resident_before = 0;
  uint64_t resident_after = 0;
};
Usage usage_between(const ProcessSample& before, const ProcessSample& after);

}  // namespace linarite
