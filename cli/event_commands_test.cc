// Watching events, as far as no event is needed; tests/conformance/test_cli.py has the rest.
#include <gmock/gmock.h>

#include "cli/fake_hub.h"

namespace linarite::cli {
namespace {

using ::testing::StartsWith;

class EventCommands : public FakeHubTest {
 protected:
  std::string monitor(std::vector<std::string> words) {
    words.insert(words.begin(), {"hub", "monitor-events"});
    return run(std::move(words));
  }
};

TEST_F(EventCommands, CheckTheirWords) {
  EXPECT_THAT(monitor({"-q", "SELECT * FROM devices"}), StartsWith("exit 2: --device-query: "));
  EXPECT_THAT(monitor({"-p", "sys", "most"}), StartsWith("exit 2: --properties: 'most' is not"));
  EXPECT_THAT(monitor({"-t", "-1"}), StartsWith("exit 2: --timeout"));
  EXPECT_THAT(monitor({"--mc", "0"}), StartsWith("exit 2: --message-count"));
  EXPECT_THAT(monitor({"-e", "253402300800000"}), StartsWith("exit 2: --enqueued-time"));
}

TEST_F(EventCommands, ARefusalEndsIt) {
  will_refuse_tokens(1);
  EXPECT_THAT(monitor({"-t", "0", "-d", "d*", "-y"}),
              StartsWith("exit 1: IotHubUnauthorizedAccess: "));
}

}  // namespace
}  // namespace linarite::cli
