// Commands against a hub that gives the test's answers.
#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "cli/fake_hub.h"
#include "http/http_date.h"
#include "wire/sas_token.h"

namespace linarite::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kDevice =
    R"({"deviceId":"d1","etag":"e1","status":"enabled","authentication":{"type":"sas",)"
    R"("symmetricKey":{"primaryKey":"cHJpbWFyeQ==","secondaryKey":"c2Vjb25kYXJ5"},)"
    R"("x509Thumbprint":{"primaryThumbprint":null,"secondaryThumbprint":null}},)"
    R"("capabilities":{"iotEdge":false}})";

http::Response refusal(int status, const char* name, const char* text) {
  http::Response out = json_answer(std::string(R"({"Message":"ErrorCode:)") + name + ";" + text +
                                       R"(","ExceptionMessage":"Tracking ID:t1"})",
                                   status);
  out.headers.add("iothub-errorcode", name);
  return out;
}
wire::FeedbackRecord feedback(const char* device_id, const char* message_id) {
  return {.original_message_id = message_id,
          .enqueued = WallTime(std::chrono::seconds(1'700'000'000)),
          .device_id = device_id,
          .device_generation_id = "7"};
}

using Commands = FakeHubTest;

TEST_F(Commands, AskWithATokenOfTheOwner) {
  will_answer(json_answer(kDevice));
  EXPECT_THAT(run({"hub", "device-identity", "show", "-d", "d 1", "-o", "none"}), "");
  EXPECT_THAT(asked(), ElementsAre("GET /devices/d%201?api-version=2021-04-12"));
  const auto token = wire::parse_sas_token(*request(0).headers.find("Authorization"));
  ASSERT_TRUE(token);
  EXPECT_EQ(token->policy, "iothubowner");
  EXPECT_EQ(token->sr, "hub.test");
  EXPECT_TRUE(wire::sas_signature_matches(*token, kKey, ""));
}

TEST_F(Commands, AFailureIsOneLine) {
  will_answer(refusal(404, "DeviceNotFound", "no device\\nhas this id"));
  EXPECT_EQ(run({"hub", "device-identity", "show", "-d", "d1"}),
            "exit 1: DeviceNotFound: no device has this id (404001, tracking id t1)");
  will_answer(refusal(503, "ServiceUnavailable", "the disk is full"));
  EXPECT_EQ(run({"hub", "device-identity", "show", "-d", "d1"}),
            "exit 1: ServiceUnavailable: the disk is full (503001, tracking id t1)");
  will_answer(http::Response{.status = 502, .body = "<html>"});
  EXPECT_EQ(run({"hub", "device-identity", "show", "-d", "d1"}),
            "exit 1: the hub answered with HTTP status 502");
}

TEST_F(Commands, AHubOnAnotherTimeGetsATokenForIt) {
  http::Response late = refusal(401, "IotHubUnauthorizedAccess", "Unauthorized");
  const WallTime hub_time = SystemClock().wall() + std::chrono::hours(5);
  late.headers.add("Date", http::http_date(hub_time));
  will_answer(late);
  will_answer(late);  // What time is it there?
  will_answer(json_answer(kDevice));
  EXPECT_EQ(run({"hub", "device-identity", "show", "-d", "d1", "-o", "none"}), "");
  const auto token = wire::parse_sas_token(*request(2).headers.find("Authorization"));
  EXPECT_GT(token->expiry, hub_time);
}

TEST_F(Commands, SoDoMessages) {
  will_refuse_tokens(1);
  http::Response late = refusal(401, "IotHubUnauthorizedAccess", "Unauthorized");
  late.headers.add("Date", http::http_date(SystemClock().wall() + std::chrono::hours(5)));
  will_answer(late);
  EXPECT_EQ(run({"device", "c2d-message", "send", "-d", "d1"}), "");
  EXPECT_EQ(messages().size(), 1U);
  // Of a hub that does not tell its time the refusal stands, with what the SDK says of it.
  will_refuse_tokens(1);
  EXPECT_THAT(run({"device", "c2d-message", "send", "-d", "d1"}),
              AllOf(StartsWith("exit 1: IotHubUnauthorizedAccess: "), HasSubstr("clock")));
  EXPECT_EQ(messages().size(), 1U);
}

TEST_F(Commands, AHubThatIsBehindGetsATokenThatIsGoodHereToo) {
  const WallTime now = SystemClock().wall();
  admin_pages_ = [now](const http::Request& request) {
    if (request.target == "/ca.pem") return ca();
    return json_answer(policies(now - std::chrono::hours(5)));
  };
  will_answer(json_answer(kDevice));
  EXPECT_EQ(run({"hub", "device-identity", "show", "-d", "d1", "-o", "none"}), "");
  EXPECT_GT(wire::parse_sas_token(*request(0).headers.find("Authorization"))->expiry, now);
}

TEST_F(Commands, ARefusalOnTheSameTimeStands) {
  http::Response now = refusal(401, "IotHubUnauthorized", "no right");
  now.headers.add("Date", http::http_date(SystemClock().wall()));
  will_answer(now);
  EXPECT_EQ(run({"hub", "device-identity", "show", "-d", "d1"}),
            "exit 1: IotHubUnauthorized: no right (401003, tracking id t1)");
  EXPECT_EQ(asked().size(), 1U);
  http::Response access = refusal(401, "IotHubUnauthorizedAccess", "Unauthorized");
  access.headers.add("Date", http::http_date(SystemClock().wall()));
  for (int i = 0; i < 2; ++i) will_answer(access);
  EXPECT_THAT(run({"hub", "device-identity", "show", "-d", "d1"}), HasSubstr("401002"));
  EXPECT_EQ(asked().size(), 3U);
}

TEST_F(Commands, Create) {
  will_answer(json_answer(kDevice));
  const std::string shown = run({"hub", "device-identity", "create", "-d", "d1", "--pk", "cHJp",
                                 "--sk", "c2Vj", "--sta", "Disabled", "--star", "new"});
  EXPECT_THAT(shown, HasSubstr("\"hub\": \"hub.test\""));
  EXPECT_EQ(boost::json::parse(request(0).body),
            boost::json::parse(
                R"({"deviceId":"d1","status":"disabled","statusReason":"new","capabilities":
                    {"iotEdge":false},"authentication":{"type":"sas","symmetricKey":
                    {"primaryKey":"cHJp","secondaryKey":"c2Vj"},"x509Thumbprint":
                    {"primaryThumbprint":null,"secondaryThumbprint":null}}})"));
  EXPECT_FALSE(request(0).headers.find("If-Match"));
}

TEST_F(Commands, CreateWithCertificates) {
  will_answer(json_answer(kDevice));
  run({"hub", "device-identity", "create", "-d", "d1", "--am", "x509_thumbprint", "--ptp", "AA",
       "--stp", "BB", "--ee", "--device-scope", "s"});
  const auto body = boost::json::parse(request(0).body).as_object();
  EXPECT_EQ(body.at("authentication").at("type"), "selfSigned");
  EXPECT_EQ(body.at("authentication").at("x509Thumbprint"),
            boost::json::parse(R"({"primaryThumbprint":"AA","secondaryThumbprint":"BB"})"));
  EXPECT_EQ(body.at("capabilities").at("iotEdge"), true);
  EXPECT_EQ(body.at("deviceScope"), "s");
}

TEST_F(Commands, ShowIsWhatTheRestApiSaysAndTheHub) {
  will_answer(json_answer(kDevice));
  auto shown = boost::json::parse(run({"hub", "device-identity", "show", "-d", "d1"})).as_object();
  EXPECT_EQ(shown.at("hub"), "hub.test");
  const auto said = boost::json::parse(kDevice);
  for (const auto& [name, value] : said.as_object()) {
    EXPECT_EQ(shown.at(name), value) << name;
  }
  EXPECT_EQ(shown.at("connectionState"), "Disconnected");
  EXPECT_EQ(shown.at("parentScopes"), boost::json::array());
}

TEST_F(Commands, ANewWayToProveOneselfForgetsTheOld) {
  will_answer(json_answer(kDevice));
  will_answer(json_answer(kDevice));
  run({"hub", "device-identity", "update", "-d", "d1", "--am", "x509_thumbprint", "--ptp", "AA"});
  const auto body = boost::json::parse(request(1).body).at("authentication").as_object();
  EXPECT_EQ(body.at("type"), "selfSigned");
  EXPECT_EQ(body.at("symmetricKey").at("primaryKey"), nullptr);
  EXPECT_EQ(body.at("x509Thumbprint").at("primaryThumbprint"), "AA");
}

TEST_F(Commands, CreateNeedsCredentialsThatFit) {
  const std::vector<std::string> create = {"hub", "device-identity", "create", "-d", "d1"};
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> words = create;
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  };
  EXPECT_THAT(with({"--pk", "cHJp"}), StartsWith("exit 2: --primary-key and --secondary-key"));
  EXPECT_THAT(with({"--ptp", "AA"}), StartsWith("exit 2: thumbprints need"));
  EXPECT_THAT(with({"--am", "x509_thumbprint"}), StartsWith("exit 2: the auth method"));
  EXPECT_THAT(with({"--am", "x509_ca", "--pk", "a", "--sk", "b"}),
              StartsWith("exit 2: symmetric keys need"));
  EXPECT_TRUE(asked().empty());
}

TEST_F(Commands, UpdateWritesWhatWasReadWithTheChanges) {
  will_answer(json_answer(kDevice));
  will_answer(json_answer(kDevice));
  EXPECT_EQ(run({"hub", "device-identity", "update", "-d", "d1", "--status", "disabled", "--set",
                 "capabilities.iotEdge=true", "statusReason=on trial", "-o", "none"}),
            "");
  const auto body = boost::json::parse(request(1).body).as_object();
  EXPECT_EQ(body.at("status"), "disabled");
  EXPECT_EQ(body.at("statusReason"), "on trial");
  EXPECT_EQ(body.at("capabilities").at("iotEdge"), true);
  EXPECT_EQ(body.at("authentication").at("symmetricKey").at("primaryKey"), "cHJpbWFyeQ==");
  EXPECT_EQ(request(1).headers.find("If-Match"), "\"e1\"");
}

TEST_F(Commands, AnUpdateThatAnotherOvertookIsMadeAgain) {
  will_answer(json_answer(kDevice));
  will_answer(refusal(412, "PreconditionFailed", "changed"));
  will_answer(json_answer(R"({"deviceId":"d1","etag":"e2","authentication":{"type":"sas"}})"));
  will_answer(json_answer(kDevice));
  EXPECT_EQ(run({"hub", "device-identity", "update", "-d", "d1", "--star", "x", "-o", "none"}), "");
  EXPECT_EQ(request(3).headers.find("If-Match"), "\"e2\"");
}

TEST_F(Commands, AnUpdateWithAnEtagIsMadeOnce) {
  will_answer(json_answer(kDevice));
  will_answer(refusal(412, "PreconditionFailed", "changed"));
  EXPECT_EQ(run({"hub", "device-identity", "update", "-d", "d1", "--star", "x", "-e", "e0"}),
            "exit 1: PreconditionFailed: changed (412001, tracking id t1)");
  EXPECT_EQ(request(1).headers.find("If-Match"), "\"e0\"");
}

TEST_F(Commands, SetNeedsAPath) {
  for (const char* wrong : {"status", "=x", "status.x=1", "nothing=1", "deviceId=d2", "status=off",
                            "capabilities.iotEdge=maybe", "parentScopes=p"}) {
    will_answer(json_answer(kDevice));
    EXPECT_THAT(run({"hub", "device-identity", "update", "-d", "d1", "--set", wrong}),
                StartsWith("exit 2: --set:"))
        << wrong;
  }
  will_answer(json_answer(kDevice));
  will_answer(json_answer(kDevice));
  run({"hub", "device-identity", "update", "-d", "d1", "--set", "statusReason=null",
       R"(authentication.symmetricKey={"primaryKey":"YQ==","secondaryKey":"Yg=="})"});
  const auto body = boost::json::parse(request(asked().size() - 1).body).as_object();
  EXPECT_EQ(body.at("statusReason"), nullptr);
  EXPECT_EQ(body.at("authentication").at("symmetricKey").at("secondaryKey"), "Yg==");
}

TEST_F(Commands, RenewKey) {
  const auto renewed = [this](const char* which) {
    const size_t before = asked().size();
    will_answer(json_answer(kDevice));
    will_answer(json_answer(kDevice));
    EXPECT_EQ(run({"hub", "device-identity", "renew-key", "-d", "d1", "--kt", which, "-o", "none"}),
              "");
    const auto keys = boost::json::parse(request(before + 1).body)
                          .at("authentication")
                          .at("symmetricKey")
                          .as_object();
    return std::pair(std::string(keys.at("primaryKey").as_string()),
                     std::string(keys.at("secondaryKey").as_string()));
  };
  const std::pair<std::string, std::string> old = {"cHJpbWFyeQ==", "c2Vjb25kYXJ5"};
  EXPECT_EQ(renewed("swap"), std::pair(old.second, old.first));
  const auto primary = renewed("primary");
  EXPECT_NE(primary.first, old.first);
  EXPECT_EQ(primary.first.size(), 44U);  // 32 bytes.
  EXPECT_EQ(primary.second, old.second);
  EXPECT_EQ(renewed("secondary").first, old.first);
  const auto both = renewed("both");
  EXPECT_NE(both.first, old.first);
  EXPECT_NE(both.second, old.second);
  EXPECT_NE(both.first, both.second);
}

TEST_F(Commands, ListShowsNoKeys) {
  will_answer(json_answer(std::string("[") + kDevice + "]"));
  const std::string shown = run({"hub", "device-identity", "list", "--top", "5"});
  EXPECT_THAT(shown, HasSubstr("\"deviceId\": \"d1\""));
  EXPECT_THAT(shown, ::testing::Not(HasSubstr("cHJpbWFyeQ==")));
  EXPECT_THAT(asked(), ElementsAre("GET /devices?top=5&api-version=2021-04-12"));
}

TEST_F(Commands, DeleteAnyOrThisVersion) {
  will_answer(http::Response{.status = 204});
  EXPECT_EQ(run({"hub", "device-identity", "delete", "-d", "d1"}), "");
  EXPECT_EQ(request(0).headers.find("If-Match"), "*");
  will_answer(http::Response{.status = 204});
  EXPECT_EQ(run({"hub", "device-identity", "delete", "-d", "d1", "--etag", "e1"}), "");
  EXPECT_EQ(request(1).headers.find("If-Match"), "\"e1\"");
}

TEST_F(Commands, ConnectionStrings) {
  will_answer(json_answer(kDevice));
  EXPECT_EQ(run({"hub", "device-identity", "connection-string", "show", "-d", "d1", "-o", "tsv"}),
            "HostName=hub.test;DeviceId=d1;SharedAccessKey=cHJpbWFyeQ==\n");
  EXPECT_EQ(run({"hub", "connection-string", "show", "--kt", "secondary", "-o", "tsv"}),
            "HostName=hub.test;SharedAccessKeyName=iothubowner;SharedAccessKey=c2Vjb25kYXJ5\n");
  const std::string event_hub =
      "Endpoint=sb://hub.test/;SharedAccessKeyName=iothubowner;SharedAccessKey=c2Vjb25kYXJ5;"
      "EntityPath=hub";
  EXPECT_EQ(run({"hub", "connection-string", "show", "--kt", "secondary", "--default-eventhub",
                 "-o", "tsv"}),
            event_hub + "\n");
  EXPECT_EQ(run({"hub", "connection-string", "show", "--kt", "secondary", "--eh", "--use-emulator",
                 "-o", "tsv"}),
            event_hub + ";UseDevelopmentEmulator=true\n");
  EXPECT_EQ(run({"hub", "connection-string", "show", "--pn", "nobody"}),
            "exit 1: no policy found with name nobody");
}

TEST_F(Commands, TokensFollowTheClockOfTheHub) {
  const WallTime hub_time{std::chrono::seconds(2'000'000'000)};
  admin_pages_ = [&](const http::Request&) { return json_answer(policies(hub_time)); };
  EXPECT_THAT(run({"hub", "generate-sas-token", "--du", "60", "-o", "tsv"}),
              HasSubstr("&se=2000000060&skn=iothubowner"));
}

TEST_F(Commands, TokensOfAConnectionStringNeedNoHub) {
  const std::string device = std::string("HostName=h;DeviceId=d1;SharedAccessKey=") + kKey;
  EXPECT_THAT(run({"hub", "generate-sas-token", "--cs", device, "-o", "tsv"}),
              StartsWith("SharedAccessSignature sr=h%2Fdevices%2Fd1&"));
  EXPECT_THAT(run({"hub", "generate-sas-token", "--du", "0"}), StartsWith("exit 2: --duration"));
}

TEST_F(Commands, SendCarriesEverything) {
  EXPECT_EQ(run({"device",       "c2d-message", "send",    "-d",         "d1",
                 "--data",       R"({"a":1})",  "--mid",   "m1",         "--cid",
                 "c 1",          "--uid",       "u",       "--ct",       "application/json",
                 "--ack",        "full",        "--props", "a=b;ü=d= e", "--expiry",
                 "1700000000123"}),
            "");
  ASSERT_EQ(messages().size(), 1U);
  const amqp::Message sent = messages()[0];
  EXPECT_EQ(sent.properties.to, "/devices/d1/messages/devicebound");
  EXPECT_THAT(sent.data, ElementsAre(R"({"a":1})"));
  EXPECT_EQ(sent.properties.message_id.text(), "m1");
  EXPECT_EQ(sent.properties.correlation_id.text(), "c 1");
  EXPECT_EQ(sent.properties.user_id, "u");
  EXPECT_EQ(sent.properties.content_type, "application/json");
  EXPECT_EQ(sent.properties.content_encoding, "utf-8");
  EXPECT_EQ(sent.properties.absolute_expiry_time_ms, 1'700'000'000'123);
  EXPECT_EQ(sent.application_properties.find("a")->text(), "b");
  EXPECT_EQ(sent.application_properties.find("ü")->text(), "d= e");
  EXPECT_EQ(sent.application_properties.find("iothub-ack")->text(), "full");
  EXPECT_TRUE(asked().empty());
}

TEST_F(Commands, SendMakesUpAMessageId) {
  EXPECT_EQ(run({"device", "c2d-message", "send", "-d", "d1"}), "");
  EXPECT_EQ(messages().at(0).properties.message_id.text()->size(), 36U);
  EXPECT_THAT(messages().at(0).data, ElementsAre("Ping from the Linarite command line"));
}

TEST_F(Commands, SendRefusesWhatCannotBeSent) {
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> words = {"device", "c2d-message", "send", "-d", "d1"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  };
  EXPECT_THAT(with({"--data", "{", "--ct", "application/json"}), HasSubstr("is not JSON"));
  EXPECT_THAT(with({"--props", "a"}), HasSubstr("'a' is not key=value"));
  EXPECT_THAT(with({"--props", "a=b;a=c"}), HasSubstr("twice"));
  EXPECT_THAT(with({"--mid", std::string(129, 'm')}), StartsWith("exit 1: "));
  EXPECT_THAT(with({"--wait"}), StartsWith("exit 2: --wait"));
  EXPECT_THAT(with({"--expiry", "-1"}), HasSubstr("--expiry-time-utc"));
  EXPECT_THAT(with({"--dfp", "/nonexistent"}), HasSubstr("cannot read /nonexistent"));
  EXPECT_TRUE(messages().empty());
}

TEST_F(Commands, ARefusedMessageHasTheHubsWords) {
  will_reject(
      {.condition = "amqp:resource-limit-exceeded",
       .description = R"({"errorCode":403004,"trackingId":"t-1","message":"the queue is full"})"});
  EXPECT_EQ(run({"device", "c2d-message", "send", "-d", "d1"}),
            "exit 1: DeviceMaximumQueueDepthExceeded: the queue is full (403004, tracking id t-1)");
}

TEST_F(Commands, SendAndWaitForTheOutcome) {
  will_report({feedback("d2", "m1")});
  will_report({feedback("d1", "m1")});
  EXPECT_EQ(
      run({"device", "c2d-message", "send", "-d", "d1", "--mid", "m1", "--ack", "full", "-w"}),
      "{\"feedback\": {\"description\": \"Success\", \"deviceGenerationId\": \"7\", "
      "\"deviceId\": \"d1\", \"enqueuedTimeUtc\": \"2023-11-14T22:13:20.0000000Z\", "
      "\"originalMessageId\": \"m1\", \"statusCode\": \"Success\"}}\n");
  EXPECT_EQ(messages().size(), 1U);
  // What was another's goes back, when the search is over.
  EXPECT_THAT(decisions(2), ElementsAre("accepted 1", "released 0"));
}

TEST_F(Commands, MonitorFeedbackEndsWithTheMessage) {
  will_report({feedback("d1", "m1"), feedback("d1", "m1")});
  will_report({feedback("d1", "m2")});
  EXPECT_EQ(run({"hub", "monitor-feedback", "-w", "m2", "-o", "tsv"}),
            "Success\t7\td1\t2023-11-14T22:13:20.0000000Z\tm2\tSuccess\n");
  EXPECT_THAT(decisions(2), ElementsAre("accepted 1", "released 0"));
}

TEST_F(Commands, Purge) {
  will_answer(json_answer(R"({"totalMessagesPurged":3,"deviceId":"d1","moduleId":null})"));
  EXPECT_EQ(run({"device", "c2d-message", "purge", "-d", "d1", "-o", "tsv"}), "d1\tNone\t3\n");
}

TEST_F(Commands, HealthTellsByItsExitCode) {
  admin_pages_ = [](const http::Request&) { return json_answer(R"({"status":"ok"})"); };
  EXPECT_EQ(run({"health", "-o", "tsv"}), "ok\n");
  admin_pages_ = [](const http::Request&) { return json_answer(R"({"status":"bad"})", 503); };
  EXPECT_THAT(run({"health", "-o", "tsv"}), StartsWith("bad\nexit 1: the hub is not well"));
}

TEST_F(Commands, TheClockIsMovedBySeconds) {
  std::string target;
  admin_pages_ = [&](const http::Request& request) {
    target = request.method + " " + request.target;
    return json_answer("{}");
  };
  EXPECT_EQ(run({"clock", "advance", "61m", "-o", "tsv"}), "3660\n");
  EXPECT_EQ(target, "POST /clock/advance?by=3660");
  EXPECT_THAT(run({"clock", "advance", "soon"}), StartsWith("exit 2: 'soon' is no span"));
}

TEST_F(Commands, AKeyOfAPolicyIsRenewed) {
  std::vector<std::string> targets;
  admin_pages_ = [&](const http::Request& request) {
    targets.push_back(request.method + " " + request.target);
    return targets.size() == 1
               ? json_answer(policies(SystemClock().wall()))
               : json_answer(R"({"keyName":"iothubowner","primaryKey":"a","secondaryKey":"b"})");
  };
  EXPECT_EQ(
      run({"hub", "policy", "renew-key", "-n", "IotHubOwner", "--rk", "primary", "-o", "tsv"}),
      "iothubowner\ta\t\tb\n");
  EXPECT_THAT(targets,
              ElementsAre("GET /policies", "POST /policies/iothubowner/renew-key?key=primary"));
}

TEST_F(Commands, AnotherHubOnThePortIsNoticed) {
  const wire::ControlFile stale = {
      .host = "hub.test",
      .admin_port =
          wire::parse_control_file(*read_file(directory_ / "control.json", 4096))->admin_port,
      .token = "old",
      .pid = 1};
  ASSERT_TRUE(write_file(directory_ / "control.json", wire::control_file_text(stale)));
  EXPECT_THAT(run({"hub", "policy", "list"}), HasSubstr("does not run on the data directory"));
}

TEST_F(Commands, WithoutAHub) {
  std::filesystem::remove(directory_ / "control.json");
  EXPECT_THAT(run({"hub", "policy", "list"}), StartsWith("exit 1: no hub is running on"));
  EXPECT_THAT(run({"hub", "device-identity", "show", "-d", "d1", "--login", "HostName=h"}),
              StartsWith("exit 1: connection string:"));
}

TEST_F(Commands, TheHubMustProveItsName) {
  admin_pages_ = [](const http::Request& request) {
    if (request.target != "/ca.pem") return json_answer(policies(SystemClock().wall()));
    const net::KeyPtr key = net::make_p256_key();
    const WallTime now = SystemClock().wall();
    const auto other =
        net::make_ca(key.get(), "other", {"hub.test"}, {now, now + std::chrono::hours(1)});
    return http::Response{.body = net::to_pem(other->get())};
  };
  EXPECT_THAT(run({"hub", "device-identity", "show", "-d", "d1"}), HasSubstr("certificate"));
  EXPECT_TRUE(asked().empty());
}

}  // namespace
}  // namespace linarite::cli
