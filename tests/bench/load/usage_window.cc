#include "load/usage_window.h"

#include <sys/resource.h>

#include <algorithm>

#include "load/session.h"

namespace linarite::load {

ProcessSample sample_or_give_up(pid_t process) {
  if (process == 0) return {};
  auto sample = sample_process(process);
  if (!sample) give_up("the server is gone");
  return *std::move(sample);
}

double own_cpu_s() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Window::Window(pid_t server, double now_s)
    : server_(server),
      started_s_(now_s),
      before_(sample_or_give_up(server)),
      own_before_s_(own_cpu_s()),
      machine_before_s_(machine_cpu_s()) {}

void Window::add_to(Report& report, uint64_t count, double now_s) const {
  const ProcessSample after = sample_or_give_up(server_);
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
  report.add("server_written_bytes_each", static_cast<double>(after.written_bytes.value_or(0) -
                                                              before_.written_bytes.value_or(0)) /
                                              operations);
}

}  // namespace linarite::load
