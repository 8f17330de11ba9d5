#include "wire/device_json.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/base64.h"

namespace linarite::wire {
namespace {

using std::chrono::milliseconds;

const std::string kKey1 = base64_encode(std::string(32, 'a'));
const std::string kKey2 = base64_encode(std::string(64, 'b'));

DeviceRequest parsed(std::string_view json) {
  auto request = parse_device_request(json, "d1");
  EXPECT_TRUE(request) << json << ": " << (request ? "" : request.error().message);
  return request.value_or(DeviceRequest{});
}

ErrorCode refusal(std::string_view json) {
  const auto request = parse_device_request(json, "d1");
  return request ? ErrorCode{} : request.error().code;
}

TEST(SymmetricKey, IsBase64Of16To64Bytes) {
  for (size_t size = 0; size < 80; ++size) {
    EXPECT_EQ(is_valid_symmetric_key(base64_encode(std::string(size, 'k'))),
              size >= 16 && size <= 64)
        << size;
  }
  EXPECT_FALSE(is_valid_symmetric_key(std::string(43, 'A')));
  EXPECT_FALSE(is_valid_symmetric_key(kKey1 + "\n"));
  EXPECT_FALSE(is_valid_symmetric_key(std::string(44, '-')));
}

TEST(Thumbprint, Is40Or64HexDigits) {
  EXPECT_TRUE(is_valid_thumbprint("0123456789abcdefABCDEF0123456789abcdef01"));
  EXPECT_TRUE(is_valid_thumbprint(std::string(64, 'F')));
  for (const size_t size : {0U, 39U, 41U, 63U, 65U})
    EXPECT_FALSE(is_valid_thumbprint(std::string(size, 'F')));
  EXPECT_FALSE(is_valid_thumbprint(std::string(39, 'F') + "g"));
}

TEST(ParseDeviceRequest, NothingSet) {
  for (const char* json :
       {"{}", R"({"deviceId":"d1"})", R"({"deviceId":null,"status":null,"authentication":null})",
        R"({"authentication":{"symmetricKey":{"primaryKey":"","secondaryKey":null}}})",
        R"({"authentication":{"symmetricKey":null,"x509Thumbprint":{}}})",
        R"({"etag":5,"generationId":[],"connectionState":{},"future":{"a":[1,{"b":null}]}})"}) {
    const DeviceRequest request = parsed(json);
    EXPECT_FALSE(request.status || request.status_reason || request.authentication ||
                 request.primary_key || request.secondary_key || request.primary_thumbprint ||
                 request.secondary_thumbprint || request.iot_edge || request.device_scope)
        << json;
  }
}

TEST(ParseDeviceRequest, Everything) {
  const DeviceRequest request = parsed(fmt::format(
      R"({{"deviceId":"d1","status":"disabled","statusReason":"stolen",
           "authentication":{{"symmetricKey":{{"primaryKey":"{}","secondaryKey":"{}"}},
                              "x509Thumbprint":{{"primaryThumbprint":"{}"}},"type":"sas"}},
           "capabilities":{{"iotEdge":true}},"deviceScope":"ms-azure-iot-edge://p-1"}})",
      kKey1, kKey2, std::string(40, 'A')));
  EXPECT_EQ(request.status, DeviceStatus::kDisabled);
  EXPECT_EQ(request.status_reason, "stolen");
  EXPECT_EQ(request.authentication, AuthenticationType::kSas);
  EXPECT_EQ(request.primary_key, kKey1);
  EXPECT_EQ(request.secondary_key, kKey2);
  EXPECT_EQ(request.primary_thumbprint, std::string(40, 'A'));
  EXPECT_EQ(request.secondary_thumbprint, std::nullopt);
  EXPECT_EQ(request.iot_edge, true);
  EXPECT_EQ(request.device_scope, "ms-azure-iot-edge://p-1");
}

TEST(ParseDeviceRequest, NamesAndEnumValuesIgnoreCase) {
  EXPECT_EQ(parsed(R"({"DEVICEID":"d1","Status":"Enabled"})").status, DeviceStatus::kEnabled);
  EXPECT_EQ(parsed(R"({"STATUS":"DISABLED"})").status, DeviceStatus::kDisabled);
  EXPECT_EQ(parsed(R"({"Authentication":{"Type":"SELFSIGNED"}})").authentication,
            AuthenticationType::kSelfSigned);
  EXPECT_EQ(parsed(R"({"authentication":{"type":"certificateauthority"}})").authentication,
            AuthenticationType::kCertificateAuthority);
  EXPECT_EQ(parsed(R"({"authentication":{"type":"None"}})").authentication,
            AuthenticationType::kNone);
}

