// What a back end meets over AMQP that does too much (service-protocol 2.3).
#include <gmock/gmock.h>

#include "gateway/amqp_fixture.h"

namespace linarite::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::Contains;
using testing::IsEmpty;

class AmqpThrottle : public AmqpFixture {
 protected:
  AmqpThrottle()
      : AmqpFixture({.throttle = {.authentication_failures_per_minute = 5,
                                  .policy_c2d_sends_per_minute = 3}}) {}

  std::unique_ptr<BackEnd> wrong() { return plain("service@sas.root.127", "nonsense"); }
};

TEST_F(AmqpThrottle, MessagesBeyondTheRateOfAPolicyAreRejectedAndTheLinkStays) {
  const auto peer = logged_in();
  const auto link = attach_sender(*peer);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(send(*peer, link, c2d()), "accepted");
  EXPECT_EQ(send(*peer, link, c2d()), "rejected com.microsoft:device-container-throttled 429001");
  const auto owner = logged_in("iothubowner");
  EXPECT_EQ(send(*owner, attach_sender(*owner), c2d()), "accepted") << "another policy";
  advance(*peer, seconds(20));
  EXPECT_EQ(send(*peer, link, c2d()), "accepted");
}

TEST_F(AmqpThrottle, ANewConnectionDoesNotForgetWhatWasSent) {
  const auto first = logged_in();
  const auto link = attach_sender(*first);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(send(*first, link, c2d()), "accepted");
  const auto second = logged_in();
  EXPECT_EQ(send(*second, attach_sender(*second), c2d()),
            "rejected com.microsoft:device-container-throttled 429001");
}

TEST_F(AmqpThrottle, RefusedLogInsOfOneAddressAreHeldBackAndGoodOnesAreNot) {
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(wrong()->stream.closed);
  const auto sixth = wrong();
  EXPECT_FALSE(sixth->stream.closed);
  EXPECT_TRUE(sixth->stream.paused);
  const auto good = logged_in();
  EXPECT_EQ(send(*good, attach_sender(*good), c2d()), "accepted");
  EXPECT_THAT(advance(*sixth, milliseconds(99)), IsEmpty());
  EXPECT_THAT(advance(*sixth, milliseconds(1)), Contains("stream closed"));
}

TEST_F(AmqpThrottle, RefusedTokensAreHeldBack) {
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(wrong()->stream.closed);
  const auto peer = open();
  const Cbs cbs = attach_cbs(*peer);
  EXPECT_EQ(put_token(*peer, cbs, put_token_message("nonsense")), "no reply");
  advance(*peer, milliseconds(100));
  ASSERT_EQ(peer->messages.size(), 1U);
  EXPECT_TRUE(reply_text(peer->messages.back()).starts_with("401"));
  EXPECT_EQ(put_token(*peer, cbs, put_token_message(policy_token("service"))).substr(0, 3), "200");
}

TEST_F(AmqpThrottle, WhoLeavesWhileItsRefusalIsHeldBackLeavesNothing) {
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(wrong()->stream.closed);
  wrong()->drop();
  loop_.run_for(minutes(1));
}

}  // namespace
}  // namespace linarite::gateway
