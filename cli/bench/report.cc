#include "cli/bench/report.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <cmath>
#include <fstream>

#include "cli/version.h"

namespace linarite::cli {
namespace {

namespace json = boost::json;

// A thread that is busy for more of the time than this is what limits the figures.
constexpr double kBusyShare = 0.9;
constexpr double kPercents[] = {50, 90, 99, 99.9};
constexpr const char* kPercentNames[] = {"p50", "p90", "p99", "p99_9"};

// Six digits say all that a measurement knows.
double rounded(double value) {
  if (value == 0 || !std::isfinite(value)) return 0;
  const double scale = std::pow(10.0, 5 - std::floor(std::log10(std::abs(value))));
  return std::round(value * scale) / scale;
}

double each(double total, uint64_t count) {
  return total / static_cast<double>(std::max<uint64_t>(count, 1));
}

double per_second(double count, double seconds) { return count / std::max(seconds, 1e-9); }

double microseconds(Latencies::Microseconds time) { return static_cast<double>(time.count()); }

json::object latency_json(const Latencies& all) {
  json::object out{{"count", all.count()}};
  for (size_t i = 0; i < std::size(kPercents); ++i) {
    out[fmt::format("{}_us", kPercentNames[i])] = all.percentile(kPercents[i]).count();
  }
  out["max_us"] = all.max().count();
  return out;
}

json::object load_json(const LoadFigures& load, double seconds) {
  json::object latencies;
  for (const auto& [name, all] : load.latencies) latencies[name] = latency_json(all);
  const Mistakes& mistakes = load.mistakes;
  return {{"name", load.name},
          {"begun", load.begun},
          {"count", load.count},
          {"per_second", rounded(per_second(static_cast<double>(load.count), seconds))},
          {"behind_schedule", load.behind},
          {"repeated", load.repeated},
          {"refused", mistakes.refused},
          {"lost", mistakes.lost},
          {"doubled", mistakes.doubled},
          {"changed", mistakes.changed},
          {"misdirected", mistakes.misdirected},
          {"disordered", mistakes.disordered},
          {"latency", std::move(latencies)}};
}

json::object usage_json(const Usage& usage, uint64_t count, double seconds) {
  json::object out{
      {"cpu_us_each",
       count == 0 ? json::value(nullptr) : json::value(rounded(each(usage.cpu_s * 1e6, count)))},
      {"cpu_percent", rounded(100 * per_second(usage.cpu_s, seconds))},
      {"rss_before_bytes", usage.resident_before},
      {"rss_after_bytes", usage.resident_after}};
  if (usage.written_bytes) {
    out["written_bytes"] = *usage.written_bytes;
    if (count > 0) {
      out["written_bytes_each"] = rounded(each(static_cast<double>(*usage.written_bytes), count));
    }
  }
  return out;
}

json::object measurement_json(const Measurement& one) {
  json::array loads;
  for (const LoadFigures& load : one.loads) loads.push_back(load_json(load, one.seconds));
  json::object tool = usage_json(one.tool, one.count(), one.seconds);
  tool["busiest_thread_percent"] =
      rounded(100 * per_second(one.tool.busiest_thread_s, one.seconds));
  json::object out{
      {"name", one.name},
      {"seconds", rounded(one.seconds)},
      {"count", one.count()},
      {"loads", std::move(loads)},
      {"bench", std::move(tool)},
      {"others_cpu_percent", rounded(100 * per_second(one.others_cpu_s, one.seconds))}};
  out["server"] = one.server ? json::value(usage_json(*one.server, one.count(), one.seconds))
                             : json::value(nullptr);
  for (const auto& [name, value] : one.more) out[name] = rounded(value);
  return out;
}

json::object machine_json(const BenchResult& result) {
  utsname names{};
  ::uname(&names);
  std::string processor = names.machine;
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    processor = line.substr(std::min(line.size(), line.find(':') + 2));
    break;
  }
  return {{"cores", result.cores},
          {"processor", processor},
          {"kernel", std::string(names.sysname) + " " + names.release}};
}

json::object plan_json(const BenchPlan& plan) {
  const auto seconds = [](Duration time) { return std::chrono::duration<double>(time).count(); };
  return {{"scenario", scenario_name(plan.scenario)},
          {"devices", plan.devices},
          {"rate", plan.rate},
          {"window", plan.window},
          {"size", plan.body_bytes},
          {"warm_up_s", seconds(plan.warm_up)},
          {"seconds", seconds(plan.time)},
          {"messages", plan.messages},
          {"senders", plan.senders},
          {"readers", plan.readers},
          {"threads", plan.threads},
          {"websocket", plan.websocket}};
}

// --- The table.

std::string number(double value) {
  if (value >= 1000) return fmt::format("{:.0f}", value);
  return fmt::format("{:.3g}", value);
}

std::string in_milliseconds(Latencies::Microseconds time) {
  return number(microseconds(time) / 1000);
}

std::string in_megabytes(uint64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

void write_load(std::string& out, const LoadFigures& load, double seconds) {
  out += fmt::format("  {:<30}{:>10}{:>10}\n", load.name, load.count,
                     number(per_second(static_cast<double>(load.count), seconds)));
  for (const auto& [name, all] : load.latencies) {
    if (all.count() == 0) continue;
    out += fmt::format("    until {:<44}", name);
    for (const double percent : kPercents) {
      out += fmt::format("{:>9}", in_milliseconds(all.percentile(percent)));
    }
    out += fmt::format("{:>9}\n", in_milliseconds(all.max()));
  }
}

void write_usage(std::string& out, const Measurement& one) {
  if (one.server) {
    const Usage& used = *one.server;
    out += fmt::format("  server: {:.1f} % of a core", 100 * per_second(used.cpu_s, one.seconds));
    if (one.count() > 0) {
      out += fmt::format(", {} us each", number(each(used.cpu_s * 1e6, one.count())));
    }
    if (used.written_bytes && one.count() > 0) {
      out += fmt::format(", {} bytes written each",
                         number(each(static_cast<double>(*used.written_bytes), one.count())));
    }
    out += fmt::format(", RSS {} to {}\n", in_megabytes(used.resident_before),
                       in_megabytes(used.resident_after));
  }
  out += fmt::format("  bench: {:.1f} % of a core, its busiest thread {:.1f} %; others {:.1f} %\n",
                     100 * per_second(one.tool.cpu_s, one.seconds),
                     100 * per_second(one.tool.busiest_thread_s, one.seconds),
                     100 * per_second(one.others_cpu_s, one.seconds));
  for (const auto& [name, value] : one.more) out += fmt::format("  {}: {}\n", name, number(value));
}

}  // namespace

uint64_t Measurement::count() const {
  uint64_t out = 0;
  for (const LoadFigures& load : loads) out += load.count;
  return out;
}

std::vector<std::string> warnings_of(const BenchResult& result) {
  std::vector<std::string> out;
  for (const Measurement& one : result.measurements) {
    const double busiest = per_second(one.tool.busiest_thread_s, one.seconds);
    if (busiest > kBusyShare && one.count() > 0) {
      out.push_back(
          fmt::format("{}: a thread of the benchmark itself was busy for {:.0f} % of the "
                      "time: the hub could do more",
                      one.name, 100 * busiest));
    }
    for (const LoadFigures& load : one.loads) {
      if (load.behind == 0) continue;
      out.push_back(fmt::format("{}: the rate was not kept: {} were due and could not be sent",
                                load.name, load.behind));
    }
  }
  if (result.interrupted) out.emplace_back("it was interrupted: the figures are of what was done");
  return out;
}

std::optional<std::string> mistake_of(const BenchResult& result) {
  for (const Measurement& one : result.measurements) {
    for (const LoadFigures& load : one.loads) {
      const Mistakes& m = load.mistakes;
      if (m.total() == 0) continue;
      std::string out = load.name + ":";
      const std::pair<const char*, uint64_t> kinds[] = {
          {"refused", m.refused},         {"lost", m.lost},
          {"doubled", m.doubled},         {"changed", m.changed},
          {"misdirected", m.misdirected}, {"out of order", m.disordered}};
      for (const auto& [name, count] : kinds) {
        if (count > 0) out += fmt::format(" {} {},", count, name);
      }
      out.pop_back();
      out += fmt::format(" of {}", load.begun);
      if (load.first_refusal) out += "; the first: " + load.first_refusal->message;
      return out;
    }
  }
  return std::nullopt;
}

json::object bench_json(const BenchPlan& plan, const BenchResult& result) {
  json::array measurements;
  for (const Measurement& one : result.measurements) measurements.push_back(measurement_json(one));
  json::array warnings;
  for (const std::string& one : warnings_of(result)) warnings.emplace_back(one);
  const auto mistake = mistake_of(result);
  return {{"linarite", json::string_view(kVersion.data(), kVersion.size())},
          {"started", result.started},
          {"machine", machine_json(result)},
          {"hub", result.host},
          {"server_pid", result.server_pid ? json::value(*result.server_pid) : nullptr},
          {"parameters", plan_json(plan)},
          {"measurements", std::move(measurements)},
          {"interrupted", result.interrupted},
          {"warnings", std::move(warnings)},
          {"mistake", mistake ? json::value(*mistake) : nullptr}};
}

std::string bench_table(const BenchPlan& plan, const BenchResult& result) {
  std::string loop = plan.rate > 0 ? fmt::format("{}/s", number(plan.rate))
                                   : fmt::format("{} under way", plan.window);
  std::string out = fmt::format("{}: {} devices, {}, {} bytes\n\n", scenario_name(plan.scenario),
                                plan.devices, loop, plan.body_bytes);
  out += fmt::format("{:<32}{:>10}{:>10}{:>11}{:>9}{:>9}{:>9}{:>9}\n", "", "count", "/s", "p50 ms",
                     "p90", "p99", "p99.9", "max");
  for (const Measurement& one : result.measurements) {
    out += fmt::format("{} ({:.1f} s)\n", one.name, one.seconds);
    for (const LoadFigures& load : one.loads) write_load(out, load, one.seconds);
    write_usage(out, one);
  }
  for (const std::string& one : warnings_of(result)) out += "\nWARNING: " + one;
  if (!warnings_of(result).empty()) out += "\n";
  return out;
}

}  // namespace linarite::cli
