// Benchmarks against a hub that takes everything, or refuses as the test says. Whole runs of all
// scenarios are in tests/conformance/test_bench.py.
#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <set>

#include "cli/fake_hub.h"

namespace linarite::cli {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

// With a registry that keeps what it is told.
class BenchCommands : public FakeHubTest {
 protected:
  BenchCommands() {
    rest_pages_ = [this](const http::Request& request) { return answer(request); };
  }
  std::string bench(std::vector<std::string> words) {
    words.insert(words.begin(), "bench");
    return run(std::move(words));
  }
  boost::json::object json_of(std::vector<std::string> words) {
    words.emplace_back("--json");
    const std::string shown = bench(std::move(words));
    boost::system::error_code error;
    auto value = boost::json::parse(shown, error);
    EXPECT_TRUE(value.is_object()) << shown;
    return value.is_object() ? value.get_object() : boost::json::object();
  }
  // Methods and ids of what was asked of the registry, without what was asked first.
  std::vector<std::string> asked_for(const std::string& method) {
    std::vector<std::string> out;
    for (const std::string& one : asked()) {
      if (!one.starts_with(method + " /devices/")) continue;
      const size_t begin = method.size() + 10;
      out.push_back(one.substr(begin, one.find('?') - begin));
    }
    return out;
  }

  std::map<std::string, std::string> registry_;  // Id and status reason.

