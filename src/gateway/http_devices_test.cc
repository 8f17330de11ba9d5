// Device identities over REST (service-protocol 5.1, 5.2, 5.8).
#include <gtest/gtest.h>

#include "gateway/http_gateway_fixture.h"

namespace linarite::gateway {
namespace {

const std::string kKeyA = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
const std::string kKeyB = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";

class HttpDevicesTest : public HttpGatewayFixture {
 protected:
  static std::string keys(const std::string& primary, const std::string& secondary) {
    return R"({"authentication":{"symmetricKey":{"primaryKey":")" + primary +
           R"(","secondaryKey":")" + secondary + "\"}}}";
  }
};

TEST_F(HttpDevicesTest, AnIdentityInFull) {
  const auto response = put("d1", keys(kKeyA, kKeyB));
  EXPECT_EQ(response.status, 200);
  const auto device = json(response);
  const std::string generation(device.at("generationId").as_string());
  const std::string tag(device.at("etag").as_string());
  EXPECT_EQ(response.headers.find("ETag"), "\"" + tag + "\"");
  EXPECT_EQ(response.body,
            R"({"deviceId":"d1","generationId":")" + generation + R"(","etag":")" + tag +
                R"(","connectionState":"Disconnected","status":"enabled","statusReason":null,)"
                R"("connectionStateUpdatedTime":"0001-01-01T00:00:00",)"
                R"("statusUpdatedTime":"0001-01-01T00:00:00",)"
                R"("lastActivityTime":"0001-01-01T00:00:00","cloudToDeviceMessageCount":0,)"
                R"("authentication":{"symmetricKey":{"primaryKey":")" +
                kKeyA + R"(","secondaryKey":")" + kKeyB +
                R"("},"x509Thumbprint":{"primaryThumbprint":null,"secondaryThumbprint":null},)"
                R"("type":"sas"},"capabilities":{"iotEdge":false},"deviceScope":null,)"
                R"("parentScopes":[]})");
  const auto read = get("/devices/d1");
  EXPECT_EQ(read.body, response.body);
  EXPECT_EQ(read.headers.find("ETag"), response.headers.find("ETag"));
}

TEST_F(HttpDevicesTest, ConnectionAndQueueShow) {
  put("d1");
  hub::NotingLink link;
  connect("d1", link, 0);
  send("d1", "m1");
  const auto device = json(get("/devices/d1"));
  EXPECT_EQ(device.at("connectionState"), "Connected");
  EXPECT_EQ(device.at("connectionStateUpdatedTime"), "2026-01-02T03:04:05.0000000Z");
  EXPECT_EQ(device.at("cloudToDeviceMessageCount").to_number<int>(), 1);
  EXPECT_EQ(get("/statistics/service").body, R"({"connectedDeviceCount":1})");
  partition("d1").detach(link);
}

TEST_F(HttpDevicesTest, IfMatchOnPut) {
  struct Row {
    const char* if_match;
    const char* absent;
    const char* present;
  };
  for (const Row& row :
       {Row{nullptr, "200", "409 DeviceAlreadyExists"}, Row{"*", "404 DeviceNotFound", "200"},
        Row{"\"*\"", "404 DeviceNotFound", "200"},
        Row{"\"b3RoZXI=\"", "404 DeviceNotFound", "412 PreconditionFailed"},
        Row{"b3RoZXI=", "404 DeviceNotFound", "412 PreconditionFailed"},
        Row{"", "404 DeviceNotFound", "412 PreconditionFailed"}}) {
    call("DELETE", "/devices/d1");
    const http::Headers headers =
        row.if_match ? http::Headers{{"If-Match", row.if_match}} : http::Headers{};
    EXPECT_EQ(outcome(put("d1", "{}", headers)), row.absent);
    put("d1");
    EXPECT_EQ(outcome(put("d1", "{}", headers)), row.present);
  }
}

TEST_F(HttpDevicesTest, IfMatchWithTheEtagInEachSpelling) {
  put("d1");
  for (const char* around : {"%", "\"%\"", "W/\"%\""}) {
    std::string if_match = around;
    if_match.replace(if_match.find('%'), 1, etag(get("/devices/d1")));
    EXPECT_EQ(outcome(put("d1", "{}", {{"If-Match", if_match}})), "200") << if_match;
    EXPECT_EQ(outcome(put("d1", "{}", {{"If-Match", if_match}})), "412 PreconditionFailed");
  }
}

TEST_F(HttpDevicesTest, AnEtagInTheBodyIsNoCondition) {
  EXPECT_EQ(outcome(put("d1", R"({"deviceId":"d1","etag":"*"})")), "200");
  EXPECT_EQ(outcome(put("d1", R"({"etag":"x"})", {{"If-Match", "*"}})), "200");
}

