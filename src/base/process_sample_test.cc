#include "base/process_sample.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace linarite {
namespace {

class ProcessSampleTest : public ::testing::Test {
 protected:
  ProcessSampleTest() {
    char name[] = "/tmp/linarite-proc-XXXXXX";
    proc_ = ::mkdtemp(name);
  }
  ~ProcessSampleTest() override { std::filesystem::remove_all(proc_); }

  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((proc_ / path).parent_path());
    std::ofstream(proc_ / path) << text;
  }
  static std::string stat(const std::string& name, int user, int system) {
    return "42 (" + name + ") S 1 2 3 4 5 6 7 8 9 10 " + std::to_string(user) + " " +
           std::to_string(system) + " 0 0 20 0 4\n";
  }

  std::filesystem::path proc_;
  const double tick_ = 1.0 / static_cast<double>(::sysconf(_SC_CLK_TCK));
};

TEST_F(ProcessSampleTest, ReadsWhatTheKernelWrites) {
  write("42/stat", stat("a) (b", 300, 100));
  write("42/statm", "1000 50 10 1 0 20 0\n");
  write("42/io", "rchar: 1\nwchar: 2\nread_bytes: 3\nwrite_bytes: 8192\n");
  write("42/task/42/stat", stat("a", 100, 0));
  write("42/task/43/stat", stat("b", 200, 100));
  const auto sample = sample_process(42, proc_);
  ASSERT_TRUE(sample);
  EXPECT_DOUBLE_EQ(sample->cpu_s, 400 * tick_);
  EXPECT_EQ(sample->resident_bytes, 50 * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)));
  EXPECT_EQ(sample->written_bytes, 8192U);
  EXPECT_DOUBLE_EQ(sample->thread_cpu_s.at(43), 300 * tick_);
}

TEST_F(ProcessSampleTest, AProcessThatIsNotThere) {
  EXPECT_FALSE(sample_process(42, proc_));
  write("42/stat", "nonsense");
  EXPECT_FALSE(sample_process(42, proc_));
}

TEST_F(ProcessSampleTest, Name) {
  write("42/comm", "linarite\n");
  EXPECT_EQ(process_name(42, proc_), "linarite");
  EXPECT_EQ(process_name(43, proc_), "");
}

TEST_F(ProcessSampleTest, AnotherUsersProcessDoesNotTellWhatItWrites) {
  write("42/stat", stat("a", 1, 1));
  EXPECT_EQ(sample_process(42, proc_)->written_bytes, std::nullopt);
}

TEST_F(ProcessSampleTest, TheMachineIsBusyWhenItDoesNotWait) {
  write("stat", "cpu  100 10 50 9999 8888 5 5 30 0 0\ncpu0 1 2 3\n");
  EXPECT_DOUBLE_EQ(machine_cpu_s(proc_), 200 * tick_);
}

TEST_F(ProcessSampleTest, UsageIsTheDifference) {
  const ProcessSample before{
      .cpu_s = 1, .resident_bytes = 100, .written_bytes = 10, .thread_cpu_s = {{1, 0.5}, {2, 0.5}}};
  const ProcessSample after{.cpu_s = 3,
                            .resident_bytes = 150,
                            .written_bytes = 30,
                            .thread_cpu_s = {{1, 0.6}, {2, 1.5}, {3, 0.9}}};
  const Usage usage = usage_between(before, after);
  EXPECT_DOUBLE_EQ(usage.cpu_s, 2);
  EXPECT_DOUBLE_EQ(usage.busiest_thread_s, 1);
  EXPECT_EQ(usage.written_bytes, 20U);
  EXPECT_EQ(usage.resident_before, 100U);
  EXPECT_EQ(usage.resident_after, 150U);
}

TEST_F(ProcessSampleTest, ThisProcess) {
  const auto sample = sample_process(::getpid());
  ASSERT_TRUE(sample);
  EXPECT_GT(sample->resident_bytes, 0U);
  EXPECT_TRUE(sample->thread_cpu_s.contains(::getpid()));
}

}  // namespace
}  // namespace linarite
