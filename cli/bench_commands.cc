// linarite bench
#include <boost/json/object.hpp>
#include <cstdio>

#include "cli/bench/bench.h"
#include "cli/command.h"
#include "cli/files.h"
#include "cli/output.h"

namespace linarite::cli {
namespace {

namespace json = boost::json;

// The hub as it is found, after a first answer of it: with tokens for its time.
Outcome<Service*> open_hub(Session& session) {
  const auto hub = session.service();
  if (!hub) return hub;
  const auto asked = (*hub)->ask([](auto& client) { return client.registry_statistics(); });
  if (!asked) return std::unexpected(asked.error());
  return hub;
}

Outcome<std::optional<int64_t>> server_pid(Session& session, const BenchPlan& plan) {
  if (plan.server_pid || session.has_login()) return plan.server_pid;
  const auto local = session.local();
  if (!local) return std::unexpected(local.error());
  // A hub in a container counts processes in its own way.
  const int64_t pid = (*local)->control().pid;
  return process_name(pid).starts_with("linarite") ? std::optional(pid) : std::nullopt;
}

Outcome<void> show(const BenchPlan& plan, const BenchResult& result) {
  if (plan.json_file != "") {
    const std::string table = bench_table(plan, result);
    std::fwrite(table.data(), 1, table.size(), stdout);
  }
  if (!plan.json_file) return {};
  const std::string text = format_result(bench_json(plan, result), OutputForm::kJson);
  if (!plan.json_file->empty()) {
    if (const auto written = write_file(*plan.json_file, text); !written) {
      return std::unexpected(written.error());
    }
    return {};
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  return {};
}

Outcome<json::value> bench(Session& session, Scenario scenario) {
  const auto plan = bench_plan(scenario, session.arguments());
  if (!plan) return std::unexpected(plan.error());
  const auto hub = open_hub(session);
  if (!hub) return std::unexpected(hub.error());
  const auto pid = server_pid(session, *plan);
  if (!pid) return std::unexpected(pid.error());
  const auto result = Bench(session, **hub, *plan, *pid).run();
  if (!result) return std::unexpected(result.error());
  if (const auto shown = show(*plan, *result); !shown) return std::unexpected(shown.error());
  if (const auto mistake = mistake_of(*result)) return failed(*mistake);
  return nullptr;
}

}  // namespace

Outcome<json::value> bench_c2d(Session& session) { return bench(session, Scenario::kC2d); }
Outcome<json::value> bench_c2d_offline(Session& session) {
  return bench(session, Scenario::kC2dOffline);
}
Outcome<json::value> bench_telemetry(Session& session) {
  return bench(session, Scenario::kTelemetry);
}
Outcome<json::value> bench_connect(Session& session) { return bench(session, Scenario::kConnect); }
Outcome<json::value> bench_idle(Session& session) { return bench(session, Scenario::kIdle); }
Outcome<json::value> bench_registry(Session& session) {
  return bench(session, Scenario::kRegistry);
}
Outcome<json::value> bench_mixed(Session& session) { return bench(session, Scenario::kMixed); }

Outcome<json::value> clean_bench(Session& session) {
  const auto hub = open_hub(session);
  if (!hub) return std::unexpected(hub.error());
  const auto removed = Bench(session, **hub, BenchPlan{}, std::nullopt).clean();
  if (!removed) return std::unexpected(removed.error());
  return json::object{{"removed", *removed}};
}

}  // namespace linarite::cli
