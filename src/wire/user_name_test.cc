#include "wire/user_name.h"

#include <gtest/gtest.h>

namespace linarite::wire {
namespace {

UserName parsed(std::string_view user_name, std::string_view client_id) {
  auto result = parse_user_name(user_name, client_id);
  EXPECT_TRUE(result) << user_name << ": " << (result ? "" : result.error().message);
  return result.value_or(UserName{});
}

bool refused(std::string_view user_name, std::string_view client_id) {
  const auto result = parse_user_name(user_name, client_id);
  return !result && result.error().code == ErrorCode::kIotHubUnauthorizedAccess;
}

TEST(UserName, ShapesSeenInTheField) {  // device-protocol 1.3
  EXPECT_EQ(parsed("hub.test/d", "d").identity, (Identity{"d", ""}));
  EXPECT_EQ(parsed("hub.test/d/", "d").identity, (Identity{"d", ""}));

  const UserName python = parsed(
      "hub.test/d/?api-version=2021-04-12&DeviceClientType=py-azure-iot-device%2F2.14.0", "d");
  EXPECT_EQ(python.host, "hub.test");
  EXPECT_EQ(python.api_version, "2021-04-12");
  EXPECT_EQ(python.device_client_type, "py-azure-iot-device/2.14.0");
  EXPECT_EQ(python.model_id, std::nullopt);

  const UserName module = parsed(
      "hub.test/d/m/?api-version=2020-09-30&model-id=dtmi%3Acom%3Aexample%3AThermo%3B1", "d/m");
  EXPECT_EQ(module.identity, (Identity{"d", "m"}));
  EXPECT_EQ(module.model_id, "dtmi:com:example:Thermo;1");

  const UserName old_c =
      parsed("hub.test/d/api-version=2016-11-14&DeviceClientType=iothubclient%2F1.1.12", "d");
  EXPECT_EQ(old_c.api_version, "2016-11-14");
  EXPECT_EQ(old_c.device_client_type, "iothubclient/1.1.12");

  const UserName old_node =
      parsed("hub.test/d/DeviceClientType=azure-iot-device%2F1.1.21&api-version=2016-11-14", "d");
  EXPECT_EQ(old_node.api_version, "2016-11-14");
  EXPECT_EQ(old_node.device_client_type, "azure-iot-device/1.1.21");

  const UserName old_net = parsed(
      "hub.test/d/m/api-version=2017-06-30/"
      "DeviceClientType=Microsoft.Azure.Devices.Client/1.5.1-preview-003",
      "d/m");
  EXPECT_EQ(old_net.api_version, "2017-06-30");
  EXPECT_EQ(old_net.device_client_type, "Microsoft.Azure.Devices.Client/1.5.1-preview-003");
}

TEST(UserName, NodeSendsTheModelIdUnencoded) {
  const UserName node = parsed(
      "hub.test/d/?model-id=dtmi:com:example:Thermo;1&api-version=2020-09-30&DeviceClientType=n/1",
      "d");
  EXPECT_EQ(node.model_id, "dtmi:com:example:Thermo;1");
  EXPECT_EQ(node.device_client_type, "n/1");
}

TEST(UserName, TheFirstOfDuplicatesWinsAndUnknownKeysAreIgnored) {
  const UserName name =
      parsed("h/d/?x=1&api-version=a&api-version=b&auth-chain=z&&y&api-version", "d");
  EXPECT_EQ(name.api_version, "a");
  EXPECT_EQ(parsed("h/d/?api-version=&model-id", "d").api_version, "");
  EXPECT_EQ(parsed("h/d/?api-version=&model-id", "d").model_id, std::nullopt);
}

TEST(UserName, IdsThatLookLikeParameters) {
  const std::string id = "api-version=1?&x";
  EXPECT_TRUE(refused("h/" + id, id)) << "'&' is not an id character";
  for (const char* odd : {"?x=1", "api-version=2", "a+b#c", "$x%41", "d?"}) {
    const UserName name = parsed(std::string("h/") + odd + "/?api-version=3", odd);
    EXPECT_EQ(name.identity.device_id, odd);
    EXPECT_EQ(name.api_version, "3");
  }
}

TEST(UserName, MustNameTheClientId) {
  EXPECT_TRUE(refused("h/d2/?api-version=1", "d"));
  EXPECT_TRUE(refused("h/d/?api-version=1", "d2"));
  EXPECT_TRUE(refused("h/D/?api-version=1", "d"));
  EXPECT_TRUE(refused("h/d10", "d1"));
  EXPECT_TRUE(refused("h/d1", "d10"));
  EXPECT_TRUE(refused("h/%64/", "d"));
  EXPECT_TRUE(refused("h/d/m/?api-version=1", "d"))
      << "a module's name with its device's client id";
  EXPECT_TRUE(refused("h/d/m", "d"));
  EXPECT_TRUE(refused("h/d/m/", "d"));
  EXPECT_TRUE(refused("h/d/?api-version=1", "d/m"));
  EXPECT_TRUE(refused("h/d/m/n/?api-version=1", "d/m"));
}

TEST(UserName, RefusesMalformedTexts) {
  for (const char* name : {"", "h", "/", "/d", "h/", "h//d", "d", "h\xFF/d", "h/d/?model-id=%FF"}) {
    EXPECT_TRUE(refused(name, "d")) << name;
  }
  for (const char* id : {"", "/", "d/", "/m", "d/m/n", "a b", "d\x01"}) {
    EXPECT_TRUE(refused(std::string("h/") + id, id)) << id;
  }
  const std::string long_id(129, 'd');
  EXPECT_TRUE(refused("h/" + long_id, long_id));
  const std::string name = "h/d/?x=";
  EXPECT_FALSE(refused(name + std::string(kUserNameSizeMax - name.size(), 'x'), "d"));
  EXPECT_TRUE(refused(name + std::string(kUserNameSizeMax - name.size() + 1, 'x'), "d"));
}

}  // namespace
}  // namespace linarite::wire
