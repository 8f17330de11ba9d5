#include "net/pipe.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/manual_loop.h"

namespace linarite::net {
namespace {

using std::chrono::seconds;
using Side = Pipe::Side;

// One end, as a transcript. Survives its handler.
struct Peer {
  Stream* stream = nullptr;
  std::string log;  // What the handler was told since the last look.
  std::optional<CloseReason> reason;
  bool destroyed = false;
  bool inside = false;               // In a call of the handler.
  std::function<void()> on_bytes{};  // After the bytes were noted.

  std::string take() { return std::exchange(log, {}); }
};

class Handler final : public StreamHandler {
 public:
  explicit Handler(Peer& peer) : peer_(peer) {}
  ~Handler() override { peer_.destroyed = true; }
  void on_bytes(ByteView bytes) override {
    enter();
    peer_.log += "[" + std::string(bytes) + "]";
    if (peer_.on_bytes) peer_.on_bytes();
    peer_.inside = false;
  }
  void on_writable() override {
    enter();
    peer_.log += "writable ";
    peer_.inside = false;
  }
  void on_closed(CloseReason reason) override {
    enter();
    peer_.log += "closed ";
    peer_.reason = reason;
    peer_.stream = nullptr;
    peer_.inside = false;
  }

 private:
  void enter() {
    EXPECT_FALSE(peer_.inside) << "a call from inside of a call";
    EXPECT_TRUE(peer_.stream->loop().in_loop());
    peer_.inside = true;
  }
  Peer& peer_;
};

class PipeTest : public ::testing::Test {
 protected:
  void open(Pipe::Options options = {}) {
    pipe_.emplace(end(loop_a_, client_, "server"), end(loop_b_, server_, "client"), options);
    run();
  }
  void open_when_told() { open({.crossing = Pipe::Crossing::kWhenTold}); }
  static Pipe::End end(Loop& loop, Peer& peer, const std::string& address) {
    return {loop, PeerInfo{.address = address}, [&peer](Stream& stream) {
              peer.stream = &stream;
              return std::make_unique<Handler>(peer);
            }};
  }
  void run() {
    while (loop_a_.run_until_idle() + loop_b_.run_until_idle() > 0) {
    }
  }
  void advance(Duration by) {
    clock_.advance(by);
    run();
  }
  void send(Peer& peer, const std::string& bytes) {
    peer.stream->send(bytes);
    run();
  }

