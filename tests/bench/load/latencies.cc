#include "load/latencies.h"

#include <algorithm>

namespace linarite::load {

void Latencies::add_to(Report& report, std::string_view name) {
  report.add(fmt::format("{}_p50_us", name), quantile(0.50));
  report.add(fmt::format("{}_p99_us", name), quantile(0.99));
  report.add(fmt::format("{}_max_us", name), quantile(1));
}

uint32_t Latencies::quantile(double q) {
  if (us_.empty()) return 0;
  const auto place = static_cast<ptrdiff_t>(q * static_cast<double>(us_.size() - 1));
  std::nth_element(us_.begin(), us_.begin() + place, us_.end());
  return us_[static_cast<size_t>(place)];
}

}  // namespace linarite::load
