#include "base/logging.h"

#include <gtest/gtest.h>

namespace linarite {
namespace {

TEST(LoggingTest, LogfmtQuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(format_log_line(LogFormat::kLogfmt, LogLevel::kInfo, "device connected",
                            {{"device", "d1"}, {"agent", "py 2"}, {"empty", ""}}),
            R"(level=info msg="device connected" device=d1 agent="py 2" empty="")");
}

TEST(LoggingTest, ControlCharactersNeverLeave) {
  const std::string line = format_log_line(LogFormat::kLogfmt, LogLevel::kWarning, "refused",
                                           {{"device", "a\nlevel=info\x1b[31m\"\\"}});
  EXPECT_EQ(line, R"(level=warning msg="refused" device="a\u000alevel=info\u001b[31m\"\\")");
}

TEST(LoggingTest, Json) {
  EXPECT_EQ(format_log_line(LogFormat::kJson, LogLevel::kError, "x", {{"a", "1"}}),
            R"("level":"error","msg":"x","a":"1")");
}

}  // namespace
}  // namespace linarite
