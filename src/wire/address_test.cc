#include "wire/address.h"

#include <gtest/gtest.h>

namespace linarite::wire {
namespace {

using enum AddressKind;

AddressKind kind(std::string_view address) { return classify_address(address).kind; }

struct Case {
  std::string_view address;
  AddressKind kind;
};

TEST(ClassifyAddress, EveryFormTheSdksSend) {
  const Case cases[] = {
      {"$cbs", kCbs},
      {"amqps://hub.test/$cbs", kCbs},
      {"$management", kManagement},
      {"/messages/devicebound", kDevicebound},
      {"amqps://hub.test/messages/devicebound", kDevicebound},
      {"amqps://hub.test/messages/deviceBound", kDevicebound},
      {"amqps://hub.test:5671/messages/deviceBound", kDevicebound},
      {"amqps://user@sas.root.hub:secret@hub.test:5671/messages/devicebound", kDevicebound},
      {"/messages/serviceBound/feedback", kFeedback},
      {"amqps://hub.test:5671/messages/servicebound/feedback", kFeedback},
      {"/messages/serviceBound/filenotifications", kFileNotifications},
      {"/messages/servicebound/fileuploadnotifications", kFileNotifications},
      {"messages/events", kHubEvents},
      {"/messages/events/", kHubEvents},
      {"amqps://hub.test/messages/events/$management", kHubEvents},
      {"/devices/d/messages/events", kDeviceTelemetry},
      {"/devices/d/modules/m/messages/events", kDeviceTelemetry},
      {"amqps://hub.test:5671/devices/d/messages/deviceBound", kDeviceC2d},
      {"/devices/d/modules/m/messages/devicebound", kDeviceC2d},
      {"/devices/d/methods/devicebound", kDeviceMethods},
      {"/devices/d/modules/m/methods/deviceBound", kDeviceMethods},
      {"/devices/d/twin", kDeviceTwin},
      {"amqps://hub.test/DEVICES/d/modules/m/twin/", kUnknown},
      {"amqps://hub.test/DEVICES/d/MODULES/m/TWIN", kDeviceTwin},
      {"sb://hub.test/hub/ConsumerGroups/$Default/Partitions/0", kPartition},
      {"amqps://hub.test/hub/$management", kManagement},
      {"%2Fmessages%2Fdevicebound", kDevicebound},
      {"amqps%3A%2F%2Fhub.test%2Fmessages%2Fservicebound%2Ffeedback", kFeedback},
  };
  for (const Case& c : cases) EXPECT_EQ(kind(c.address), c.kind) << c.address;
}

TEST(ClassifyAddress, UnknownOnes) {
  for (const char* address : {"",
                              "/",
                              "//",
                              "amqps://",
                              "amqps://hub.test",
                              "amqps://hub.test/",
                              "$cbs/x",
                              "//$cbs",
                              "messages",
                              "/messages/",
                              "/messages/devicebound/",
                              "/messages/devicebound/x",
                              "/messages/servicebound",
                              "/messages/servicebound/other",
                              "/messages//devicebound",
                              "/messages/eventsX",
                              "/devices",
                              "/devices/",
                              "/devices/d",
                              "/devices//messages/events",
                              "/devices/d/messages",
                              "/devices/d/modules/m",
                              "/devices/d/modules//twin",
                              "/devices/d/modules/twin",
                              "/devices/d/x/m/twin",
                              "/devices/d/methods/events",
                              "/a/b/c/d/e/f/g/h/i/j/k",
                              "hub/ConsumerGroups//Partitions/0",
                              "hub/ConsumerGroups/$Default/Partitions/",
                              "/x/messages/devicebound",
                              "messages/devicebound?x=://a/messages/devicebound"}) {
    EXPECT_EQ(kind(address), kUnknown) << address;
  }
  EXPECT_EQ(kind(std::string(kAddressSizeMax, '/')), kUnknown);
  EXPECT_EQ(kind("/messages/devicebound" + std::string(kAddressSizeMax, ' ')), kUnknown);
}

TEST(ClassifyAddress, IdsKeepTheirCaseAndComeRawAndDecoded) {
  const Address raw = classify_address("/Devices/Dev%2B1/Modules/Mod 1/Twin");
  EXPECT_EQ(raw.identity.raw, (Identity{"Dev%2B1", "Mod 1"}));
  EXPECT_EQ(raw.identity.decoded, (Identity{"Dev+1", "Mod 1"}));
  const Address whole = classify_address("%2Fdevices%2Fa%252Bb%2Ftwin");
  EXPECT_EQ(whole.identity.raw, (Identity{"a%2Bb", ""}));
  EXPECT_EQ(whole.identity.decoded, (Identity{"a+b", ""}));
}

TEST(ClassifyAddress, AnIdIsNeverSplitAtAnEncodedSlash) {
  const Address address = classify_address("/devices/d%2Fmodules%2Fm/twin");
  EXPECT_EQ(address.identity.raw, (Identity{"d%2Fmodules%2Fm", ""}));
  EXPECT_EQ(address.identity.decoded, (Identity{"d/modules/m", ""}));
  EXPECT_FALSE(is_valid_identity(address.identity.decoded));
}

TEST(ClassifyAddress, EventHubParts) {
  const Address partition =
      classify_address("sb://h/My%2Dhub/consumergroups/%24Default/partitions/3");
  EXPECT_EQ(partition.entity, "My-hub");
  EXPECT_EQ(partition.consumer_group, "$Default");
  EXPECT_EQ(partition.partition, "3");
  EXPECT_EQ(classify_address("amqps://h/hub1/$Management").entity, "hub1");
  EXPECT_EQ(classify_address("/messages/events/ConsumerGroups/$Default/Partitions/0").rest,
            "ConsumerGroups/$Default/Partitions/0");
  EXPECT_EQ(classify_address("messages/events/").rest, "");
  EXPECT_EQ(classify_address("messages/events/$management").rest, "$management");
}

TEST(AddressPath, ShowsNoUserInformation) {
  EXPECT_EQ(address_path("amqps://user:secret@hub.test:5671/messages/devicebound"),
            "messages/devicebound");
  EXPECT_EQ(address_path("amqps://user:secret@hub.test"), "");
  EXPECT_EQ(address_path("/devices/a://b/twin"), "devices/a://b/twin");
}

TEST(C2dTo, ReadsRawAndEncodedIds) {
  for (const char* to :
       {"/devices/d1/messages/devicebound", "/devices/d1/messages/deviceBound",
        "devices/d1/messages/devicebound", "amqps://hub.test/devices/d1/messages/devicebound",
        "/devices/%641/messages/devicebound", "%2Fdevices%2Fd1%2Fmessages%2Fdevicebound"}) {
    const auto result = parse_c2d_to(to);
    ASSERT_TRUE(result) << to;
    EXPECT_EQ(result->decoded, (Identity{"d1", ""})) << to;
  }
  const auto module = parse_c2d_to("/devices/d%251/modules/m1/messages/devicebound");
  ASSERT_TRUE(module);
  EXPECT_EQ(module->raw, (Identity{"d%251", "m1"}));
  EXPECT_EQ(module->decoded, (Identity{"d%1", "m1"}));
}

TEST(C2dTo, RefusesAnythingElse) {
  for (const char* to : {"", "/", "d1", "/devices/d1", "/devices/d1/messages", "/devices/d1/twin",
                         "/devices/d1/messages/events", "/messages/devicebound",
                         "/devices//messages/devicebound", "/devices/d1/messages/devicebound/x"}) {
    const auto result = parse_c2d_to(to);
    ASSERT_FALSE(result) << to;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidOperation);
  }
}

TEST(C2dTo, WhatItWritesItReads) {
  const Identity identity{"a/b? no", "m%41+#"};  // any text, not only valid ids
  const auto back = parse_c2d_to(c2d_to(identity));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->decoded, identity);
  EXPECT_EQ(c2d_to({"d1", ""}), "/devices/d1/messages/devicebound");
}

}  // namespace
}  // namespace linarite::wire