 private:
  static http::Response refusal(int status, const std::string& name) {
    http::Response out = json_answer(R"({"Message":"ErrorCode:)" + name + R"(;no"})", status);
    out.headers.add("iothub-errorcode", name);
    return out;
  }
  http::Response answer(const http::Request& request) {
    const std::string path = request.target.substr(0, request.target.find('?'));
    if (path.starts_with("/statistics")) {
      return json_answer(
          R"({"totalDeviceCount":0,"enabledDeviceCount":0,"disabledDeviceCount":0})");
    }
    const std::string id = path.substr(std::string("/devices/").size());
    const bool is_there = registry_.contains(id);
    if (request.method == "DELETE") {
      if (registry_.erase(id) > 0) return http::Response{.status = 204};
      return refusal(404, "DeviceNotFound");
    }
    if (request.method == "PUT") {
      if (is_there && !request.headers.find("If-Match")) return refusal(409, "DeviceAlreadyExists");
      const auto body = boost::json::parse(request.body).as_object();
      const auto* reason = body.if_contains("statusReason");
      registry_[id] = reason != nullptr && reason->is_string() ? reason->as_string().c_str() : "";
    } else if (!is_there) {
      return refusal(404, "DeviceNotFound");
    }
    return json_answer(boost::json::serialize(boost::json::object{
        {"deviceId", id},
        {"etag", "e1"},
        {"status", "enabled"},
        {"statusReason", registry_[id]},
        {"authentication",
         {{"type", "sas"},
          {"symmetricKey", {{"primaryKey", "cHJpbWFyeQ=="}, {"secondaryKey", "c2Vj"}}}}}}));
  }
};

TEST_F(BenchCommands, TelemetryWithoutAReader) {
  const auto json = json_of(
      {"telemetry", "--devices", "3", "--messages", "30", "--readers", "0", "--size", "64"});
  EXPECT_EQ(events().size(), 30U);
  for (const auto& event : events()) EXPECT_EQ(event.body.size(), 64U);
  const auto& load = json.at("measurements").at(0).at("loads").at(0);
  EXPECT_EQ(load.at("count"), 30);
  EXPECT_EQ(load.at("latency").at("acknowledged").at("count"), 30);
  EXPECT_EQ(json.at("mistake"), nullptr);
}

TEST_F(BenchCommands, DevicesAreMadeAndRemoved) {
  EXPECT_THAT(bench({"telemetry", "--devices", "3", "--messages", "3", "--readers", "0"}),
              HasSubstr("until acknowledged"));
  EXPECT_THAT(registry_, IsEmpty());
  const auto made = asked_for("PUT");
  EXPECT_EQ(made.front(), "linarite-bench-1-1");
  EXPECT_THAT(
      made, UnorderedElementsAre("linarite-bench-1-1", "linarite-bench-1-2", "linarite-bench-1-3"));
  EXPECT_EQ(asked_for("DELETE").back(), "linarite-bench-1-1") << "it tells of the others";
}

TEST_F(BenchCommands, OrKept) {
  registry_["linarite-bench-1-1"] = "linarite bench, devices: 1";
  bench({"telemetry", "--devices", "2", "--messages", "2", "--readers", "0", "--keep"});
  EXPECT_THAT(asked_for("DELETE"), IsEmpty());
  EXPECT_EQ(registry_.size(), 3U);
  EXPECT_EQ(registry_["linarite-bench-2-1"], "linarite bench, devices: 2");
}

TEST_F(BenchCommands, CleanRemovesWhatIsThere) {
  registry_ = {{"linarite-bench-1-1", "linarite bench, devices: 3"},
               {"linarite-bench-1-3", ""},
               {"linarite-bench-4-1", "somebody wrote here"},
               {"another", ""}};
  EXPECT_EQ(bench({"clean"}), "{\n  \"removed\": 4\n}\n");
  EXPECT_THAT(registry_, ElementsAre(std::pair("another", "")));
}

TEST_F(BenchCommands, NoSlotIsLeft) {
  for (int i = 1; i <= 16; ++i) registry_["linarite-bench-" + std::to_string(i) + "-1"] = "";
  EXPECT_THAT(bench({"connect", "--messages", "1"}), HasSubstr("'linarite bench clean'"));
  EXPECT_EQ(registry_.size(), 16U);
}

TEST_F(BenchCommands, Connect) {
  const auto json = json_of({"connect", "--devices", "4", "--window", "2", "--messages", "8"});
  EXPECT_EQ(json.at("measurements").at(0).at("count"), 8);
  EXPECT_EQ(device_tokens().size(), 8U);
}

TEST_F(BenchCommands, Registry) {
  const auto json = json_of({"registry", "--devices", "3", "--messages", "12"});
  const auto& measurements = json.at("measurements").as_array();
  ASSERT_EQ(measurements.size(), 2U);
  EXPECT_EQ(measurements[0].at("name"), "put");
  EXPECT_EQ(measurements[1].at("name"), "get");
  EXPECT_EQ(asked_for("PUT").size(), 3U + 12U);
  EXPECT_EQ(asked_for("GET").size(), 12U);
  EXPECT_EQ(json.at("mistake"), nullptr);
}

TEST_F(BenchCommands, ARefusalFailsItAndTheDevicesAreRemoved) {
  will_reject({.condition = "amqp:not-found", .description = "no"});
  const std::string shown =
      bench({"c2d-offline", "--devices", "1", "--messages", "1", "--senders", "1"});
  EXPECT_THAT(shown, HasSubstr("exit 1: c2d: 1 refused of 1; the first: "));
  EXPECT_THAT(registry_, IsEmpty());
}

TEST_F(BenchCommands, ADeviceThatIsNotLetIn) {
  will_meet_devices({.answer = mqtt::ConnectReturnCode::kNotAuthorized});
  EXPECT_THAT(bench({"telemetry", "--devices", "2", "--messages", "1"}),
              StartsWith("exit 1: IotHubUnauthorized"));
  EXPECT_THAT(registry_, IsEmpty());
}

TEST_F(BenchCommands, TheTableCanGoBesideAFile) {
  const auto path = directory_ / "figures.json";
  const std::string shown = bench({"connect", "--devices", "1", "--messages", "1", "--json",
                                   path.string(), "--server-pid", std::to_string(::getpid())});
  EXPECT_THAT(shown, AllOf(HasSubstr("connect: 1 devices"), HasSubstr("server:")));
  const auto json = boost::json::parse(*read_file(path, 65536)).as_object();
  EXPECT_EQ(json.at("server_pid"), ::getpid());
}

TEST_F(BenchCommands, CheckTheirWords) {
  EXPECT_THAT(bench({"c2d", "--devices", "0"}), StartsWith("exit 2: --devices: "));
  EXPECT_THAT(bench({"mixed", "--rate", "fast"}), StartsWith("exit 2: --rate: "));
  EXPECT_THAT(asked(), IsEmpty());
}

}  // namespace
}  // namespace linarite::cli
