#include "wire/control_file.h"

#include <gtest/gtest.h>

namespace linarite::wire {
namespace {

const ControlFile kFile = {.host = "hub.example.test",
                           .address = "127.0.0.1",
                           .mqtt_port = 8883,
                           .amqp_port = 5671,
                           .https_port = 443,
                           .admin_port = 5300,
                           .token = "0123abcd",
                           .pid = 42};

TEST(ControlFile, ReadsWhatItWrites) {
  const auto read = parse_control_file(control_file_text(kFile));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, kFile);
}

TEST(ControlFile, TheAddressMayBeMissingAndMoreMayBeThere) {
  const auto read = parse_control_file(
      R"({"host":"h","mqttPort":1,"amqpPort":2,"httpsPort":3,"adminPort":4,"token":"t","pid":5,"x":[]})");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->address, "127.0.0.1");
  EXPECT_EQ(read->https_port, 3);
}

TEST(ControlFile, RefusesWhatIsNone) {
  for (
      const char* text :
      {"", "{}", "[]", "not json",
       R"({"mqttPort":1,"amqpPort":2,"httpsPort":3,"adminPort":4,"token":"t","pid":5})",
       R"({"host":"h","mqttPort":1,"amqpPort":2,"httpsPort":3,"adminPort":4,"token":"","pid":5})",
       R"({"host":"h","mqttPort":1,"amqpPort":2,"httpsPort":3,"adminPort":65536,"token":"t","pid":5})",
       R"({"host":"h","mqttPort":-1,"amqpPort":2,"httpsPort":3,"adminPort":4,"token":"t","pid":5})",
       R"({"host":7,"mqttPort":1,"amqpPort":2,"httpsPort":3,"adminPort":4,"token":"t","pid":5})"}) {
    EXPECT_FALSE(parse_control_file(text)) << text;
  }
  EXPECT_FALSE(parse_control_file(std::string(kControlFileSizeMax + 1, ' ')));
}

TEST(DefaultDataDirectory, FollowsTheXdgSpecification) {
  EXPECT_EQ(default_data_directory(true, "", "/root"), "/var/lib/linarite");
  EXPECT_EQ(default_data_directory(true, "/data", "/root"), "/data/linarite");
  EXPECT_EQ(default_data_directory(false, "/data", "/home/me"), "/data/linarite");
  EXPECT_EQ(default_data_directory(false, "", "/home/me"), "/home/me/.local/share/linarite");
  EXPECT_EQ(default_data_directory(false, "relative", "/home/me"),
            "/home/me/.local/share/linarite");
  EXPECT_EQ(default_data_directory(false, "", ""), "");
}

}  // namespace
}  // namespace linarite::wire
