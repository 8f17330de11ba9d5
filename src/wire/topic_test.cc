#include "wire/topic.h"

#include <gtest/gtest.h>

namespace linarite::wire {
namespace {

const Identity kDevice{"dev1", ""};
const Identity kModule{"dev1", "mod1"};
const Identity kOddDevice{"a+b#c%2F=?$1", ""};

PublishKind kind(const Identity& identity, std::string_view topic) {
  return classify_publish(identity, topic).kind;
}

TEST(ClassifyPublish, DeviceTelemetryWithAndWithoutBag) {
  for (const auto& [topic, bag] : std::initializer_list<std::pair<const char*, const char*>>{
           {"devices/dev1/messages/events", ""},
           {"devices/dev1/messages/events/", ""},
           {"devices/dev1/messages/events/a=b&c=d", "a=b&c=d"},
           {"devices/dev1/messages/events/a=b/", "a=b/"},
           {"devices/dev1/messages/events//", "/"}}) {
    const PublishTopic result = classify_publish(kDevice, topic);
    EXPECT_EQ(result.kind, PublishKind::kTelemetry) << topic;
    EXPECT_EQ(result.bag, bag) << topic;
  }
}

TEST(ClassifyPublish, ModuleTelemetry) {
  EXPECT_EQ(classify_publish(kModule, "devices/dev1/modules/mod1/messages/events/%24.on=o/").bag,
            "%24.on=o/");
  EXPECT_EQ(kind(kModule, "devices/dev1/modules/mod1/messages/events"), PublishKind::kTelemetry);
}

TEST(ClassifyPublish, IdsAreRawAndOrdinal) {
  EXPECT_EQ(kind(kOddDevice, "devices/a+b#c%2F=?$1/messages/events/"), PublishKind::kTelemetry);
  EXPECT_EQ(kind(kOddDevice, "devices/a%2Bb#c%2F=?$1/messages/events/"), PublishKind::kRefused);
}

TEST(ClassifyPublish, RefusesEverythingThatIsNotOwn) {
  for (const char* topic : {"",
                            "/",
                            "devices",
                            "devices/dev1",
                            "devices/dev1/",
                            "devices/dev1/messages",
                            "devices/dev1/messages/eventsX",
                            "devices/dev1/messages/Events/",
                            "Devices/dev1/messages/events/",
                            "/devices/dev1/messages/events/",
                            "devices/dev10/messages/events/",
                            "devices/dev/messages/events/",
                            "devices/DEV1/messages/events/",
                            "devices/dev2/messages/events/",
                            "devices/dev1%2Fmessages/events/",
                            "devices/%64ev1/messages/events/",
                            "devices/dev1/../dev1/messages/events/",
                            "devices/dev1/modules/mod1/messages/events/",
                            "devices/dev1/messages/devicebound/",
                            "devices//messages/events/",
                            "$iothub/methods/POST/x/?$rid=1",
                            "$iothub",
                            "$iothub/",
                            "$iothub/twin/",
                            "$iothub/twin/get/?$rid=1",
                            "$iothub/twin/GET",
                            "$iothub/twin/GET/x?$rid=1",
                            "$iothub/twin/PATCH/properties/desired/?$rid=1",
                            "$iothub/twin/PUT/?$rid=1",
                            "$IOTHUB/twin/GET/?$rid=1",
                            "$iothub/twin/GET/$rid=1",
                            "$SYS/x",
                            "anything/else"}) {
    EXPECT_EQ(kind(kDevice, topic), PublishKind::kRefused) << topic;
  }
}

TEST(ClassifyPublish, AModuleMayNotPublishAsItsDeviceOrAnotherModule) {
  for (const char* topic :
       {"devices/dev1/messages/events/", "devices/dev1/modules/mod2/messages/events/",
        "devices/dev1/modules/mod10/messages/events/", "devices/dev2/modules/mod1/messages/events/",
        "devices/dev1/modules/messages/events/"}) {
    EXPECT_EQ(kind(kModule, topic), PublishKind::kRefused) << topic;
  }
}

TEST(ClassifyPublish, TwinGet) {
  const PublishTopic topic = classify_publish(kDevice, "$iothub/twin/GET/?$rid=a%20b/c=d");
  EXPECT_EQ(topic.kind, PublishKind::kTwinGet);
  EXPECT_EQ(topic.request_id, "a%20b/c=d");
  EXPECT_EQ(kind(kModule, "$iothub/twin/GET/?$rid="), PublishKind::kTwinGet);
}

TEST(ClassifyPublish, TwinGetWithoutRequestIdIsRefused) {
  EXPECT_EQ(kind(kDevice, "$iothub/twin/GET/"), PublishKind::kRefused);
  EXPECT_EQ(kind(kDevice, "$iothub/twin/GET/?"), PublishKind::kRefused);
  EXPECT_EQ(kind(kDevice, "$iothub/twin/GET/?rid=1"), PublishKind::kRefused);
}

TEST(ClassifyPublish, TwinPatch) {
  constexpr std::string_view kPatch = "$iothub/twin/PATCH/properties/reported/";
  const auto patch = [&](std::string_view rest) {
    static std::string topic;
    topic = std::string(kPatch) + std::string(rest);
    return classify_publish(kDevice, topic);
  };
  EXPECT_EQ(patch("?$rid=7").request_id, "7");
  EXPECT_EQ(patch("?$rid=7").version, std::nullopt);
  for (const char* rest : {"?$rid=7&$version=12", "?$version=12&$rid=7", "?x=1&$rid=7&$version=12",
                           "?$rid=7&$rid=8&$version=12&$version=13"}) {
    const PublishTopic topic = patch(rest);
    EXPECT_EQ(topic.kind, PublishKind::kTwinPatch) << rest;
    EXPECT_EQ(topic.request_id, "7") << rest;
    EXPECT_EQ(topic.version, 12) << rest;
    EXPECT_FALSE(topic.version_malformed);
  }
  for (const char* rest : {"", "?", "?$version=12"}) {
    EXPECT_EQ(patch(rest).kind, PublishKind::kTwinPatch) << rest;
    EXPECT_FALSE(patch(rest).request_id) << rest;
  }
  for (const char* version : {"", "x", "1.5", "+1", "99999999999999999999", "\"1\""}) {
    EXPECT_TRUE(patch(std::string("?$rid=1&$version=") + version).version_malformed) << version;
  }
}

TEST(ClassifyPublish, MethodResult) {
  const PublishTopic topic = classify_publish(kDevice, "$iothub/methods/res/299/?$rid=1f");
  EXPECT_EQ(topic.kind, PublishKind::kMethodResult);
  EXPECT_EQ(topic.method_status, 299);
  EXPECT_EQ(topic.request_id, "1f");
  EXPECT_EQ(classify_publish(kDevice, "$iothub/methods/res/-2147483648/?$rid=1").method_status,
            INT32_MIN);
  for (const char* bad :
       {"$iothub/methods/res/", "$iothub/methods/res/200", "$iothub/methods/res/200/",
        "$iothub/methods/res/200/?", "$iothub/methods/res/x/?$rid=1",
        "$iothub/methods/res//?$rid=1", "$iothub/methods/res/2147483648/?$rid=1",
        "$iothub/methods/res/200/$rid=1", "$iothub/methods/res/20.0/?$rid=1"}) {
    EXPECT_EQ(kind(kDevice, bad), PublishKind::kRefused) << bad;
  }
}

constexpr TopicFamilies kNothing{};
constexpr TopicFamilies kC2d{.c2d = true};
constexpr TopicFamilies kMethods{.methods = true};
constexpr TopicFamilies kTwin{.twin_responses = true};
constexpr TopicFamilies kDesired{.desired = true};
constexpr TopicFamilies kInputs{.module_inputs = true};

TEST(ClassifyFilter, WhatTheSdksSubscribeAsDevice) {
  EXPECT_EQ(classify_filter(kDevice, "devices/dev1/messages/devicebound/#"), kC2d);
  EXPECT_EQ(classify_filter(kDevice, "devices/+/messages/devicebound/#"), kC2d);
  EXPECT_EQ(classify_filter(kDevice, "devices/dev1/messages/#"), kC2d);
  EXPECT_EQ(classify_filter(kDevice, "devices/dev1/#"), kC2d);
  EXPECT_EQ(classify_filter(kDevice, "devices/dev1/messages/devicebound/+"), kC2d);
  EXPECT_EQ(classify_filter(kDevice, "+/+/+/+/+"), kC2d);
  EXPECT_EQ(classify_filter(kDevice, "$iothub/methods/POST/#"), kMethods);
  EXPECT_EQ(classify_filter(kDevice, "$iothub/methods/POST/+/#"), kMethods);
  EXPECT_EQ(classify_filter(kDevice, "$iothub/twin/res/#"), kTwin);
  EXPECT_EQ(classify_filter(kDevice, "$iothub/twin/PATCH/properties/desired/#"), kDesired);
}

TEST(ClassifyFilter, WildcardsInsideIothub) {
  const TopicFamilies all{.methods = true, .twin_responses = true, .desired = true};
  EXPECT_EQ(classify_filter(kDevice, "$iothub/#"), all);
  EXPECT_EQ(classify_filter(kDevice, "$iothub/+/#"), all);
  EXPECT_EQ(classify_filter(kDevice, "$iothub/twin/#"),
            (TopicFamilies{.twin_responses = true, .desired = true}));
  EXPECT_EQ(classify_filter(kDevice, "$iothub/+/res/#"), kTwin);
}

TEST(ClassifyFilter, WhatTheSdksSubscribeAsModule) {
  EXPECT_EQ(classify_filter(kModule, "devices/dev1/modules/mod1/inputs/#"), kInputs);
  EXPECT_EQ(classify_filter(kModule, "devices/dev1/modules/mod1/#"),
            (TopicFamilies{.c2d = true, .module_inputs = true}));
  EXPECT_EQ(classify_filter(kModule, "devices/dev1/modules/mod1/messages/devicebound/#"), kC2d);
  EXPECT_EQ(classify_filter(kModule, "$iothub/methods/POST/#"), kMethods);
  EXPECT_EQ(classify_filter(kModule, "devices/dev1/messages/devicebound/#"), kNothing);
  EXPECT_EQ(classify_filter(kModule, "devices/dev1/modules/mod2/#"), kNothing);
}

TEST(ClassifyFilter, RefusesWhatIsNotOwn) {
  for (const char* filter : {"",
                             "#",
                             "/",
                             "/#",
                             "devices/dev2/messages/devicebound/#",
                             "devices/dev2/#",
                             "devices/DEV1/messages/devicebound/#",
                             "devices/dev1/messages/devicebound",
                             "devices/dev1/messages/deviceBound/#",
                             "devices/dev1/messages/events/#",
                             "devices/dev1/modules/mod1/#",
                             "devices/dev1/messages/devicebound/+/+",
                             "+/twin/res/#",
                             "+/methods/POST/#",
                             "$iothub",
                             "$iothub/credentials/res/#",
                             "$iothub/methods/res/#",
                             "$iothub/methods/POST",
                             "$SYS/#",
                             "$share/g/devices/dev1/#",
                             "some/topic",
                             "dev+/#",
                             "devices/d#",
                             "devices/dev1#"}) {
    EXPECT_EQ(classify_filter(kDevice, filter), kNothing) << filter;
  }
}

TEST(ClassifyFilter, RefusesAFilterForPartOfAFamily) {
  for (const char* filter :
       {"devices/dev1/messages/devicebound/", "devices/dev1/messages/devicebound/%24.to=x",
        "$iothub/methods/POST/reboot/#", "$iothub/twin/res/200/#", "$iothub/twin/res/+/?$rid=1"}) {
    EXPECT_EQ(classify_filter(kDevice, filter), kNothing) << filter;
  }
}

TEST(ClassifyFilter, TheOwnIdIsLiteralBeforeItIsAWildcard) {
  EXPECT_EQ(classify_filter(kOddDevice, "devices/a+b#c%2F=?$1/messages/devicebound/#"), kC2d);
  EXPECT_EQ(classify_filter({"+", ""}, "devices/+/messages/devicebound/#"), kC2d);
  EXPECT_EQ(classify_filter({"#", ""}, "devices/#/messages/devicebound/#"), kC2d);
  EXPECT_EQ(classify_filter({"#", ""}, "devices/#"), kC2d);
  EXPECT_EQ(classify_filter(kDevice, "devices/#/messages/devicebound/#"), kNothing);
  EXPECT_EQ(classify_filter(kDevice, "devices/d+1/messages/devicebound/#"), kNothing);
}

TEST(ClassifyFilter, ManyLevelsAreNoProblem) {
  EXPECT_EQ(classify_filter(kDevice, std::string(65535, '/')), kNothing);
  std::string plus;
  for (int i = 0; i < 30000; ++i) plus += "+/";
  EXPECT_EQ(classify_filter(kDevice, plus + "#"), kNothing);
}

TEST(C2dTopic, IsTheIdentitysOwn) {
  std::string out = "kept:";
  C2dMessage message;
  message.message_id = "m1";
  ASSERT_TRUE(append_c2d_topic(out, kDevice, message));
  EXPECT_EQ(out,
            "kept:devices/dev1/messages/devicebound/"
            "%24.mid=m1&%24.to=%2Fdevices%2Fdev1%2Fmessages%2FdeviceBound");
  out.clear();
  message.to = "/devices/dev1/modules/mod1/messages/devicebound";
  ASSERT_TRUE(append_c2d_topic(out, kModule, message));
  EXPECT_EQ(out,
            "devices/dev1/modules/mod1/messages/devicebound/%24.mid=m1&"
            "%24.to=%2Fdevices%2Fdev1%2Fmodules%2Fmod1%2Fmessages%2Fdevicebound");
}

TEST(C2dTopic, RefusesOneThatMqttCannotCarry) {
  C2dMessage message;
  message.properties.emplace_back("p", "");
  std::string out;
  ASSERT_TRUE(append_c2d_topic(out, kDevice, message));
  const size_t room = kTopicSizeMax - out.size();
  message.properties[0].second.assign(room, 'x');
  out.clear();
  ASSERT_TRUE(append_c2d_topic(out, kDevice, message));
  EXPECT_EQ(out.size(), kTopicSizeMax);
  message.properties[0].second += 'x';
  out = "kept";
  EXPECT_FALSE(append_c2d_topic(out, kDevice, message));
  EXPECT_EQ(out, "kept");
}

TEST(ServerTopics, HaveTheFormsTheSdksCutApart) {
  EXPECT_EQ(method_request_topic("re boot/1", 10), "$iothub/methods/POST/re%20boot%2F1/?$rid=10");
  EXPECT_EQ(twin_response_topic(200, "a%20b"), "$iothub/twin/res/200/?$rid=a%20b");
  EXPECT_EQ(twin_response_topic(204, "1", 7), "$iothub/twin/res/204/?$rid=1&$version=7");
  EXPECT_EQ(desired_topic(5), "$iothub/twin/PATCH/properties/desired/?$version=5");
}

}  // namespace
}  // namespace linarite::wire
