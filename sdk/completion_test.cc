#include <linarite/completion.h>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>

#include <gtest/gtest.h>

namespace linarite {
namespace {

using boost::asio::io_context;

template <class Handler>
detail::completion<int> completion_of(Handler handler, io_context& client) {
  return std::make_unique<detail::handler_target<Handler, int>>(std::move(handler),
                                                                client.get_executor());
}

TEST(Completion, AContextIsBusyUntilTheHandlerIsCalled) {
  io_context io;
  std::optional<int> got;
  const auto target = completion_of([&](error, int value) { got = value; }, io);
  io.poll();
  EXPECT_FALSE(io.stopped());
  target->complete({}, 7);
  EXPECT_FALSE(got);
  io.run();
  EXPECT_EQ(got, 7);
}

// The SDK's thread lets go of a completion at a time of its own.
TEST(Completion, AContextMayGoBeforeTheCompletionThatCalledIntoIt) {
  auto io = std::make_unique<io_context>();
  auto target = completion_of([](error, int) {}, *io);
  target->complete({}, 0);
  io->poll();
  EXPECT_TRUE(io->stopped()) << "the completion still keeps it busy";
  io.reset();
  target.reset();
}

TEST(Completion, TheClientsContextMayGoInAHandlerOfAnother) {
  io_context other;
  auto client = std::make_unique<io_context>();
  bool called = false;
  auto target = completion_of(boost::asio::bind_executor(other.get_executor(),
                                                         [&](error, int) {
                                                           called = true;
                                                           client->poll();
                                                           EXPECT_TRUE(client->stopped());
                                                           client.reset();
                                                         }),
                              *client);
  client->poll();
  EXPECT_FALSE(client->stopped());
  target->complete({}, 0);
  other.run();
  EXPECT_TRUE(called);
}

TEST(Completion, ADroppedOperationIsClosed) {
  io_context io;
  std::optional<error> why;
  completion_of([&](error got, int) { why = std::move(got); }, io).reset();
  io.run();
  ASSERT_TRUE(why);
  EXPECT_EQ(*why, errc::closed);
}

}  // namespace
}  // namespace linarite
