// Commands that act as a device, against a hub that gives the test's answers.
#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "cli/fake_hub.h"
#include "wire/sas_token.h"

namespace linarite::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::StartsWith;

std::string identity(const std::string& id) {
  return R"({"deviceId":")" + id +
         R"(","etag":"e1","status":"enabled","authentication":{"type":"sas","symmetricKey":)"
         R"({"primaryKey":"cHJpbWFyeQ==","secondaryKey":"c2Vjb25kYXJ5"}}})";
}

class DeviceCommands : public FakeHubTest {
 protected:
  std::string send(std::vector<std::string> more) { return run_with({"send-d2c-message"}, more); }
  std::string simulate(std::vector<std::string> more) { return run_with({"simulate"}, more); }
  std::string run_with(std::vector<std::string> words, const std::vector<std::string>& more) {
    words.insert(words.begin(), "device");
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  }
  std::vector<std::string> topics() {
    std::vector<std::string> out;
    for (const auto& event : events()) out.push_back(event.topic);
    return out;
  }
};

TEST_F(DeviceCommands, SendWithTheKeyOfTheRegistry) {
  will_answer(json_answer(identity("d1")));
  EXPECT_EQ(send({"-d", "d1", "--da", "hello", "--props", "$.ct=text/plain;$.mid=m1;a=b=c"}), "");
  ASSERT_EQ(events().size(), 1U);
  EXPECT_EQ(events()[0].topic, "devices/d1/messages/events/%24.ct=text%2Fplain&%24.mid=m1&a=b%3Dc");
  EXPECT_EQ(events()[0].body, "hello");
  EXPECT_THAT(asked(), ElementsAre("GET /devices/d1?api-version=2021-04-12"));
  const auto token = wire::parse_sas_token(device_tokens().at(0));
  ASSERT_TRUE(token);
  EXPECT_EQ(token->sr, "hub.test%2Fdevices%2Fd1");
  EXPECT_TRUE(wire::sas_signature_matches(*token, "cHJpbWFyeQ==", ""));
}

TEST_F(DeviceCommands, SendWithAKeyOfOnesOwn) {
  EXPECT_EQ(send({"-d", "d1", "--key", "c2Vjb25kYXJ5", "--mc", "3"}), "");
  EXPECT_EQ(events().size(), 3U);
  EXPECT_EQ(events()[0].body, "Ping from the Linarite command line");
  EXPECT_TRUE(asked().empty());
}

TEST_F(DeviceCommands, SendAFile) {
  const auto path = directory_ / "body";
  ASSERT_TRUE(write_file(path, std::string("\0\xFF", 2)));
  EXPECT_EQ(send({"-d", "d1", "--key", "c2Vj", "--dfp", path.string()}), "");
  EXPECT_EQ(events().at(0).body, std::string("\0\xFF", 2));
}

TEST_F(DeviceCommands, ADeviceThatIsNotLetIn) {
  will_meet_devices({.answer = mqtt::ConnectReturnCode::kNotAuthorized});
  EXPECT_THAT(send({"-d", "d1", "--key", "c2Vj"}), StartsWith("exit 1: IotHubUnauthorized"));
  EXPECT_THAT(simulate({"-d", "d1", "--key", "c2Vj"}), StartsWith("exit 1: IotHubUnauthorized"));
  will_answer(json_answer(R"({"deviceId":"d1","authentication":{"type":"selfSigned"}})"));
  EXPECT_EQ(send({"-d", "d1"}), "exit 1: device d1 has no symmetric key");
}

TEST_F(DeviceCommands, SimulateSaysWhatItDid) {
  will_answer(json_answer(identity("d1")));
  const std::string shown = simulate(
      {"-d", "d1", "--mc", "20", "--rate", "10000", "--data", "x", "-p", "$.ce=utf-16;a=b"});
  const auto summary = boost::json::parse(shown).as_object();
  EXPECT_EQ(summary.at("sent"), 20);
  EXPECT_EQ(summary.at("acknowledged"), 20);
  EXPECT_EQ(summary.at("failed"), 0);
  EXPECT_EQ(summary.at("unanswered"), 0);
  EXPECT_GT(summary.at("latencyP99Ms").to_number<double>(), 0);
  ASSERT_EQ(events().size(), 20U);
  EXPECT_EQ(events()[0].topic,
            "devices/d1/messages/events/%24.ct=application%2Fjson&%24.ce=utf-16&a=b");
  const auto body = boost::json::parse(events()[19].body).as_object();
  EXPECT_EQ(body.at("data"), "x #20");
  EXPECT_TRUE(body.contains("id") && body.contains("timestamp"));
}

