#include "wire/connection_string.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace linarite::wire {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kKey = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

ConnectionString device(std::string_view text) {
  auto result = parse_device_connection_string(text);
  EXPECT_TRUE(result) << text << ": " << (result ? "" : result.error().message);
  return result.value_or(ConnectionString{});
}

ConnectionString service(std::string_view text) {
  auto result = parse_service_connection_string(text);
  EXPECT_TRUE(result) << text << ": " << (result ? "" : result.error().message);
  return result.value_or(ConnectionString{});
}

std::string complaint(const Result<ConnectionString>& result) {
  if (result) return "accepted";
  EXPECT_EQ(result.error().code, ErrorCode::kArgumentInvalid);
  EXPECT_THAT(result.error().message, Not(HasSubstr("secret")));
  return result.error().message;
}

TEST(DeviceConnectionString, WithKey) {
  const ConnectionString c =
      device("HostName=hub.test;DeviceId=d1;SharedAccessKey=" + std::string(kKey));
  EXPECT_EQ(c.host_name, "hub.test");
  EXPECT_EQ(c.identity, (Identity{"d1", ""}));
  EXPECT_EQ(c.key, kKey);
  EXPECT_FALSE(c.x509);
}

TEST(DeviceConnectionString, OtherForms) {
  EXPECT_EQ(device("HostName=h;DeviceId=d=1;ModuleId=m;SharedAccessKey=AAAA").identity,
            (Identity{"d=1", "m"}));
  EXPECT_EQ(device("HostName=h;DeviceId=d;SharedAccessKeyName=device;SharedAccessKey=AAAA").policy,
            "device");
  EXPECT_EQ(
      device("HostName=h;DeviceId=d;SharedAccessSignature=SharedAccessSignature sr=h&sig=x&se=1")
          .signature,
      "SharedAccessSignature sr=h&sig=x&se=1");
  EXPECT_TRUE(device("HostName=h;DeviceId=d;x509=True").x509);
  EXPECT_EQ(
      device("hostname=h;DEVICEID=d;sharedaccesskey=AAAA;GatewayHostName=g;").gateway_host_name,
      "g");
  EXPECT_FALSE(device("x509=false;SharedAccessKey=AAAA;DeviceId=d;HostName=127.0.0.1").x509);
}

TEST(ServiceConnectionString, WithKeyOrToken) {
  const ConnectionString c = service(
      "HostName=hub.test;SharedAccessKeyName=iothubowner;SharedAccessKey=" + std::string(kKey));
  EXPECT_EQ(c.policy, "iothubowner");
  EXPECT_EQ(c.key, kKey);
  EXPECT_EQ(service("HostName=h;SharedAccessKeyName=p@x.y-z_1;SharedAccessSignature=s").policy,
            "p@x.y-z_1");
}

struct Refusal {
  std::string_view text;
  std::string_view complaint;
};

