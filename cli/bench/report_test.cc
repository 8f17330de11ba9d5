#include "cli/bench/report.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

namespace linarite::cli {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class ReportTest : public ::testing::Test {
 protected:
  ReportTest() {
    LoadFigures load{.name = "c2d", .begun = 1050, .count = 1000};
    Latencies accepted;
    for (int i = 1; i <= 100; ++i) accepted.add(milliseconds(i));
    load.latencies.emplace_back("accepted", accepted);
    Measurement one{.name = "c2d", .seconds = 2};
    one.loads.push_back(load);
    one.tool = {.cpu_s = 1, .busiest_thread_s = 0.6, .resident_after = 50'000'000};
    one.server = Usage{.cpu_s = 0.1,
                       .written_bytes = 400'000,
                       .resident_before = 20'000'000,
                       .resident_after = 30'000'000};
    one.others_cpu_s = 0.5;
    one.more.emplace_back("server_rss_bytes_each", 15'900);
    result_ = {.started = "2026-11-28T00:00:00.0000000Z",
               .host = "hub.test",
               .server_pid = 42,
               .measurements = {one},
               .cores = 2};
  }
  Measurement& measurement() { return result_.measurements.front(); }
  LoadFigures& load() { return measurement().loads.front(); }

  BenchPlan plan_{.devices = 10, .window = 500, .body_bytes = 128};
  BenchResult result_;
};

TEST_F(ReportTest, JsonHasAllFigures) {
  const auto json = bench_json(plan_, result_);
  EXPECT_EQ(json.at("hub"), "hub.test");
  EXPECT_EQ(json.at("server_pid"), 42);
  EXPECT_EQ(json.at("mistake"), nullptr);
  EXPECT_EQ(json.at("parameters").at("scenario"), "c2d");
  EXPECT_EQ(json.at("parameters").at("devices"), 10);
  EXPECT_EQ(json.at("machine").at("cores"), 2);
  EXPECT_TRUE(json.contains("linarite"));
  const auto& one = json.at("measurements").at(0);
  EXPECT_EQ(one.at("server").at("cpu_us_each"), 100.0);
  EXPECT_EQ(one.at("server").at("cpu_percent"), 5.0);
  EXPECT_EQ(one.at("server").at("written_bytes_each"), 400.0);
  EXPECT_EQ(one.at("server").at("rss_after_bytes"), 30'000'000U);
  EXPECT_EQ(one.at("bench").at("busiest_thread_percent"), 30.0);
  EXPECT_EQ(one.at("others_cpu_percent"), 25.0);
  EXPECT_EQ(one.at("server_rss_bytes_each"), 15'900.0);
  const auto& load = one.at("loads").at(0);
  EXPECT_EQ(load.at("per_second"), 500.0);
  EXPECT_EQ(load.at("lost"), 0);
  const auto& accepted = load.at("latency").at("accepted");
  EXPECT_EQ(accepted.at("max_us"), 100'000);
  for (const char* name : {"p50_us", "p90_us", "p99_us", "p99_9_us"}) {
    EXPECT_GT(accepted.at(name).as_int64(), 0) << name;
  }
}

TEST_F(ReportTest, AHubSomewhereElseHasNoUsage) {
  measurement().server.reset();
  result_.server_pid.reset();
  const auto json = bench_json(plan_, result_);
  EXPECT_EQ(json.at("measurements").at(0).at("server"), nullptr);
  EXPECT_EQ(json.at("server_pid"), nullptr);
  EXPECT_THAT(bench_table(plan_, result_), Not(HasSubstr("server:")));
}

TEST_F(ReportTest, TheTable) {
  const std::string table = bench_table(plan_, result_);
  EXPECT_THAT(table, HasSubstr("c2d: 10 devices, 500 under way, 128 bytes\n"));
  EXPECT_THAT(table, HasSubstr("until accepted"));
  EXPECT_THAT(table, HasSubstr("server: 5.0 % of a core, 100 us each, 400 bytes written each, "
                               "RSS 20.0 MB to 30.0 MB\n"));
  EXPECT_THAT(table,
              HasSubstr("bench: 50.0 % of a core, its busiest thread 30.0 %; others 25.0 %"));
  EXPECT_THAT(table, Not(HasSubstr("WARNING")));
}

TEST_F(ReportTest, WarnsWhenItIsTheLimitItself) {
  EXPECT_THAT(warnings_of(result_), IsEmpty());
  measurement().tool.busiest_thread_s = 1.9;
  EXPECT_THAT(warnings_of(result_), ElementsAre(HasSubstr("was busy for 95 % of the time")));
  EXPECT_THAT(bench_table(plan_, result_), HasSubstr("WARNING: c2d: a thread of the benchmark"));
  measurement().loads.clear();
  EXPECT_THAT(warnings_of(result_), IsEmpty()) << "nothing was counted";
}

TEST_F(ReportTest, WarnsOfARateThatWasNotKeptAndOfAnInterruption) {
  load().behind = 7;
  result_.interrupted = true;
  EXPECT_THAT(warnings_of(result_),
              ElementsAre(HasSubstr("7 were due and could not be sent"), HasSubstr("interrupted")));
}

TEST_F(ReportTest, AMistakeIsASentence) {
  EXPECT_EQ(mistake_of(result_), std::nullopt);
  load().mistakes = {.refused = 1, .lost = 2, .doubled = 3, .changed = 4, .disordered = 5};
  load().first_refusal = Failure("DeviceNotFound: no");
  EXPECT_EQ(mistake_of(result_),
            "c2d: 1 refused, 2 lost, 3 doubled, 4 changed, 5 out of order of 1050; the first: "
            "DeviceNotFound: no");
}

}  // namespace
}  // namespace linarite::cli