TEST(ParseDeviceRequest, DerivesTheAuthenticationType) {
  EXPECT_EQ(
      parsed(
          fmt::format(R"({{"authentication":{{"x509Thumbprint":{{"secondaryThumbprint":"{}"}}}}}})",
                      std::string(64, 'a')))
          .authentication,
      AuthenticationType::kSelfSigned);
  EXPECT_EQ(
      parsed(
          fmt::format(
              R"({{"authentication":{{"symmetricKey":{{"primaryKey":"{}","secondaryKey":"{}"}}}}}})",
              kKey1, kKey2))
          .authentication,
      AuthenticationType::kSas);
}

TEST(ParseDeviceRequest, RefusesInvalidValues) {
  const std::string reason129(129, 'r');
  const std::string scope(kDeviceScopeSizeMax + 1, 's');
  for (const std::string& json : {
           std::string(R"([])"),
           std::string(R"("d1")"),
           std::string("null"),
           std::string(R"({"deviceId":"D1"})"),
           std::string(R"({"deviceId":"d2"})"),
           std::string(R"({"deviceId":1})"),
           std::string(R"({"status":"off"})"),
           std::string(R"({"status":true})"),
           std::string(R"({"status":"enabled","Status":"disabled"})"),
           std::string(R"({"statusReason":1})"),
           R"({"statusReason":")" + reason129 + R"("})",
           R"({"deviceScope":")" + scope + R"("})",
           std::string(R"({"authentication":"sas"})"),
           std::string(R"({"authentication":{"type":"x509"}})"),
           std::string(R"({"authentication":{"type":1}})"),
           std::string(R"({"authentication":{"symmetricKey":[]}})"),
           std::string(R"({"authentication":{"x509Thumbprint":"aa"}})"),
           std::string(R"({"authentication":{"x509Thumbprint":{"primaryThumbprint":"aa"}}})"),
           std::string(R"({"authentication":{"x509Thumbprint":{"primaryThumbprint":1}}})"),
           std::string(R"({"capabilities":true})"),
           std::string(R"({"capabilities":{"iotEdge":"yes"}})"),
       }) {
    EXPECT_EQ(refusal(json), ErrorCode::kArgumentInvalid) << json;
  }
}

TEST(ParseDeviceRequest, StatusReasonIsCountedInCharacters) {
  std::string reason;
  for (size_t i = 0; i < kStatusReasonLengthMax; ++i) reason += "\xE2\x82\xAC";
  EXPECT_EQ(parsed(R"({"statusReason":")" + reason + R"("})").status_reason, reason);
  EXPECT_EQ(refusal(R"({"statusReason":")" + reason + R"(!"})"), ErrorCode::kArgumentInvalid);
}

TEST(ParseDeviceRequest, KeysComeInPairsAndAreChecked) {
  const auto with_keys = [](std::string_view primary, std::string_view secondary) {
    return refusal(fmt::format(
        R"({{"authentication":{{"symmetricKey":{{"primaryKey":{},"secondaryKey":{}}}}}}})", primary,
        secondary));
  };
  const std::string good = "\"" + kKey1 + "\"";
  EXPECT_EQ(with_keys(good, good), ErrorCode{});
  for (const char* bad : {"null", "\"\"", "\"AAAA\"", "\"not base64\"", "5"}) {
    EXPECT_EQ(with_keys(good, bad), ErrorCode::kArgumentInvalid) << bad;
    EXPECT_EQ(with_keys(bad, good), ErrorCode::kArgumentInvalid) << bad;
  }
}

TEST(ParseDeviceRequest, RefusesWhatIsNoJsonOrTooLarge) {
  EXPECT_EQ(refusal(""), ErrorCode::kIotHubFormatError);
  EXPECT_EQ(refusal("{\"status\":\"enabled\",\"status\":\"enabled\"}"),
            ErrorCode::kIotHubFormatError);
  EXPECT_EQ(refusal(std::string(40, '[') + std::string(40, ']')), ErrorCode::kIotHubFormatError);
  EXPECT_EQ(refusal("{}" + std::string(kDeviceJsonSizeMax - 2, ' ')), ErrorCode{});
  EXPECT_EQ(refusal("{}" + std::string(kDeviceJsonSizeMax - 1, ' ')),
            ErrorCode::kGenericRequestEntityTooLarge);
}

