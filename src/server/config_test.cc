#include "server/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

namespace linarite::server {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ConfigTest : public ::testing::Test {
 protected:
  ConfigTest() {
    char name[] = "/tmp/linarite_config_XXXXXX";
    folder_ = mkdtemp(name);
    path_ = (folder_ / "linarite.toml").string();
  }
  ~ConfigTest() override { std::filesystem::remove_all(folder_); }

  // The message of the refusal, without the folder; empty if the text was taken.
  std::string read(const std::string& text) {
    std::ofstream(path_) << text;
    const Status done = read_file(path_, config_);
    if (done) return "";
    EXPECT_EQ(done.error().code, ErrorCode::kArgumentInvalid);
    return done.error().message.substr(folder_.string().size() + 1);
  }
  std::string environment(std::vector<const char*> pairs) {
    pairs.push_back(nullptr);
    const Status done = read_environment(pairs.data(), config_);
    return done ? "" : done.error().message;
  }
  std::string check() const {
    const Status done = config_.check();
    return done ? "" : done.error().message;
  }

  std::filesystem::path folder_;
  std::string path_;
  Config config_;
};

TEST_F(ConfigTest, TheDefaultsAreValid) { EXPECT_EQ(check(), ""); }

TEST_F(ConfigTest, AFileSetsWhatItNames) {
  EXPECT_EQ(read("[listen]\nmqtt_port = 0\naddresses = [\"::1\"]\n"
                 "[c2d]\ndefault_ttl = \"90s\"\nstrict_subscription_time = true\n"
                 "[server]\nhosts = [\"a.test\", \"b.test\"]\n"),
            "");
  EXPECT_EQ(config_.mqtt_port, 0);
  EXPECT_EQ(config_.https_port, 443);
  EXPECT_THAT(config_.addresses, ElementsAre("::1"));
  EXPECT_EQ(config_.hub.c2d.default_ttl, seconds(90));
  EXPECT_TRUE(config_.hub.c2d.strict_subscription_time);
  EXPECT_THAT(config_.hub_options().host_names,
              ElementsAre("a.test", "b.test", "127.0.0.1", "localhost"));
  EXPECT_EQ(check(), "");
}

TEST_F(ConfigTest, UnknownKeysAreErrorsWithTheirPlace) {
  EXPECT_EQ(read("# text\nnot_a_key = 1\n"), "linarite.toml:2:1: unknown key \"not_a_key\"");
  EXPECT_EQ(read("[c2d]\ndefault_ttl = \"1h\"\n  ttl = \"1h\"\n"),
            "linarite.toml:3:3: unknown key \"c2d.ttl\"");
  EXPECT_EQ(read("[tweets]\n"), "linarite.toml:1:2: unknown key \"tweets\"");
  EXPECT_THAT(read("[c2d.more]\na = 1\n"), HasSubstr("unknown key \"c2d.more\""));
  EXPECT_THAT(read("listen = 3\n"), HasSubstr("\"listen\" is a section"));
}

TEST_F(ConfigTest, ValuesOfAnotherTypeAreErrorsWithTheirPlace) {
  EXPECT_THAT(read("[listen]\nmqtt_port = \"8883\"\n"),
              HasSubstr("linarite.toml:2:13: listen.mqtt_port: a whole number from 0 to 65535"));
  EXPECT_THAT(read("[listen]\nmqtt_port = 65536\n"), HasSubstr("0 to 65535"));
  EXPECT_THAT(read("[listen]\nmqtt_port = -1\n"), HasSubstr("0 to 65535"));
  EXPECT_THAT(read("[listen]\nmqtt_port = 1.5\n"), HasSubstr("0 to 65535"));
  EXPECT_THAT(read("[c2d]\ndefault_ttl = 60\n"), HasSubstr("a whole number and a unit"));
  EXPECT_THAT(read("[server]\nin_memory = 1\n"), HasSubstr("true or false"));
  EXPECT_THAT(read("[server]\nhosts = \"a\"\n"), HasSubstr("a list of texts"));
  EXPECT_THAT(read("[server]\nhosts = [1]\n"), HasSubstr("a list of texts"));
}

TEST_F(ConfigTest, TextThatIsNoTomlIsAnErrorWithItsPlace) {
  EXPECT_THAT(read("a = = b\n"), HasSubstr("linarite.toml:1:5: "));
  EXPECT_THAT(read_file("/no/such/file", config_).error().message,
              HasSubstr("/no/such/file: No such"));
  EXPECT_FALSE(read_file(folder_.string(), config_));
}

TEST_F(ConfigTest, TheEnvironmentOverridesTheFile) {
  EXPECT_EQ(read("[c2d]\nqueue_depth_max = 60\n"), "");
  EXPECT_EQ(
      environment({"LINARITE_C2D_QUEUE_DEPTH_MAX=70", "LINARITE_SERVER_HOSTS=a.test,b.test",
                   "LINARITE_FEEDBACK_BATCHED=true", "LINARITE_CONNECTION_STRING=x", "PATH=/bin"}),
      "");
  EXPECT_EQ(config_.hub.c2d.queue_depth_max, 70U);
  EXPECT_TRUE(config_.hub.feedback.batched);
  EXPECT_THAT(config_.hosts, ElementsAre("a.test", "b.test"));
}

TEST_F(ConfigTest, VariablesOfASectionMustBeSettings) {
  EXPECT_THAT(environment({"LINARITE_C2D_DEPTH=70"}),
              HasSubstr("LINARITE_C2D_DEPTH names no setting"));
  EXPECT_THAT(environment({"LINARITE_C2D_QUEUE_DEPTH_MAX=many"}), HasSubstr("a whole number"));
}

TEST_F(ConfigTest, DurationsAreANumberAndAUnit) {
  EXPECT_EQ(parse_duration("250ms"), Duration(milliseconds(250)));
  EXPECT_EQ(parse_duration("2h"), Duration(hours(2)));
  EXPECT_EQ(parse_duration("366d"), Duration(hours(24 * 366)));
  for (const char* text :
       {"", "5", "s", "-1s", "1 s", "1.5h", "367d", "9223372036854775807d", "1S"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
  EXPECT_EQ(duration_text(hours(48)), "2d");
  EXPECT_EQ(duration_text(seconds(90)), "90s");
  EXPECT_EQ(duration_text(Duration(0)), "0s");
}

TEST_F(ConfigTest, WhatIsPrintedReadsBackTheSame) {
  config_.hosts = {"a\"b\\c\n", "b"};
  config_.mqtt_port = 1;
  config_.hub.c2d.default_ttl = seconds(61);
  const std::string printed = to_toml(config_);
  config_ = Config{};
  EXPECT_EQ(read(printed), "");
  EXPECT_EQ(to_toml(config_), printed);
}

TEST_F(ConfigTest, TheDevelopmentCaStaysOnThisMachineUnlessToldInWords) {
  config_.addresses = {"0.0.0.0"};
  EXPECT_THAT(check(), HasSubstr("--allow-dev-ca-on-public-address"));
  config_.allow_dev_ca_on_public_address = true;
  EXPECT_EQ(check(), "");
  config_.allow_dev_ca_on_public_address = false;
  config_.certificate_files = {"a.pem"};
  EXPECT_THAT(check(), HasSubstr("same number of files"));
  config_.key_files = {"a.key"};
  EXPECT_EQ(check(), "");
  config_.clock = "manual";
  EXPECT_THAT(check(), HasSubstr("a manual clock is for tests"));
}

TEST_F(ConfigTest, EachBoundIsNamed) {
  const auto refused = [this](const std::function<void(Config&)>& change) {
    config_ = Config{};
    change(config_);
    return check();
  };
  EXPECT_THAT(refused([](Config& c) { c.hosts = {"a b"}; }), HasSubstr("server.hosts"));
  EXPECT_THAT(refused([](Config& c) { c.clock = "sun"; }), HasSubstr("server.clock"));
  EXPECT_THAT(refused([](Config& c) { c.addresses = {}; }), HasSubstr("listen.addresses"));
  EXPECT_THAT(refused([](Config& c) { c.addresses = {"localhost"}; }),
              HasSubstr("listen.addresses"));
  EXPECT_THAT(refused([](Config& c) { c.partition_count = 0; }),
              HasSubstr("store.partition_count"));
  EXPECT_THAT(refused([](Config& c) { c.mqtt.c2d_window = 51; }), HasSubstr("mqtt.c2d_window"));
  EXPECT_THAT(refused([](Config& c) { c.hub.c2d.queue_depth_max = 0; }),
              HasSubstr("mqtt.c2d_window"));
  EXPECT_THAT(refused([](Config& c) { c.hub.c2d.delivery_count_max = 0; }),
              HasSubstr("c2d.delivery_count_max"));
  EXPECT_THAT(refused([](Config& c) { c.unsent_bytes_max = 1; }),
              HasSubstr("limits.unsent_bytes_max"));
  EXPECT_THAT(refused([](Config& c) { c.log_level = "loud"; }), HasSubstr("log.level"));
}

TEST_F(ConfigTest, TheDocumentationNamesEverySettingWithItsDefault) {
  std::ifstream in(LINARITE_SOURCE_DIR "/docs/configuration.md");
  std::ostringstream text;
  text << in.rdbuf();
  std::istringstream defaults(to_toml(Config{}));
  std::string line;
  std::string section;
  while (std::getline(defaults, line)) {
    if (line.starts_with("[")) section = line.substr(1, line.size() - 2);
    const size_t equals = line.find(" = ");
    if (equals == std::string::npos) continue;
    const std::string value = line.substr(equals + 3, line.find("  # ") - equals - 3);
    EXPECT_THAT(text.str(), HasSubstr("| `" + section + "." + line.substr(0, equals) + "` | `" +
                                      value + "` |"));
  }
}

}  // namespace
}  // namespace linarite::server
