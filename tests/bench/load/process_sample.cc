#include "load/process_sample.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "load/session.h"

namespace linarite::load {
namespace {

std::string read_file(pid_t process, const char* name) {
  std::ifstream file(fmt::format("/proc/{}/{}", process, name));
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

// utime and stime are fields 14 and 15 (proc(5)); the name, field 2, may hold blanks.
double cpu_of(const std::string& stat) {
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) give_up("the server is gone");
  std::istringstream fields(stat.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

uint64_t written_of(const std::string& io) {
  static constexpr std::string_view kName = "\nwrite_bytes: ";
  const size_t at = io.find(kName);
  return at == std::string::npos ? 0 : std::strtoull(io.c_str() + at + kName.size(), nullptr, 10);
}

}  // namespace

ProcessSample sample_process(pid_t process) {
  ProcessSample out;
  if (process == 0) return out;
  out.cpu_s = cpu_of(read_file(process, "stat"));
  std::istringstream statm(read_file(process, "statm"));
  uint64_t total = 0;
  uint64_t resident = 0;
  statm >> total >> resident;
  out.resident_bytes = resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  out.written_bytes = written_of(read_file(process, "io"));
  return out;
}

double own_cpu_s() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double machine_cpu_s() {
  // proc(5): user nice system idle iowait irq softirq steal, in ticks.
  std::ifstream file("/proc/stat");
  std::string name;
  file >> name;
  double busy = 0;
  for (int field = 0; field < 8; ++field) {
    double ticks = 0;
    file >> ticks;
    const bool waiting = field == 3 || field == 4;
    if (!waiting) busy += ticks;
  }
  return busy / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

Window::Window(pid_t server, double now_s)
    : server_(server),
      started_s_(now_s),
      before_(sample_process(server)),
      own_before_s_(own_cpu_s()),
      machine_before_s_(machine_cpu_s()) {}

void Window::add_to(Report& report, uint64_t count, double now_s) const {
  const ProcessSample after = sample_process(server_);
  const double seconds = now_s - started_s_;
  const double operations = static_cast<double>(std::max<uint64_t>(count, 1));
  const double server_s = after.cpu_s - before_.cpu_s;
  const double own_s = own_cpu_s() - own_before_s_;
  const double others_s = machine_cpu_s() - machine_before_s_ - server_s - own_s;
  report.add("seconds", seconds);
  report.add("count", count);
  report.add("per_second", static_cast<double>(count) / seconds);
  report.add("server_cpu_us", server_s * 1e6 / operations);
  report.add("server_cpu_percent", 100 * server_s / seconds);
  report.add("load_cpu_us", own_s * 1e6 / operations);
  report.add("load_cpu_percent", 100 * own_s / seconds);
  report.add("others_cpu_percent", 100 * std::max(0.0, others_s) / seconds);
  report.add("server_rss_bytes", after.resident_bytes);
  report.add("server_written_bytes_each",
             static_cast<double>(after.written_bytes - before_.written_bytes) / operations);
}

}  // namespace linarite::load
