#include "cli/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "base/text.h"

namespace linarite::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Words = std::vector<std::string>;

Parsed parsed(Words words) {
  auto out = parse(std::move(words));
  EXPECT_TRUE(out) << (out ? "" : out.error().message);
  return out.value_or(Parsed{});
}

// The message of a command line that makes no sense.
std::string complaint(Words words) {
  const auto out = parse(std::move(words));
  if (out) return "accepted";
  EXPECT_EQ(out.error().exit_code, kExitUsage);
  EXPECT_THAT(out.error().message, Not(HasSubstr("\n")));
  return out.error().message;
}

TEST(Parse, ACommandWithLongAndShortFlags) {
  for (const char* id : {"-d", "--device-id"}) {
    const auto out = parsed({"hub", "device-identity", "show", id, "sensor-1", "-o", "TSV"});
    ASSERT_NE(out.command, nullptr);
    EXPECT_STREQ(out.command->words, "hub device-identity show");
    EXPECT_EQ(out.arguments.device_id, "sensor-1");
    EXPECT_EQ(out.arguments.output, OutputForm::kTsv);
  }
}

TEST(Parse, ALongFlagCanBeShortened) {
  const auto out = parsed({"hub", "generate-sas-token", "--policy", "service", "--dur=60"});
  EXPECT_EQ(out.arguments.policy_name, "service");
  EXPECT_EQ(out.arguments.duration, 60);
  EXPECT_THAT(complaint({"hub", "device-identity", "create", "-d", "d", "--primary", "x"}),
              HasSubstr("ambiguous option: --primary could match"));
}

TEST(Parse, AFlagGivenTwiceHasItsLastValue) {
  EXPECT_EQ(parsed({"hub", "policy", "show", "-n", "a", "--name", "b"}).arguments.policy_name, "b");
}

TEST(Parse, ChoicesIgnoreCase) {
  const auto out = parsed({"hub", "device-identity", "renew-key", "-d", "d", "--kt", "Swap"});
  EXPECT_EQ(out.arguments.key_type, "swap");
  EXPECT_THAT(complaint({"hub", "device-identity", "renew-key", "-d", "d", "--kt", "third"}),
              HasSubstr("'third' is not one of: primary, secondary, swap, both"));
}

TEST(Parse, ASwitchStandsAloneOrHasAWord) {
  const Words send = {"device", "c2d-message", "send", "-d", "d", "--wait"};
  EXPECT_EQ(parsed(send).arguments.wait, "true");
  for (const char* word : {"true", "False"}) {
    Words words = send;
    words.push_back(word);
    EXPECT_EQ(parsed(words).arguments.wait, ascii_lower(word));
  }
  Words words = send;
  words.insert(words.end(), {"--ack", "full"});
  EXPECT_EQ(parsed(words).arguments.wait, "true");
  EXPECT_EQ(parsed(words).arguments.ack, "full");
  words.insert(words.end(), {"-w", "maybe"});
  EXPECT_THAT(complaint(words), HasSubstr("true or false"));
}

TEST(Parse, ValuesAreTakenAsTheyAre) {
  for (const char* body : {"-5", "[1,2]", "{\"a\":1}", "", "--", "a=b", "%41"}) {
    const auto out = parsed({"device", "c2d-message", "send", "-d", "d", "--data", body});
    EXPECT_THAT(out.arguments.data, ElementsAre(body));
  }
}

TEST(Parse, TheDataOfAMessageAndTheDataDirectory) {
  const auto send = [](Words more) {
    Words words = {"device", "c2d-message", "send", "-d", "d"};
    words.insert(words.end(), more.begin(), more.end());
    return parsed(words).arguments;
  };
  auto out = send({"--data", "body", "--data", "/dir"});
  EXPECT_THAT(out.data, ElementsAre("body"));
  EXPECT_EQ(out.data_directory, "/dir");
  out = send({"--data", "/dir", "--da", "body"});
  EXPECT_EQ(out.message_body, "body");
  EXPECT_EQ(out.data_directory, "/dir");
  EXPECT_TRUE(out.data.empty());
  out = send({"--data", "body", "--data-dir", "/dir"});
  EXPECT_THAT(out.data, ElementsAre("body"));
  EXPECT_EQ(out.data_directory, "/dir");
  EXPECT_EQ(send({"--dfp", "/file", "--data", "/dir"}).data_directory, "/dir");
  out = parsed({"--data", "/dir", "device", "c2d-message", "send", "-d", "d", "--data", "body"})
            .arguments;
  EXPECT_THAT(out.data, ElementsAre("body"));
  EXPECT_EQ(out.data_directory, "/dir");
  EXPECT_EQ(complaint({"device", "c2d-message", "send", "-d", "d", "--data", "a", "--data", "b",
                       "--data", "c"}),
            "--data is given too often");
}

