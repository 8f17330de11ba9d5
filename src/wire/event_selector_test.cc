#include "wire/event_selector.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace linarite::wire {
namespace {

// The selector in the form that event_selector_text() gives it, or "refused".
std::string read(std::string_view text) {
  const auto selector = parse_event_selector(text);
  if (selector) return event_selector_text(*selector);
  EXPECT_EQ(selector.error().code, ErrorCode::kArgumentInvalid);
  return "refused";
}

TEST(EventSelectorTest, EveryFormThatClientsSend) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      // azure-eventhub for Python and Java.
      {"amqp.annotation.x-opt-offset > '-1'", "amqp.annotation.x-opt-offset > '-1'"},
      {"amqp.annotation.x-opt-offset > '@latest'", "amqp.annotation.x-opt-offset > '@latest'"},
      {"amqp.annotation.x-opt-offset >= '1234'", "amqp.annotation.x-opt-offset >= '1234'"},
      {"amqp.annotation.x-opt-sequence-number > '7'",
       "amqp.annotation.x-opt-sequence-number > '7'"},
      {"amqp.annotation.x-opt-sequence-number >= '0'",
       "amqp.annotation.x-opt-sequence-number >= '0'"},
      {"amqp.annotation.x-opt-enqueued-time > '1700000000123'",
       "amqp.annotation.x-opt-enqueued-time > '1700000000123'"},
      {"amqp.annotation.x-opt-enqueued-time >= '1700000000123.5'",
       "amqp.annotation.x-opt-enqueued-time >= '1700000000123'"},
      // az and the C test tool.
      {"amqp.annotation.x-opt-enqueuedtimeutc > 1700000000000",
       "amqp.annotation.x-opt-enqueued-time > '1700000000000'"},
      {"amqp.annotation.x-opt-offset > -1", "amqp.annotation.x-opt-offset > '-1'"},
      {"amqp.annotation.x-opt-sequence-number > '-1'", "amqp.annotation.x-opt-offset > '-1'"},
      // White space anywhere, or nowhere.
      {"\t amqp.annotation.x-opt-offset\n>=\r\n'5'  ", "amqp.annotation.x-opt-offset >= '5'"},
      {"amqp.annotation.x-opt-offset>'5'", "amqp.annotation.x-opt-offset > '5'"},
      {"amqp.annotation.x-opt-offset>=5", "amqp.annotation.x-opt-offset >= '5'"},
      {"", "amqp.annotation.x-opt-offset > '-1'"},
      {"   ", "amqp.annotation.x-opt-offset > '-1'"},
      {"amqp.annotation.x-opt-offset > '18446744073709551615'",
       "amqp.annotation.x-opt-offset > '18446744073709551615'"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(read(text), expected) << text;
}

TEST(EventSelectorTest, AnythingElseIsRefused) {
  for (const std::string& text : std::vector<std::string>{
           "x-opt-offset > '5'",
           "amqp.annotation.",
           "amqp.annotation.x-opt-offset",
           "amqp.annotation.x-opt-offset >",
           "amqp.annotation.x-opt-offset > ''",
           "amqp.annotation.x-opt-offset = '5'",
           "amqp.annotation.x-opt-offset < '5'",
           "amqp.annotation.x-opt-offset > = '5'",
           "amqp.annotation.x-opt-offset > '5",
           "amqp.annotation.x-opt-offset > 5'",
           "amqp.annotation.x-opt-offset > '5' AND 1 = 1",
           "amqp.annotation.x-opt-offset > '-2'",
           "amqp.annotation.x-opt-offset > '+5'",
           "amqp.annotation.x-opt-offset > '0x5'",
           "amqp.annotation.x-opt-offset > '18446744073709551616'",
           "amqp.annotation.x-opt-sequence-number > '@latest'",
           "amqp.annotation.x-opt-sequence-number > '1.5'",
           "amqp.annotation.x-opt-enqueued-time > 'yesterday'",
           "amqp.annotation.x-opt-enqueued-time > '1.x'",
           "amqp.annotation.x-opt-enqueued-time > '@latest'",
           "amqp.annotation.x-opt-partition-key > '5'",
           "amqp.annotation.x-opt-offset > '5'" + std::string(kEventSelectorSizeMax, ' ')}) {
    EXPECT_EQ(read(text), "refused") << text;
  }
}

TEST(EventHubNameTest, IsTheHubsName) {
  EXPECT_EQ(event_hub_name("MyHub.example.com"), "myhub");
  EXPECT_EQ(event_hub_name("hub_1"), "hub_1");
  EXPECT_EQ(event_hub_name("127.0.0.1"), "127.0.0.1");
  EXPECT_EQ(event_hub_name("::1"), "--1");
}

}  // namespace
}  // namespace linarite::wire