  ManualClock clock_{WallTime{}};
  ManualLoop loop_a_{clock_};
  ManualLoop loop_b_{clock_};
  Peer client_;
  Peer server_;
  std::optional<Pipe> pipe_;
};

TEST_F(PipeTest, CarriesBothWaysAndSaysWhoIsThere) {
  open();
  EXPECT_EQ(client_.stream->peer().address, "server");
  EXPECT_EQ(server_.stream->peer().address, "client");
  send(client_, "hello");
  send(server_, "world");
  EXPECT_EQ(server_.take(), "[hello]");
  EXPECT_EQ(client_.take(), "[world]");
}

TEST_F(PipeTest, BytesOfOneTaskComeTogetherAndNeverInsideTheSendersCall) {
  open();
  client_.stream->send("a");
  client_.stream->send("b");
  EXPECT_EQ(server_.take(), "");
  run();
  EXPECT_EQ(server_.take(), "[ab]");
}

TEST_F(PipeTest, AnAnswerFromInsideOfOnBytesIsNotNested) {
  open();
  server_.on_bytes = [this] { server_.stream->send("pong"); };
  send(client_, "ping");
  EXPECT_EQ(client_.take(), "[pong]");
}

TEST_F(PipeTest, NothingCrossesUntilTold) {
  open_when_told();
  send(client_, "hello");
  EXPECT_EQ(server_.take(), "");
  EXPECT_TRUE(pipe_->waiting(Side::kClient));
  pipe_->carry(Side::kClient, 2);
  run();
  EXPECT_EQ(server_.take(), "[he]");
  EXPECT_EQ(pipe_->waiting_bytes(Side::kClient), 3U);
  pipe_->carry(Side::kClient, 100);
  run();
  EXPECT_EQ(server_.take(), "[llo]");
  EXPECT_FALSE(pipe_->waiting(Side::kClient));
  EXPECT_EQ(pipe_->sent(Side::kClient), 5U);
}

TEST_F(PipeTest, APausedReaderHoldsTheSenderUp) {
  open({.network_max = 10, .arrived_max = 5});
  server_.stream->pause_reading();
  send(client_, std::string(20, 'x'));
  EXPECT_EQ(server_.take(), "");
  EXPECT_EQ(client_.stream->unsent(), 5U);  // 5 arrived, 10 are in the network.
  server_.stream->resume_reading();
  EXPECT_EQ(server_.take(), "");  // Not from inside the call.
  run();
  EXPECT_EQ(server_.take(), "[xxxxx][xxxxx][xxxxx][xxxxx]");
  EXPECT_EQ(client_.stream->unsent(), 0U);
}

TEST_F(PipeTest, PausedBytesThatAlreadyArrivedAreKept) {
  open();
  client_.stream->send("late");
  server_.stream->pause_reading();
  run();
  EXPECT_EQ(server_.take(), "");
  server_.stream->resume_reading();
  run();
  EXPECT_EQ(server_.take(), "[late]");
}

TEST_F(PipeTest, WritableComesOnceUnderTheLowMarkAfterTheHighOne) {
  open({.crossing = Pipe::Crossing::kWhenTold, .network_max = 1, .arrived_max = 1U << 20U});
  client_.stream->send(Bytes(Stream::kUnsentHigh + 2, 'x'));
  run();
  EXPECT_EQ(client_.stream->unsent(), Stream::kUnsentHigh + 1);
  pipe_->carry(Side::kClient, Stream::kUnsentHigh - Stream::kUnsentLow);
  run();
  EXPECT_EQ(client_.take(), "");
  pipe_->carry(Side::kClient, 1);
  run();
  EXPECT_EQ(client_.take(), "writable ");
  pipe_->carry(Side::kClient, 1000);
  run();
  EXPECT_EQ(client_.take(), "");
}

TEST_F(PipeTest, CloseSendsTheRestAndIsAnswered) {
  open_when_told();
  client_.stream->send("last");
  client_.stream->close();
  client_.stream->send("ignored");
  run();
  EXPECT_EQ(client_.take(), "");
  pipe_->carry(Side::kClient, 3);
  run();
  EXPECT_EQ(server_.take(), "[las]");
  pipe_->carry(Side::kClient, 3);
  run();
  EXPECT_EQ(server_.take(), "[t]closed ");
  EXPECT_EQ(server_.reason, CloseReason::kPeerClosed);
  EXPECT_FALSE(client_.reason);
  pipe_->carry(Side::kServer, 0);
  run();
  EXPECT_EQ(client_.take(), "closed ");
  EXPECT_EQ(client_.reason, CloseReason::kClosedHere);
  EXPECT_TRUE(client_.destroyed);
  EXPECT_TRUE(pipe_->over(Side::kClient));
  EXPECT_TRUE(pipe_->over(Side::kServer));
}

TEST_F(PipeTest, AnEndToldGoodbyeSendsItsRest) {
  open_when_told();
  server_.stream->send("rest");
  client_.stream->close();
  pipe_->carry(Side::kClient, 0);
  run();
  EXPECT_EQ(server_.take(), "closed ");
  EXPECT_EQ(pipe_->waiting_bytes(Side::kServer), 4U);
  pipe_->carry(Side::kServer, 4);
  run();
  EXPECT_EQ(client_.take(), "closed ");  // What comes after close() is not read.
}

TEST_F(PipeTest, AGoodbyeIsNotMetWhilePaused) {
  open();
  server_.stream->pause_reading();
  client_.stream->send("x");
  client_.stream->close();
  run();
  EXPECT_EQ(server_.take(), "");
  server_.stream->resume_reading();
  run();
  EXPECT_EQ(server_.take(), "[x]closed ");
}

TEST_F(PipeTest, CloseEndsAtItsDeadlineWhateverThePeerDoes) {
  open_when_told();
  client_.stream->close();
  advance(seconds(4));
  EXPECT_EQ(client_.take(), "");
  advance(seconds(1));
  EXPECT_EQ(client_.take(), "closed ");
  EXPECT_EQ(client_.reason, CloseReason::kClosedHere);
}

TEST_F(PipeTest, AbortDropsWhatIsUnsentAndResetsThePeer) {
  open_when_told();
  client_.stream->send("lost");
  client_.stream->abort();
  EXPECT_EQ(client_.take(), "");
  run();
  EXPECT_EQ(client_.take(), "closed ");
  EXPECT_EQ(client_.reason, CloseReason::kClosedHere);
  pipe_->carry(Side::kClient, 100);
  run();
  EXPECT_EQ(server_.take(), "closed ");
  EXPECT_EQ(server_.reason, CloseReason::kReset);
}

TEST_F(PipeTest, AbortFromInsideOfOnBytes) {
  open();
  server_.on_bytes = [this] { server_.stream->abort(); };
  send(client_, "x");
  EXPECT_EQ(server_.take(), "[x]closed ");
  EXPECT_EQ(client_.take(), "closed ");
  EXPECT_EQ(client_.reason, CloseReason::kReset);
}

TEST_F(PipeTest, AResetTellsOneEndAndCutsBothWays) {
  open_when_told();
  client_.stream->send("lost");
  server_.stream->send("lost");
  pipe_->carry(Side::kServer, 2);
  pipe_->reset(Side::kClient);
  run();
  EXPECT_EQ(client_.take(), "closed ");
  EXPECT_EQ(client_.reason, CloseReason::kReset);
  pipe_->carry(Side::kClient, 100);
  run();
  EXPECT_EQ(server_.take(), "");  // Half-open.
  pipe_->reset(Side::kServer);
  run();
  EXPECT_EQ(server_.take(), "closed ");
  EXPECT_EQ(server_.reason, CloseReason::kReset);
}

TEST_F(PipeTest, ASendThatStallsEndsTheConnection) {
  open({.crossing = Pipe::Crossing::kWhenTold, .network_max = 1});
  send(client_, "xxxxxx");
  advance(seconds(59));
  pipe_->carry(Side::kClient, 1);  // Something crosses: the time begins anew.
  advance(seconds(30));
  advance(seconds(31));
  EXPECT_EQ(client_.take(), "");
  advance(seconds(60));
  EXPECT_EQ(client_.take(), "closed ");
  EXPECT_EQ(client_.reason, CloseReason::kReset);
}

TEST_F(PipeTest, AnIdleConnectionNeverStalls) {
  open();
  send(client_, "x");
  advance(std::chrono::hours(1));
  EXPECT_EQ(server_.take(), "[x]");
  EXPECT_EQ(client_.take(), "");
}

TEST_F(PipeTest, ADroppedEndIsNotToldAndWhatItSentStillCrosses) {
  open_when_told();
  server_.stream->send("last words");
  pipe_->drop(Side::kServer);
  EXPECT_TRUE(server_.destroyed);
  EXPECT_EQ(server_.take(), "");
  client_.stream->send("to nobody");
  pipe_->carry(Side::kClient, 100);
  pipe_->carry(Side::kServer, 100);
  run();
  EXPECT_EQ(client_.take(), "[last words]");
}

TEST_F(PipeTest, MovesToAnotherLoop) {
  open();
  bool moved = false;
  loop_b_.post([&] {
    server_.stream->pause_reading();
    server_.stream->move_to(loop_a_, [&] {
      EXPECT_TRUE(loop_a_.in_loop());
      EXPECT_EQ(&server_.stream->loop(), &loop_a_);
      moved = true;
      server_.stream->resume_reading();
    });
  });
  client_.stream->send("during the move");
  loop_b_.run_until_idle();
  EXPECT_FALSE(moved);
  EXPECT_EQ(server_.take(), "");
  run();
  EXPECT_TRUE(moved);
  EXPECT_EQ(server_.take(), "[during the move]");
  loop_b_.stop();
  send(client_, "after it");
  EXPECT_EQ(server_.take(), "[after it]");
}

TEST_F(PipeTest, MovingToTheSameLoopIsImmediate) {
  open();
  bool moved = false;
  server_.stream->move_to(loop_b_, [&] { moved = true; });
  EXPECT_TRUE(moved);
}

TEST_F(PipeTest, AMoveFromInsideOfOnBytesLeavesTheRestForLater) {
  open_when_told();
  server_.on_bytes = [this] {
    server_.on_bytes = nullptr;
    server_.stream->move_to(loop_a_, [this] { server_.log += "moved "; });
  };
  client_.stream->send("onetwo");
  pipe_->carry(Side::kClient, 3);
  loop_b_.run_until_idle();
  pipe_->carry(Side::kClient, 3);
  loop_b_.run_until_idle();
  EXPECT_EQ(server_.take(), "[one]");
  run();
  EXPECT_EQ(server_.take(), "moved [two]");
}

TEST_F(PipeTest, AResetDuringAMoveIsToldOnTheNewLoop) {
  open();
  server_.stream->move_to(loop_a_, [this] { server_.log += "moved "; });
  pipe_->reset(Side::kServer);
  loop_b_.run_until_idle();
  EXPECT_EQ(server_.take(), "");
  loop_a_.run_until_idle();
  EXPECT_EQ(server_.take(), "moved closed ");
}

TEST_F(PipeTest, ARefusedStreamIsClosed) {
  pipe_.emplace(end(loop_a_, client_, "server"),
                Pipe::End{loop_b_, {}, [](Stream&) { return nullptr; }});
  run();
  EXPECT_EQ(client_.take(), "closed ");
  EXPECT_EQ(client_.reason, CloseReason::kPeerClosed);
}

TEST_F(PipeTest, MayBeDestroyedFromOnClosedAndWithTasksUnderWay) {
  open();
  client_.stream->send("x");
  pipe_.reset();
  EXPECT_TRUE(client_.destroyed);
  EXPECT_TRUE(server_.destroyed);
  run();
  EXPECT_EQ(server_.take(), "");

  class Last final : public StreamHandler {
   public:
    explicit Last(std::optional<Pipe>& pipe) : pipe_(pipe) {}
    void on_bytes(ByteView) override {}
    void on_closed(CloseReason) override { pipe_.reset(); }

   private:
    std::optional<Pipe>& pipe_;
  };
  pipe_.emplace(Pipe::End{loop_a_, {}, [this](Stream&) { return std::make_unique<Last>(pipe_); }},
                end(loop_b_, server_, "client"));
  run();
  server_.stream->abort();
  run();
  EXPECT_FALSE(pipe_);
}

}  // namespace
}  // namespace linarite::net