TEST_F(HttpDevicesTest, DeleteWithEachCondition) {
  EXPECT_EQ(outcome(call("DELETE", "/devices/d1")), "404 DeviceNotFound");
  const std::string tag = etag(put("d1"));
  EXPECT_EQ(outcome(call("DELETE", "/devices/d1", {.headers = {{"If-Match", "\"b3RoZXI=\""}}})),
            "412 PreconditionFailed");
  const auto gone = call("DELETE", "/devices/d1", {.headers = {{"If-Match", "W/\"" + tag + "\""}}});
  EXPECT_EQ(gone.status, 204);
  EXPECT_EQ(gone.body, "");
  EXPECT_EQ(gone.headers.find("Content-Length"), std::nullopt);
  put("d1");
  EXPECT_EQ(outcome(call("DELETE", "/devices/d1", {.headers = {{"If-Match", "\"*\""}}})), "204");
  put("d1");
  EXPECT_EQ(outcome(call("DELETE", "/devices/d1")), "204");
}

TEST_F(HttpDevicesTest, UpdateKeepsWhatItDoesNotSay) {
  const auto made = json(put("d1"));
  const auto updated = json(put("d1", R"({"status":"disabled"})", {{"If-Match", "*"}}));
  EXPECT_EQ(updated.at("status"), "disabled");
  EXPECT_EQ(updated.at("authentication"), made.at("authentication"));
  EXPECT_EQ(updated.at("generationId"), made.at("generationId"));
  EXPECT_NE(updated.at("etag"), made.at("etag"));
  EXPECT_EQ(updated.at("statusUpdatedTime"), "2026-01-02T03:04:05.0000000Z");
}

TEST_F(HttpDevicesTest, ContentTypes) {
  for (const char* type : {"application/json", "Application/JSON; charset=utf-8", "text/json",
                           "application/merge-patch+json"}) {
    EXPECT_EQ(outcome(put("d1", "{}", {{"Content-Type", type}})), "200") << type;
    call("DELETE", "/devices/d1");
  }
  for (const char* type : {"text/plain", "application/x-www-form-urlencoded", ""}) {
    EXPECT_EQ(outcome(put("d1", "{}", {{"Content-Type", type}})),
              "415 GenericUnsupportedMediaType");
  }
}

TEST_F(HttpDevicesTest, BodiesThatAreNoIdentity) {
  const std::pair<std::string, const char*> kBodies[] = {
      {"", "400 IotHubFormatError"},
      {"{", "400 IotHubFormatError"},
      {"{} {}", "400 IotHubFormatError"},
      {"\xEF\xBB\xBF{}", "400 IotHubFormatError"},
      {std::string(100'000, '['), "400 IotHubFormatError"},
      {"{\"deviceId\":\"\xff\"}", "400 IotHubFormatError"},
      {"[]", "400 ArgumentInvalid"},
      {"null", "400 ArgumentInvalid"},
      {R"({"deviceId":"other"})", "400 ArgumentInvalid"},
      {R"({"deviceId":"D1"})", "400 ArgumentInvalid"},
      {R"({"status":"asleep"})", "400 ArgumentInvalid"},
      {keys("not base64!", "AAAA"), "400 ArgumentInvalid"},
      {keys(kKeyA, ""), "400 ArgumentInvalid"},
      {R"({"statusReason":")" + std::string(129, 'x') + "\"}", "400 ArgumentInvalid"},
  };
  for (const auto& [body, expected] : kBodies) {
    EXPECT_EQ(outcome(put("d1", body)), expected) << body.substr(0, 80);
  }
  EXPECT_EQ(outcome(get("/devices/d1")), "404 DeviceNotFound");
}

TEST_F(HttpDevicesTest, ListIsInOrderAndBounded) {
  for (const char* id : {"c", "a", "b"}) put(id);
  const auto ids = [&](const std::string& query) {
    std::string text;
    const auto list = json(get("/devices?api-version=2021-04-12" + query));
    for (const auto& device : list.as_array()) {
      text += device.at("deviceId").as_string().c_str();
    }
    return text;
  };
  EXPECT_EQ(ids(""), "abc");
  EXPECT_EQ(ids("&top=2"), "ab");
  EXPECT_EQ(ids("&top=3"), "abc");
  for (const char* top : {"0", "-1", "1001", "99999999999999999999999", ""}) {
    EXPECT_EQ(ids(std::string("&top=") + top), "abc") << top;
  }
  EXPECT_EQ(outcome(get("/devices?api-version=2021-04-12&top=ten")), "400 ArgumentInvalid");
  EXPECT_EQ(outcome(get("/devices?api-version=2021-04-12&top=-")), "400 ArgumentInvalid");
}

TEST_F(HttpDevicesTest, AnEmptyList) { EXPECT_EQ(get("/devices").body, "[]"); }

TEST_F(HttpDevicesTest, Statistics) {
  put("d1");
  put("d2");
  put("d3", R"({"status":"disabled"})");
  EXPECT_EQ(get("/statistics/devices").body,
            R"({"totalDeviceCount":3,"enabledDeviceCount":2,"disabledDeviceCount":1})");
  EXPECT_EQ(get("/statistics/service", "service").body, R"({"connectedDeviceCount":0})");
}

}  // namespace
}  // namespace linarite::gateway
