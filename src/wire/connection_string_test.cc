#include "wire/connection_string.h"

#include <gtest/gtest.h>

namespace linarite::wire {
namespace {

TEST(ConnectionString, OfAHub) {
  const auto read = parse_connection_string(
      "HostName=127.0.0.1;SharedAccessKeyName=service;SharedAccessKey=a2V5");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read,
            (ConnectionString{.host_name = "127.0.0.1", .policy = "service", .key = "a2V5"}));
  EXPECT_EQ(connection_string_text(*read),
            "HostName=127.0.0.1;SharedAccessKeyName=service;SharedAccessKey=a2V5");
}

TEST(ConnectionString, OfADevice) {
  const auto read =
      parse_connection_string("sharedaccesskey=a2V5PQ==;DEVICEID=d=1;hostname=Hub.example.test;");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->host_name, "Hub.example.test");
  EXPECT_EQ(read->device_id, "d=1");
  EXPECT_EQ(read->key, "a2V5PQ==");
  EXPECT_EQ(connection_string_text(*read),
            "HostName=Hub.example.test;DeviceId=d=1;SharedAccessKey=a2V5PQ==");
}

TEST(ConnectionString, ACertificateStandsForTheKey) {
  const auto read = parse_connection_string("HostName=h;DeviceId=d;x509=true");
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->x509);
  EXPECT_EQ(connection_string_text(*read), "HostName=h;DeviceId=d;x509=true");
}

TEST(ConnectionString, APortIsOurs) {
  const auto read = parse_connection_string("HostName=h:8443;DeviceId=d;SharedAccessKey=a2V5");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->host_name, "h");
  EXPECT_EQ(read->port, 8443);
}

TEST(ConnectionString, RefusesWithoutTellingWhatItHolds) {
  for (const char* text : {
           "",
           "HostName",
           "HostName=h",
           "HostName=h;SharedAccessKey=secretsecret",
           "HostName=h;DeviceId=d",
           "SharedAccessKeyName=service;SharedAccessKey=secretsecret",
           "HostName=h;DeviceId=d;SharedAccessKey=secret!!",
           "HostName=h;HostName=h;DeviceId=d;SharedAccessKey=secretsecret",
           "HostName=h:0;DeviceId=d;SharedAccessKey=secretsecret",
           "HostName=h:x;DeviceId=d;SharedAccessKey=secretsecret",
           "HostName=h/secret;DeviceId=d;SharedAccessKey=secretsecret",
           "HostName=h;ModuleId=m;SharedAccessKeyName=p;SharedAccessKey=secretsecret",
       }) {
    const auto read = parse_connection_string(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().message.find("secret"), std::string::npos) << read.error().message;
  }
  EXPECT_FALSE(parse_connection_string("HostName=h;DeviceId=d;SharedAccessKey=" +
                                       std::string(kConnectionStringSizeMax, 'A')));
}

}  // namespace
}  // namespace linarite::wire
