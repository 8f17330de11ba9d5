#include "base/process_sample.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "base/text.h"

namespace linarite {
namespace {

double ticks_per_second() { return static_cast<double>(::sysconf(_SC_CLK_TCK)); }

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream out;
  out << file.rdbuf();
  return out.str();
}

// utime and stime are fields 14 and 15; the name, field 2, may hold blanks.
std::optional<double> cpu_of(const std::string& stat) {
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user = 0;
  double system = 0;
  if (!(fields >> user >> system)) return std::nullopt;
  return (user + system) / ticks_per_second();
}

std::optional<uint64_t> written_of(const std::string& io) {
  static constexpr std::string_view kName = "\nwrite_bytes: ";
  const size_t at = io.find(kName);
  if (at == std::string::npos) return std::nullopt;
  const size_t begin = at + kName.size();
  return whole_number<uint64_t>(io.substr(begin, io.find('\n', begin) - begin));
}

}  // namespace

std::optional<ProcessSample> sample_process(int64_t pid, const std::filesystem::path& proc) {
  const std::filesystem::path folder = proc / std::to_string(pid);
  ProcessSample out;
  const auto cpu = cpu_of(content_of(folder / "stat"));
  if (!cpu) return std::nullopt;
  out.cpu_s = *cpu;
  std::istringstream statm(content_of(folder / "statm"));
  uint64_t total = 0;
  uint64_t resident = 0;
  statm >> total >> resident;
  out.resident_bytes = resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  out.written_bytes = written_of(content_of(folder / "io"));
  std::error_code error;
  for (const auto& thread : std::filesystem::directory_iterator(folder / "task", error)) {
    const auto id = whole_number<int64_t>(thread.path().filename().string());
    const auto used = cpu_of(content_of(thread.path() / "stat"));
    if (id && used) out.thread_cpu_s[*id] = *used;
  }
  return out;
}

std::string process_name(int64_t pid, const std::filesystem::path& proc) {
  std::string out = content_of(proc / std::to_string(pid) / "comm");
  out.erase(out.find_last_not_of('\n') + 1);
  return out;
}

double machine_cpu_s(const std::filesystem::path& proc) {
  // user nice system idle iowait irq softirq steal, in ticks.
  std::ifstream file(proc / "stat");
  std::string name;
  file >> name;
  double busy = 0;
  for (int field = 0; field < 8; ++field) {
    double ticks = 0;
    file >> ticks;
    const bool waiting = field == 3 || field == 4;
    if (!waiting) busy += ticks;
  }
  return busy / ticks_per_second();
}

Usage usage_between(const ProcessSample& before, const ProcessSample& after) {
  Usage out{.cpu_s = after.cpu_s - before.cpu_s,
            .resident_before = before.resident_bytes,
            .resident_after = after.resident_bytes};
  if (before.written_bytes && after.written_bytes) {
    out.written_bytes = *after.written_bytes - *before.written_bytes;
  }
  for (const auto& [id, used] : after.thread_cpu_s) {
    const auto earlier = before.thread_cpu_s.find(id);
    const double since = earlier == before.thread_cpu_s.end() ? 0 : earlier->second;
    out.busiest_thread_s = std::max(out.busiest_thread_s, used - since);
  }
  return out;
}

}  // namespace linarite