TEST(DeviceJson, HasAzuresMembersAndCasing) {
  DeviceDocument device;
  device.device_id = "d1";
  device.generation_id = "637123456789012345";
  device.etag = "NjM3";
  device.primary_key = "cA==";
  device.secondary_key = "cw==";
  EXPECT_EQ(
      device_json(device),
      R"({"deviceId":"d1","generationId":"637123456789012345","etag":"NjM3",)"
      R"("connectionState":"Disconnected","status":"enabled","statusReason":null,)"
      R"("connectionStateUpdatedTime":"0001-01-01T00:00:00","statusUpdatedTime":"0001-01-01T00:00:00",)"
      R"("lastActivityTime":"0001-01-01T00:00:00","cloudToDeviceMessageCount":0,)"
      R"("authentication":{"symmetricKey":{"primaryKey":"cA==","secondaryKey":"cw=="},)"
      R"("x509Thumbprint":{"primaryThumbprint":null,"secondaryThumbprint":null},"type":"sas"},)"
      R"("capabilities":{"iotEdge":false},"deviceScope":null,"parentScopes":[]})");
}

TEST(DeviceJson, ARequestHasWhatIsTheClientsToSay) {
  DeviceDocument device;
  device.device_id = "d1";
  device.etag = "NjM3";
  device.cloud_to_device_message_count = 3;
  device.primary_key = "cA==";
  EXPECT_EQ(device_request_json(device),
            R"({"deviceId":"d1","status":"enabled","statusReason":null,)"
            R"("authentication":{"symmetricKey":{"primaryKey":"cA==","secondaryKey":null},)"
            R"("x509Thumbprint":{"primaryThumbprint":null,"secondaryThumbprint":null},)"
            R"("type":"sas"},"capabilities":{"iotEdge":false}})");
  device.device_scope = "s";
  device.parent_scopes = {"p"};
  EXPECT_TRUE(device_request_json(device).ends_with(R"("deviceScope":"s","parentScopes":["p"]})"));
}

TEST(DeviceJson, ShowsWhatIsSet) {
  DeviceDocument device;
  device.device_id = "d\"1";
  device.connected = true;
  device.status = DeviceStatus::kDisabled;
  device.status_reason = "because; \xE2\x82\xAC";
  device.status_updated = WallTime{milliseconds(1595686465172)};
  device.cloud_to_device_message_count = 3;
  device.authentication = AuthenticationType::kSelfSigned;
  device.primary_thumbprint = "AA";
  device.iot_edge = true;
  device.device_scope = "scope";
  device.parent_scopes = {"p1", "p2"};
  const std::string json = device_json(device);
  for (const char* part :
       {R"("deviceId":"d\"1")", R"("connectionState":"Connected")", R"("status":"disabled")",
        "\"statusReason\":\"because; \xE2\x82\xAC\"",
        R"("statusUpdatedTime":"2020-07-25T14:14:25.1720000Z")", R"("cloudToDeviceMessageCount":3)",
        R"("primaryThumbprint":"AA","secondaryThumbprint":null},"type":"selfSigned")",
        R"("iotEdge":true)", R"("deviceScope":"scope","parentScopes":["p1","p2"])",
        R"({"primaryKey":null,"secondaryKey":null})"}) {
    EXPECT_NE(json.find(part), std::string::npos) << part << " in " << json;
  }
}

TEST(DeviceJson, WhatItWritesIsAcceptedAsARequest) {
  DeviceDocument device;
  device.device_id = "d1";
  device.primary_key = kKey1;
  device.secondary_key = kKey2;
  const DeviceRequest request = parsed(device_json(device));
  EXPECT_EQ(request.primary_key, kKey1);
  EXPECT_EQ(request.status, DeviceStatus::kEnabled);
  EXPECT_EQ(request.iot_edge, false);
}

TEST(DeviceListJson, IsAnArray) {
  DeviceDocument device;
  EXPECT_EQ(device_list_json({}), "[]");
  const DeviceDocument two[] = {device, device};
  EXPECT_EQ(device_list_json(two), "[" + device_json(device) + "," + device_json(device) + "]");
}

}  // namespace
}  // namespace linarite::wire