TEST(DeviceConnectionString, ErrorsNameTheField) {
  const std::string long_id = "HostName=h;SharedAccessKey=AAAA;DeviceId=" + std::string(129, 'd');
  const std::string long_host = "HostName=" + std::string(254, 'h') + ";DeviceId=d;x509=true";
  const Refusal cases[] = {
      {"", "a field without '='"},
      {";", "a field without '='"},
      {"secret", "a field without '='"},
      {"HostName=h;;DeviceId=d;x509=true", "a field without '='"},
      {"HostName=h;DeviceId=d;x509=true;;", "a field without '='"},
      {"DeviceId=d;SharedAccessKey=AAAA", "HostName is missing"},
      {"HostName=;DeviceId=d;SharedAccessKey=AAAA", "HostName is empty"},
      {"HostName=h:8883;DeviceId=d;SharedAccessKey=AAAA", "HostName is not"},
      {"HostName=https://h;DeviceId=d;SharedAccessKey=AAAA", "HostName is not"},
      {"HostName=h h;DeviceId=d;SharedAccessKey=AAAA", "HostName is not"},
      {long_host, "HostName is not"},
      {"HostName=h;GatewayHostName=g/;DeviceId=d;x509=true", "GatewayHostName is not"},
      {"HostName=h;SharedAccessKey=AAAA", "DeviceId is missing"},
      {"HostName=h;DeviceId=a b;SharedAccessKey=AAAA", "DeviceId is not"},
      {long_id, "DeviceId is not"},
      {"HostName=h;DeviceId=d;ModuleId=m/n;SharedAccessKey=AAAA", "ModuleId is not"},
      {"HostName=h;DeviceId=d", "SharedAccessKey is missing"},
      {"HostName=h;DeviceId=d;x509=false", "SharedAccessKey is missing"},
      {"HostName=h;DeviceId=d;SharedAccessKey=", "SharedAccessKey is empty"},
      {"HostName=h;DeviceId=d;SharedAccessKey=secret!", "SharedAccessKey is not base64"},
      {"HostName=h;DeviceId=d;SharedAccessKey=AAAA;SharedAccessSignature=s", "exclude each other"},
      {"HostName=h;DeviceId=d;SharedAccessKey=AAAA;x509=true", "exclude each other"},
      {"HostName=h;DeviceId=d;x509=yes", "x509 must be"},
      {"HostName=h;DeviceId=d;x509=true;SharedAccessKeyName=p", "SharedAccessKeyName without"},
      {"HostName=h;DeviceId=d;SharedAccessKey=AAAA;SharedAccessKeyName=a b", "SharedAccessKeyName"},
      {"HostName=h;HostName=h;DeviceId=d;x509=true", "HostName is given twice"},
      {"HostName=h;DeviceId=d;SharedAccessKey=AAAA;Key=secret", "unknown field Key"},
      {"HostName=h;DeviceId=d;SharedAccessKey=AAAA;/secret\x1b=1", "unknown field one that is not"},
      {"HostName=h;DeviceId=d;SharedAccessKey=AAAA;GatewayHostName=\xFF", "not UTF-8"},
  };
  for (const Refusal& c : cases) {
    EXPECT_THAT(complaint(parse_device_connection_string(c.text)), HasSubstr(c.complaint))
        << c.text;
  }
}

TEST(ServiceConnectionString, ErrorsNameTheField) {
  const Refusal cases[] = {
      {"HostName=h;SharedAccessKey=AAAA", "SharedAccessKeyName is missing"},
      {"HostName=h;SharedAccessKeyName=p", "SharedAccessKey is missing"},
      {"HostName=h;SharedAccessKeyName=p;SharedAccessKey=AAAA;DeviceId=d", "DeviceId"},
      {"HostName=h;SharedAccessKeyName=p;SharedAccessKey=AAAA;ModuleId=m", "ModuleId"},
      {"HostName=h;SharedAccessKeyName=p;SharedAccessKey=AAAA;x509=true", "x509"},
      {"HostName=h;SharedAccessKeyName=p;SharedAccessKey=AAAA;SharedAccessSignature=s", "exclude"},
  };
  for (const Refusal& c : cases) {
    EXPECT_THAT(complaint(parse_service_connection_string(c.text)), HasSubstr(c.complaint))
        << c.text;
  }
  EXPECT_THAT(
      complaint(parse_service_connection_string(std::string(kConnectionStringSizeMax + 1, 'x'))),
      HasSubstr("too long"));
}

TEST(ConnectionStringText, WhatItWritesItReads) {
  for (const char* text :
       {"HostName=h;DeviceId=d;ModuleId=m;SharedAccessKey=AAAA;GatewayHostName=g",
        "HostName=h;DeviceId=d;SharedAccessKeyName=p;SharedAccessKey=AAAA",
        "HostName=h;DeviceId=d;SharedAccessSignature=SharedAccessSignature sr=h",
        "HostName=h;DeviceId=d;x509=true"}) {
    EXPECT_EQ(connection_string_text(device(text)), text);
  }
  const char* text = "HostName=h;SharedAccessKeyName=service;SharedAccessKey=AAAA";
  EXPECT_EQ(connection_string_text(service(text)), text);
}

TEST(EventHubsConnectionString, HasTheFormOfThatSdk) {
  EXPECT_EQ(
      event_hubs_connection_string(
          service("HostName=h.test;SharedAccessKeyName=service;SharedAccessKey=AAAA"), "hub"),
      "Endpoint=sb://h.test/;SharedAccessKeyName=service;SharedAccessKey=AAAA;EntityPath=hub");
}

