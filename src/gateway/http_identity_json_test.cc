#include "gateway/http_identity_json.h"

#include <gtest/gtest.h>

namespace linarite::gateway {
namespace {

using hub::AuthenticationType;
using hub::DeviceStatus;

hub::IdentityWrite parse(std::string_view json) {
  auto write = parse_identity_write(json, "d1");
  EXPECT_TRUE(write) << json;
  return write ? *write : hub::IdentityWrite{};
}

ErrorCode refusal(std::string_view json) {
  const auto write = parse_identity_write(json, "d1");
  return write ? ErrorCode{0} : write.error().code;
}

TEST(HttpIdentityJsonTest, EverythingThatCanBeWritten) {
  const auto write = parse(R"({"deviceId":"d1","status":"disabled","statusReason":"why",
      "authentication":{"type":"sas","symmetricKey":{"primaryKey":"A","secondaryKey":"B"},
      "x509Thumbprint":{"primaryThumbprint":"C","secondaryThumbprint":"D"}},
      "capabilities":{"iotEdge":true},"deviceScope":"scope"})");
  EXPECT_EQ(write.device_id, "d1");
  EXPECT_EQ(write.status, DeviceStatus::kDisabled);
  EXPECT_EQ(write.status_reason, "why");
  EXPECT_EQ(write.authentication, AuthenticationType::kSas);
  EXPECT_EQ(write.primary_key, "A");
  EXPECT_EQ(write.secondary_key, "B");
  EXPECT_EQ(write.primary_thumbprint, "C");
  EXPECT_EQ(write.secondary_thumbprint, "D");
  EXPECT_EQ(write.iot_edge, true);
  EXPECT_EQ(write.device_scope, "scope");
}

TEST(HttpIdentityJsonTest, NothingIsSetByNull) {
  for (const char* json :
       {"{}", R"({"status":null,"statusReason":null,"authentication":null,"capabilities":null,
                  "deviceScope":null,"deviceId":null})",
        R"({"authentication":{"type":null,"symmetricKey":null,"x509Thumbprint":null}})",
        R"({"authentication":{"symmetricKey":{"primaryKey":null,"secondaryKey":""}}})"}) {
    const auto write = parse(json);
    EXPECT_FALSE(write.status || write.status_reason || write.authentication || write.primary_key ||
                 write.secondary_key || write.primary_thumbprint || write.iot_edge ||
                 write.device_scope)
        << json;
  }
}

TEST(HttpIdentityJsonTest, NamesAndValuesInAnyCase) {
  const auto write = parse(R"({"DEVICEID":"d1","Status":"Enabled","AUTHENTICATION":
      {"Type":"SELFSIGNED","X509thumbprint":{"PrimaryThumbprint":"x"}}})");
  EXPECT_EQ(write.status, DeviceStatus::kEnabled);
  EXPECT_EQ(write.authentication, AuthenticationType::kSelfSigned);
  EXPECT_EQ(write.primary_thumbprint, "x");
  EXPECT_EQ(parse(R"({"authentication":{"type":"certificateauthority"}})").authentication,
            AuthenticationType::kCertificateAuthority);
  EXPECT_EQ(parse(R"({"authentication":{"type":"None"}})").authentication,
            AuthenticationType::kNone);
}

TEST(HttpIdentityJsonTest, TheTypeFollowsFromWhatIsGiven) {
  EXPECT_EQ(
      parse(R"({"authentication":{"x509Thumbprint":{"secondaryThumbprint":"x"}}})").authentication,
      AuthenticationType::kSelfSigned);
  EXPECT_EQ(parse(R"({"authentication":{"symmetricKey":{"primaryKey":"x"}}})").authentication,
            AuthenticationType::kSas);
  EXPECT_EQ(parse(R"({"authentication":{}})").authentication, std::nullopt);
}

TEST(HttpIdentityJsonTest, UnknownAndReadOnlyPropertiesAreIgnored) {
  parse(R"({"generationId":5,"etag":[],"connectionState":{},"cloudToDeviceMessageCount":1e300,
            "lastActivityTime":true,"parentScopes":["x"],"tags":{"a":{"b":-0}}})");
}