TEST_F(DeviceCommands, SimulatedDevicesAreMadeAndTakeTurns) {
  will_answer(json_answer(identity("s-1")));
  http::Response there = json_answer(R"({"Message":"ErrorCode:DeviceAlreadyExists;there"})", 409);
  there.headers.add("iothub-errorcode", "DeviceAlreadyExists");
  will_answer(there);
  will_answer(json_answer(identity("s-2")));
  const std::string shown =
      simulate({"-d", "s", "--devices", "2", "--mc", "2", "--rate", "1000", "-o", "none"});
  EXPECT_EQ(shown, "");
  EXPECT_THAT(asked(), ElementsAre(StartsWith("PUT /devices/s-1"), StartsWith("PUT /devices/s-2"),
                                   StartsWith("GET /devices/s-2")));
  EXPECT_EQ(events().size(), 4U);
  EXPECT_THAT(topics(), IsSupersetOf({StartsWith("devices/s-1/"), StartsWith("devices/s-2/"),
                                      StartsWith("devices/s-1/"), StartsWith("devices/s-2/")}));
}

TEST_F(DeviceCommands, SimulateDevicesOfTheRegistry) {
  const std::string disabled = R"({"deviceId":"off","status":"disabled"})";
  will_answer(json_answer("[" + disabled + "," + identity("r1") + "," + identity("r2") + "]"));
  EXPECT_THAT(simulate({"--devices", "1", "--mc", "1", "--rate", "1000"}),
              HasSubstr("\"acknowledged\": 1"));
  EXPECT_THAT(topics(), ElementsAre(StartsWith("devices/r1/")));
  will_answer(json_answer("[" + identity("r1") + "]"));
  EXPECT_THAT(simulate({"--devices", "2", "--mc", "1"}),
              StartsWith("exit 1: the registry shows 1 devices"));
}

TEST_F(DeviceCommands, ASimulatedDeviceCompletesWhatItReceives) {
  will_meet_devices({.c2d = "turn \xFF"});
  const std::string shown =
      simulate({"-d", "d1", "--key", "c2Vj", "--mc", "2", "--rate", "20", "-o", "json"});
  EXPECT_THAT(shown, HasSubstr(R"({"c2dMessage": {"deviceId": "d1", "messageId": "m1", )"
                               "\"payload\": \"turn \xEF\xBF\xBD\", "
                               R"("properties": {"color": "red"}}})"));
  EXPECT_THAT(shown, HasSubstr("\"received\": 1"));
  EXPECT_EQ(completed(1), 1U);
}

TEST_F(DeviceCommands, SimulateChecksItsWords) {
  EXPECT_THAT(simulate({}), StartsWith("exit 2: --device-id or --devices"));
  EXPECT_THAT(simulate({"-d", "d1", "--mc", "0"}), StartsWith("exit 2: --msg-count: must be 1"));
  EXPECT_THAT(simulate({"-d", "d1", "--mi", "0"}), StartsWith("exit 2: --msg-interval"));
  EXPECT_THAT(simulate({"-d", "d1", "--rate", "fast"}), StartsWith("exit 2: --rate: must be"));
  EXPECT_THAT(simulate({"-d", "d1", "--rate", "0"}), StartsWith("exit 2: --rate: must be"));
  EXPECT_THAT(simulate({"-d", "d1", "--rate", "1", "--mi", "1"}),
              StartsWith("exit 2: --rate and --msg-interval"));
  EXPECT_THAT(simulate({"-d", "d1", "--proto", "http"}), StartsWith("exit 2: --protocol"));
  EXPECT_THAT(simulate({"-d", "d1", "--rs", "reject"}), StartsWith("exit 2: --receive-settle"));
  EXPECT_THAT(simulate({"-d", "d1", "--devices", "0"}), StartsWith("exit 2: --devices: must be"));
  EXPECT_THAT(simulate({"-d", "d1", "--devices", "2", "--key", "a"}),
              StartsWith("exit 2: --symmetric-key"));
  EXPECT_THAT(simulate({"-d", "d1", "-p", "none"}), StartsWith("exit 2: --properties"));
  EXPECT_THAT(send({"-d", "d1", "--mc", "0"}), StartsWith("exit 2: --msg-count"));
  EXPECT_TRUE(asked().empty());
}

}  // namespace
}  // namespace linarite::cli
