// Performatives with what our own peers never say: states, outcomes and termini of every kind.
#include "amqp/performative.h"

#include <gtest/gtest.h>

#include <functional>

#include "amqp/encoder.h"

namespace linarite::amqp {
namespace {

using Write = std::function<void(Encoder&)>;

// A list that is described by the code.
void described(Encoder& encoder, uint64_t code, const Write& fields) {
  encoder.descriptor(code);
  const auto list = encoder.open_list();
  fields(encoder);
  encoder.close(list);
}
void described(Encoder& encoder, Code code, const Write& fields) {
  described(encoder, static_cast<uint64_t>(code), fields);
}

// Whether the body of a frame is understood.
template <class T>
bool reads(Code code, const Write& fields, T& out) {
  Bytes bytes;
  Encoder encoder(bytes);
  described(encoder, code, fields);
  ByteView rest = bytes;
  ValueView descriptor;
  ValueView list;
  EXPECT_TRUE(read_described(rest, descriptor, list));
  return decode(list, out);
}

// A disposition of delivery 0 with this state.
bool reads_state(const Write& state, Disposition& out) {
  const auto fields = [&state](Encoder& encoder) {
    encoder.boolean(true);
    encoder.uint(0);
    encoder.absent();
    encoder.boolean(true);
    state(encoder);
  };
  return reads(Code::kDisposition, fields, out);
}

// An attach of a receiver with this source and target.
bool reads_termini(const Write& source, const Write& target, Attach& out) {
  const auto fields = [&](Encoder& encoder) {
    encoder.string("link");
    encoder.uint(0);
    encoder.boolean(true);
    encoder.absent();
    encoder.absent();
    source(encoder);
    target(encoder);
  };
  return reads(Code::kAttach, fields, out);
}

const Write kNothing = [](Encoder& /*encoder*/) {};
const Write kNull = [](Encoder& encoder) { encoder.absent(); };
const Write kText = [](Encoder& encoder) { encoder.string("text"); };

Write list_of(uint64_t code, const Write& fields) {
  return [code, fields](Encoder& encoder) { described(encoder, code, fields); };
}
Write list_of(Code code, const Write& fields) {
  return list_of(static_cast<uint64_t>(code), fields);
}

TEST(Performative, StatesOfTheStandardAreUnderstood) {
  Disposition disposition;
  const Write received = list_of(Code::kReceived, [](Encoder& encoder) {
    encoder.uint(1);
    encoder.ulong(2);
  });
  ASSERT_TRUE(reads_state(received, disposition));
  EXPECT_EQ(disposition.state.kind, StateKind::kReceived);
  EXPECT_FALSE(disposition.state.is_terminal());
  const Write modified = list_of(Code::kModified, [](Encoder& encoder) {
    encoder.boolean(true);
    encoder.boolean(false);
    encoder.value(Value::map({Value::symbol("why"), Value::string("busy")}));
  });
  ASSERT_TRUE(reads_state(modified, disposition));
  EXPECT_EQ(disposition.state.kind, StateKind::kModified);
  EXPECT_TRUE(disposition.state.delivery_failed);
  EXPECT_EQ(*disposition.state.message_annotations->find("why"), Value::string("busy"));
}

TEST(Performative, StatesAreWrittenAsTheyAreRead) {
  for (const StateKind kind : {StateKind::kReceived, StateKind::kAccepted, StateKind::kReleased,
                               StateKind::kModified, StateKind::kRejected}) {
    Bytes bytes;
    encode(Disposition{.role = Role::kReceiver, .settled = true, .state = {.kind = kind}}, bytes);
    ByteView rest = bytes;
    ValueView descriptor;
    ValueView list;
    ASSERT_TRUE(read_described(rest, descriptor, list));
    Disposition again;
    ASSERT_TRUE(decode(list, again));
    EXPECT_EQ(again.state.kind, kind);
  }
}

TEST(Performative, AStateThatNobodyKnowsIsOneAllTheSame) {
  Disposition disposition;
  ASSERT_TRUE(reads_state(list_of(0x34, kText), disposition));
  EXPECT_EQ(disposition.state.kind, StateKind::kOther);
}

TEST(Performative, WhatIsNoStateIsRefused) {
  Disposition disposition;
  EXPECT_FALSE(reads_state(kText, disposition));
  EXPECT_FALSE(reads_state(list_of(Code::kReceived, kText), disposition));
  EXPECT_FALSE(reads_state(list_of(Code::kAccepted, kText), disposition)) << "a field too many";
  const Write no_error = list_of(Code::kRejected, kText);
  EXPECT_FALSE(reads_state(no_error, disposition));
  const Write no_condition = list_of(Code::kRejected, list_of(Code::kError, kNothing));
  EXPECT_FALSE(reads_state(no_condition, disposition));
}

TEST(Performative, ATransactionsTargetIsToldApart) {
  Attach attach;
  ASSERT_TRUE(reads_termini(kNull, list_of(Code::kCoordinator, kNothing), attach));
  EXPECT_TRUE(attach.target->coordinator);
}

TEST(Performative, WhatIsNoTerminusIsRefused) {
  Attach attach;
  EXPECT_FALSE(reads_termini(kText, kNull, attach));
  EXPECT_FALSE(reads_termini(list_of(Code::kTarget, kNothing), kNull, attach));
  EXPECT_FALSE(reads_termini(kNull, kText, attach));
  EXPECT_FALSE(reads_termini(kNull, list_of(Code::kSource, kNothing), attach));
}

// The ninth field of a source: what becomes of a message that the link's end leaves unsettled.
TEST(Performative, TheDefaultOutcomeOfASourceIsAnOutcome) {
  const auto with = [](const Write& outcome) {
    return list_of(Code::kSource, [outcome](Encoder& encoder) {
      for (int i = 0; i < 8; ++i) encoder.absent();
      outcome(encoder);
    });
  };
  Attach attach;
  ASSERT_TRUE(reads_termini(with(list_of(Code::kReleased, kNothing)), kNull, attach));
  EXPECT_EQ(attach.source->default_outcome, StateKind::kReleased);
  EXPECT_FALSE(reads_termini(with(kText), kNull, attach));
}

TEST(Performative, ATransferWithAModeThatIsNoneIsRefused) {
  const auto with = [](uint8_t mode) {
    return [mode](Encoder& encoder) {
      encoder.uint(0);
      for (int i = 0; i < 5; ++i) encoder.absent();
      encoder.ubyte(mode);
    };
  };
  Transfer transfer;
  ASSERT_TRUE(reads(Code::kTransfer, with(1), transfer));
  EXPECT_EQ(transfer.rcv_settle_mode, ReceiverSettleMode::kSecond);
  EXPECT_FALSE(reads(Code::kTransfer, with(2), transfer));
}

}  // namespace
}  // namespace linarite::amqp