TEST(HttpIdentityJsonTest, WrongTypesAreRefused) {
  for (const char* json :
       {R"({"deviceId":1})", R"({"status":1})", R"({"statusReason":{}})",
        R"({"authentication":"sas"})", R"({"authentication":[]})",
        R"({"authentication":{"type":1}})", R"({"authentication":{"type":"password"}})",
        R"({"authentication":{"symmetricKey":"x"}})",
        R"({"authentication":{"symmetricKey":{"primaryKey":1}}})", R"({"capabilities":true})",
        R"({"capabilities":{"iotEdge":"true"}})", R"({"deviceScope":5})", "1", "\"text\"", "[]"}) {
    EXPECT_EQ(refusal(json), ErrorCode::kArgumentInvalid) << json;
  }
  EXPECT_EQ(refusal("{\"deviceScope\":\"" + std::string(kDeviceScopeSizeMax + 1, 'x') + "\"}"),
            ErrorCode::kArgumentInvalid);
}

TEST(HttpIdentityJsonTest, PropertiesGivenTwiceAreRefused) {
  EXPECT_EQ(refusal(R"({"status":"enabled","Status":"disabled"})"), ErrorCode::kArgumentInvalid);
  EXPECT_EQ(refusal(R"({"deviceId":null,"DeviceId":"d1"})"), ErrorCode::kArgumentInvalid);
}

TEST(HttpIdentityJsonTest, WhatIsNotJsonIsRefused) {
  const auto nested = [](size_t depth) {
    return R"({"x":)" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
  };
  EXPECT_EQ(refusal(nested(kJsonDepthMax)), ErrorCode{0});
  for (const std::string& json :
       {std::string(), std::string("{"), std::string("{}x"), std::string("{'a':1}"),
        std::string("{\"a\":1,}"), std::string("{\"a\":NaN}"), std::string("// c\n{}"),
        std::string("{\"a\":\"\\ud800\"}"), std::string("{\"a\":\"\x01\"}"),
        nested(kJsonDepthMax + 1), std::string(200'000, '{')}) {
    EXPECT_EQ(refusal(json), ErrorCode::kIotHubFormatError) << json.substr(0, 40);
  }
}

TEST(HttpIdentityJsonTest, ASelfSignedEdgeDevice) {
  hub::DeviceView view;
  view.identity = {.device_id = "d\"1",
                   .generation_id = "7",
                   .etag = "tag",
                   .status = DeviceStatus::kDisabled,
                   .status_reason = "<b>",
                   .status_updated = WallTime{},
                   .authentication = AuthenticationType::kSelfSigned,
                   .primary_thumbprint = "AB",
                   .iot_edge = true,
                   .device_scope = "scope"};
  EXPECT_EQ(
      device_json(view),
      R"({"deviceId":"d\"1","generationId":"7","etag":"tag","connectionState":"Disconnected",)"
      R"("status":"disabled","statusReason":"<b>",)"
      R"("connectionStateUpdatedTime":"0001-01-01T00:00:00",)"
      R"("statusUpdatedTime":"1970-01-01T00:00:00.0000000Z",)"
      R"("lastActivityTime":"0001-01-01T00:00:00","cloudToDeviceMessageCount":0,)"
      R"("authentication":{"symmetricKey":{"primaryKey":null,"secondaryKey":null},)"
      R"("x509Thumbprint":{"primaryThumbprint":"AB","secondaryThumbprint":null},)"
      R"("type":"selfSigned"},"capabilities":{"iotEdge":true},"deviceScope":"scope",)"
      R"("parentScopes":[]})");
  view.identity.iot_edge = false;
  EXPECT_NE(device_json(view).find(R"("parentScopes":["scope"])"), std::string::npos);
  EXPECT_EQ(device_list_json({}), "[]");
}

}  // namespace
}  // namespace linarite::gateway