std::string event_hubs_complaint(std::string_view text) {
  const auto result = parse_event_hubs_connection_string(text);
  if (result) return "accepted";
  EXPECT_THAT(result.error().message, Not(HasSubstr("secret")));
  return result.error().message;
}

TEST(EventHubsConnectionString, AsItIsWritten) {
  const ConnectionString of{.host_name = "hub.test", .policy = "service", .key = "c2VjcmV0"};
  const auto c = parse_event_hubs_connection_string(event_hubs_connection_string(of, "hub"));
  ASSERT_TRUE(c);
  EXPECT_EQ(*c,
            (EventHubsConnectionString{
                .host_name = "hub.test", .policy = "service", .key = "c2VjcmV0", .entity = "hub"}));
}

TEST(EventHubsConnectionString, OtherForms) {
  const auto c = parse_event_hubs_connection_string(
      "EntityPath=e;endpoint=SB://localhost:5673;SharedAccessKeyName=n;"
      "SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;");
  ASSERT_TRUE(c);
  EXPECT_EQ(c->host_name, "localhost");
  EXPECT_EQ(c->port, 5673);
  EXPECT_EQ(c->key, "SAS_KEY_VALUE");
  EXPECT_TRUE(c->development_emulator);
  EXPECT_TRUE(parse_event_hubs_connection_string(
      "Endpoint=sb://h/;EntityPath=e;SharedAccessSignature=SharedAccessSignature sr=h&sig=x&se=1"));
}

TEST(EventHubsConnectionString, WhatIsWrongIsNamed) {
  const std::string rest = ";SharedAccessKeyName=n;SharedAccessKey=secret;EntityPath=e";
  EXPECT_THAT(event_hubs_complaint("Endpoint=https://h/" + rest), HasSubstr("sb://"));
  EXPECT_THAT(event_hubs_complaint("Endpoint=sb:///" + rest), HasSubstr("no host"));
  EXPECT_THAT(event_hubs_complaint("Endpoint=sb://h:0/" + rest), HasSubstr("port"));
  EXPECT_THAT(event_hubs_complaint("Endpoint=sb://h:65536/" + rest), HasSubstr("port"));
  EXPECT_THAT(event_hubs_complaint("Endpoint=sb://h/path" + rest), HasSubstr("Endpoint"));
  EXPECT_THAT(event_hubs_complaint(rest.substr(1)), HasSubstr("Endpoint is missing"));
  EXPECT_THAT(event_hubs_complaint("HostName=h" + rest), HasSubstr("HostName"));
  EXPECT_THAT(event_hubs_complaint("Endpoint=sb://h/;EntityPath=e"),
              HasSubstr("SharedAccessKey is missing"));
  EXPECT_THAT(event_hubs_complaint("Endpoint=sb://h/;SharedAccessKey=secret;EntityPath=e"),
              HasSubstr("SharedAccessKeyName is missing"));
  EXPECT_THAT(event_hubs_complaint("Endpoint=sb://h/;SharedAccessKey=secret"),
              HasSubstr("EntityPath is missing"));
  EXPECT_THAT(event_hubs_complaint("Endpoint=sb://h/;EntityPath=a/b;SharedAccessKey=secret"),
              HasSubstr("EntityPath"));
  EXPECT_THAT(event_hubs_complaint("Endpoint=sb://h/" + rest + ";UseDevelopmentEmulator=1"),
              HasSubstr("UseDevelopmentEmulator must be"));
  EXPECT_THAT(event_hubs_complaint("Endpoint=sb://h/" + rest + ";SharedAccessSignature=secret"),
              HasSubstr("exclude each other"));
}

TEST(EventHubsConnectionString, IsToldByItsEndpoint) {
  EXPECT_TRUE(is_event_hubs_connection_string("EntityPath=e;ENDPOINT=nonsense"));
  EXPECT_FALSE(is_event_hubs_connection_string("HostName=h;SharedAccessKey=Endpoint="));
  EXPECT_FALSE(is_event_hubs_connection_string(""));
  EXPECT_FALSE(is_event_hubs_connection_string(";"));
}

}  // namespace
}  // namespace linarite::wire