TEST(Parse, TheDataDirectoryMayComeFirst) {
  for (const Words& first : {Words{"--data", "/dir"}, Words{"--data=/dir"}}) {
    Words words = first;
    words.insert(words.end(), {"hub", "policy", "list"});
    EXPECT_EQ(parsed(words).arguments.data_directory, "/dir");
    words.insert(words.end(), {"--data", "/other"});
    EXPECT_EQ(parsed(words).arguments.data_directory, "/other");
  }
}

TEST(Parse, SetTakesSeveralWords) {
  const auto out = parsed({"hub", "device-identity", "update", "-d", "d", "--set",
                           "status=disabled", "statusReason=a b", "--etag", "e"});
  EXPECT_THAT(out.arguments.set, ElementsAre("status=disabled", "statusReason=a b"));
  EXPECT_EQ(out.arguments.etag, "e");
}

TEST(Parse, AFlagThatMayStandAlone) {
  EXPECT_EQ(parsed({"bench", "c2d", "--json"}).arguments.json, "");
  EXPECT_EQ(parsed({"bench", "c2d", "--json", "--keep"}).arguments.json, "");
  EXPECT_EQ(parsed({"bench", "c2d", "--json", "file", "--keep"}).arguments.json, "file");
  EXPECT_EQ(parsed({"bench", "c2d"}).arguments.json, std::nullopt);
}

TEST(Parse, TheProgramOfRun) {
  auto out = parsed({"run", "--data", "/dir", "--", "sh", "-c", "exit 7", "--data", "x"});
  EXPECT_THAT(out.arguments.program, ElementsAre("sh", "-c", "exit 7", "--data", "x"));
  EXPECT_EQ(out.arguments.data_directory, "/dir");
  out = parsed({"--data", "/dir", "run", "--", "linarite", "hub", "policy", "list"});
  EXPECT_THAT(out.arguments.program, ElementsAre("linarite", "hub", "policy", "list"));
  EXPECT_EQ(out.arguments.data_directory, "/dir");
  EXPECT_THAT(parsed({"run", "--data=/dir", "ls", "-l"}).arguments.program,
              ElementsAre("ls", "-l"));
  EXPECT_THAT(parsed({"run"}).arguments.program, ElementsAre());
}

TEST(Parse, RequiredFlagsAreNamed) {
  EXPECT_EQ(complaint({"hub", "device-identity", "renew-key"}),
            "the following arguments are required: --device-id/-d, --key-type/--kt");
  EXPECT_THAT(complaint({"clock", "advance"}), HasSubstr("required: by"));
}

TEST(Parse, CommandsThatAreNone) {
  for (const Words& words : {Words{}, Words{"hub"}, Words{"hub", "devices"}, Words{"nonsense"},
                             Words{"--data", "/dir"}, Words{"--nonsense"}}) {
    EXPECT_EQ(complaint(words), "there is no such command; see 'linarite --help'");
  }
  EXPECT_THAT(complaint({"version", "--nonsense"}),
              HasSubstr("unrecognized arguments: --nonsense"));
  EXPECT_THAT(complaint({"hub", "device-identity", "list", "--top", "many"}),
              HasSubstr("must be a whole number"));
  EXPECT_THAT(complaint({"version", "-o", "yaml"}), HasSubstr("--output"));
}

TEST(Parse, AConnectionStringInTheWrongPlaceIsNotRepeated) {
  EXPECT_THAT(complaint({"hub", "policy", "list", "HostName=h;SharedAccessKey=c2VjcmV0"}),
              Not(HasSubstr("c2VjcmV0")));
}

TEST(Parse, Help) {
  EXPECT_THAT(parsed({"--help"}).help, HasSubstr("linarite serve starts a hub"));
  EXPECT_THAT(parsed({"hub", "policy", "-h"}).help, HasSubstr("renew-key"));
  const auto out = parsed({"hub", "policy", "renew-key", "--help"});
  EXPECT_EQ(out.command, nullptr);
  EXPECT_THAT(out.help, HasSubstr("linarite hub policy renew-key"));
  EXPECT_THAT(out.help, HasSubstr("primary|secondary|swap"));
}

// The table itself: no flag twice in one command, every group described.
TEST(CommandTable, IsSound) {
  std::set<std::string> described;
  for (const Group& group : groups()) described.insert(group.words);
  for (const Command& command : commands()) {
    std::set<std::string> names;
    for (const Flag& flag : command.flags) {
      std::istringstream all(flag.names);
      for (std::string name; std::getline(all, name, ',');) {
        EXPECT_TRUE(names.insert(name).second) << command.words << " " << name;
      }
    }
    std::string path = command.words;
    for (size_t blank = path.rfind(' '); blank != std::string::npos; blank = path.rfind(' ')) {
      path.resize(blank);
      EXPECT_TRUE(described.contains(path)) << path;
    }
  }
}

}  // namespace
}  // namespace linarite::cli
