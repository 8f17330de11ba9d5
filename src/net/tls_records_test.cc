// The record layer of TLS 1.3 against the example of RFC 8448 and against a client that is made of
// the same keys: what it takes, what it refuses and with which alert.
#include "net/tls_records.h"

#include <gtest/gtest.h>

#include <array>

#include "base/text.h"

namespace linarite::net {
namespace {

using Kind = TlsRecords::Kind;

Bytes bytes_of(std::string_view hex) {
  Bytes out;
  for (size_t i = 0; i + 1 < hex.size();) {
    if (hex[i] == ' ') {
      ++i;
      continue;
    }
    out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    i += 2;
  }
  return out;
}

// RFC 8448, section 3: secrets "tls13 c ap traffic" and "tls13 s ap traffic".
const Bytes kClientSecret =
    bytes_of("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5");
const Bytes kServerSecret =
    bytes_of("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643");
constexpr uint16_t kAes128 = 0x1301;

class TlsRecordsTest : public ::testing::Test {
 protected:
  // A record of the client, with `padding` zeros behind its type.
  Bytes record(char type, std::string_view content, size_t padding = 0) {
    const size_t inner = content.size() + 1 + padding;
    const size_t length = inner + kTlsTagSize;
    Bytes out{0x17, 3, 3, static_cast<char>(length >> 8U), static_cast<char>(length)};
    out.append(content).append(1, type).append(padding + kTlsTagSize, '\0');
    const Bytes header = out.substr(0, TlsRecords::kHeaderSize);
    client_writes_.seal(header, out.data() + TlsRecords::kHeaderSize, inner);
    return out;
  }
  // What the server makes of it: "data abc", "closed", "incomplete", or why it failed.
  std::string open(ByteView bytes) {
    const auto opened = records_.open(bytes, room_, answers_);
    switch (opened.kind) {
      case Kind::kIncomplete:
        return "incomplete";
      case Kind::kNoRoom:
        return "no room";
      case Kind::kData:
        EXPECT_LE(opened.taken, bytes.size());
        return "data " + std::string(room_.data(), std::min(opened.size, size_t{60}));
      case Kind::kSilent:
        return "silent";
      case Kind::kClosed:
        return "closed";
      case Kind::kFailed:
        return records_.failure();
    }
    return {};
  }
  // The inner plain text of what the server sealed: content and type.
  std::string answer() {
    if (answers_.empty()) return {};
    const size_t size = TlsRecords::kHeaderSize +
                        (static_cast<size_t>(static_cast<unsigned char>(answers_[3])) << 8U) +
                        static_cast<unsigned char>(answers_[4]);
    const ByteView header = ByteView(answers_).substr(0, TlsRecords::kHeaderSize);
    const ByteView sealed = ByteView(answers_).substr(header.size(), size - header.size());
    std::string out(sealed.size() - kTlsTagSize, '\0');
    EXPECT_TRUE(client_reads_.open(header, sealed, out.data()));
    answers_.erase(0, size);
    return out;
  }
  static std::string alert(char number) { return {2, number, 21}; }

  const TlsSuite& suite_ = *tls_suite(kAes128);
  TlsKeys client_writes_{suite_, kClientSecret};
  TlsKeys client_reads_{suite_, kServerSecret};
  TlsRecords records_{suite_, kClientSecret, kServerSecret};
  std::array<char, size_t{1} << 16U> room_{};
  Bytes answers_;
};

TEST_F(TlsRecordsTest, TheExampleOfRfc8448) {
  const Bytes sent = bytes_of(
      "17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 f9 14 aa 66 bc "
      "ab 3f 2b 98 19 a8 a5 b4 6b 39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2 97 70 14 bd "
      "1e 3d ea e6 3a ee bb 21 69 49 15 e4");
  const auto opened = records_.open(sent, room_, answers_);
  ASSERT_EQ(opened.kind, Kind::kData) << records_.failure();
  EXPECT_EQ(opened.taken, sent.size());
  ASSERT_EQ(opened.size, 50U);
  for (size_t i = 0; i < opened.size; ++i) EXPECT_EQ(room_[i], static_cast<char>(i));

  Bytes text;
  for (char c = 0; c < 50; ++c) text += c;
  Bytes sealed;
  records_.seal("", sealed);  // In the place of the ticket that the example's server sent.
  sealed.clear();
  records_.seal(text, sealed);
  EXPECT_EQ(sealed,
            bytes_of("17 03 03 00 43 2e 93 7e 11 ef 4a c7 40 e5 38 ad 36 00 5f c4 a4 69 32 fc 32 "
                     "25 d0 5f 82 aa 1b 36 e3 0e fa f9 7d 90 e6 df fc 60 2d cb 50 1a 59 a8 fc c4 "
                     "9c 4b f2 e5 f0 a2 1c 00 47 c2 ab f3 32 54 0d d0 32 e1 67 c2 95 5d"));
}

TEST_F(TlsRecordsTest, TakesARecordWhenItIsWhole) {
  const Bytes sent = record(23, "hello");
  for (size_t size = 0; size < sent.size(); ++size) {
    EXPECT_EQ(open(ByteView(sent).substr(0, size)), "incomplete");
    EXPECT_FALSE(TlsRecords::whole(ByteView(sent).substr(0, size)));
  }
  EXPECT_TRUE(TlsRecords::whole(sent));
  EXPECT_EQ(open(sent), "data hello");
  EXPECT_EQ(open(record(23, "")), "data ");
  EXPECT_EQ(open(record(23, "padded", 300)), "data padded");
  EXPECT_EQ(open(record(23, Bytes(TlsRecords::kPlainMax, 'x'))), "data " + Bytes(60, 'x'));
  EXPECT_EQ(answer(), "");
}

TEST_F(TlsRecordsTest, LeavesARecordForWhichThereIsNoRoom) {
  const Bytes sent = record(23, Bytes(100, 'x'));
  const std::span<char> little(room_.data(), 100);
  EXPECT_EQ(records_.open(sent, little, answers_).kind, Kind::kNoRoom);
  EXPECT_EQ(open(sent), "data " + Bytes(60, 'x'));
}

TEST_F(TlsRecordsTest, EverySuiteSealsAndOpens) {
  for (const uint16_t number : std::to_array<uint16_t>({0x1301, 0x1302, 0x1303})) {
    const TlsSuite& suite = *tls_suite(number);
    const Bytes client(suite.secret_size, 'c');
    const Bytes server(suite.secret_size, 's');
    TlsRecords sends(suite, server, client);
    TlsRecords receives(suite, client, server);
    for (int i = 0; i < 3; ++i) {
      Bytes sealed;
      sends.seal("abc", sealed);
      const auto opened = receives.open(sealed, room_, answers_);
      ASSERT_EQ(opened.kind, Kind::kData);
      EXPECT_EQ(ByteView(room_.data(), opened.size), "abc");
    }
  }
  EXPECT_EQ(tls_suite(0x1304), nullptr);
}

TEST_F(TlsRecordsTest, CloseNotifyBothWays) {
  EXPECT_EQ(open(record(21, ByteView("\1\0", 2))), "closed");
  records_.seal_close_notify(answers_);
  EXPECT_EQ(answer(), std::string("\1\0\x15", 3));
}

TEST_F(TlsRecordsTest, AlertsOfThePeer) {
  EXPECT_EQ(open(record(21, ByteView("\1\x5a", 2))), "silent") << "user_canceled";
  EXPECT_EQ(open(record(21, ByteView("\2\x14", 2))), "the peer sent TLS alert 20");
  EXPECT_EQ(answer(), "") << "an alert is not answered";
}

TEST_F(TlsRecordsTest, KeyUpdateIsFollowedAndAnswered) {
  EXPECT_EQ(open(record(22, ByteView("\x18\0\0\1\1", 5))), "silent");
  client_writes_.advance();
  EXPECT_EQ(open(record(23, "new key")), "data new key");
  EXPECT_EQ(open(record(22, ByteView("\x18\0\0\1\1", 5))), "silent");
  client_writes_.advance();
  EXPECT_EQ(answer(), "") << "not before there is something to say";
  records_.seal("too", answers_);
  EXPECT_EQ(answer(), std::string("\x18\0\0\1\0\x16", 6)) << "and then once";
  client_reads_.advance();
  EXPECT_EQ(answer(), "too\x17");
  EXPECT_EQ(open(record(22, ByteView("\x18\0\0\1\0", 5))), "silent");
  client_writes_.advance();
  EXPECT_EQ(open(record(23, "another")), "data another");
  records_.seal("x", answers_);
  EXPECT_EQ(answer(), "x\x17") << "none was asked for";
}

TEST_F(TlsRecordsTest, AKeyIsReplacedBeforeItIsWornOut) {
  TlsRecords records(suite_, kClientSecret, kServerSecret, /*records_per_key=*/2);
  for (int i = 0; i < 5; ++i) records.seal("x", answers_);
  const std::string update("\x18\0\0\1\0\x16", 6);
  EXPECT_EQ(answer() + answer(), "x\x17x\x17");
  EXPECT_EQ(answer(), update);
  client_reads_.advance();
  EXPECT_EQ(answer() + answer(), "x\x17x\x17");
  EXPECT_EQ(answer(), update);
  client_reads_.advance();
  EXPECT_EQ(answer(), "x\x17");
}

// Each is the end of the connection, with the alert that the RFC says.
TEST_F(TlsRecordsTest, AChangedRecordIsRefused) {
  Bytes sent = record(23, "hello");
  sent[7] ^= 1;
  EXPECT_EQ(open(sent), "a TLS record that was changed on its way");
  EXPECT_EQ(answer(), alert(20));
  EXPECT_EQ(open(record(23, "more")), "a TLS record that was changed on its way")
      << "it stays over";
}

TEST_F(TlsRecordsTest, ARecordThatComesAgainOrIsLeftOutIsRefused) {
  const Bytes first = record(23, "1");
  EXPECT_EQ(open(first), "data 1");
  EXPECT_EQ(open(first), "a TLS record that was changed on its way");
}

struct Refusal {
  const char* name;
  Bytes bytes;  // As they come; or
  char type = 0;
  Bytes content;  // sealed with this type.
  const char* why;
  char alert;
};

class TlsRefusalTest : public TlsRecordsTest, public ::testing::WithParamInterface<Refusal> {};

TEST_P(TlsRefusalTest, EndsTheConnection) {
  const Refusal& tested = GetParam();
  EXPECT_EQ(open(tested.bytes.empty() ? record(tested.type, tested.content) : tested.bytes),
            tested.why);
  EXPECT_EQ(answer(), alert(tested.alert));
}

INSTANTIATE_TEST_SUITE_P(
    Records, TlsRefusalTest,
    ::testing::Values(
        Refusal{"ChangeCipherSpec",
                bytes_of("140303000101"),
                0,
                {},
                "a TLS record of an unexpected type",
                10},
        Refusal{"PlainAlert",
                bytes_of("15030300020100"),
                0,
                {},
                "a TLS record of an unexpected type",
                10},
        Refusal{"TooLong", bytes_of("1703034101"), 0, {}, "a TLS record that is too long", 22},
        Refusal{"TooShort",
                bytes_of("1703030010") + Bytes(16, 'x'),
                0,
                {},
                "a TLS record that is too short",
                20},
        Refusal{"TooMuchContent",
                {},
                23,
                Bytes(TlsRecords::kPlainMax + 1, 'x'),
                "a TLS record with too much content",
                22},
        Refusal{"NoType", {}, 0, Bytes(10, '\0'), "a TLS record without a content type", 10},
        Refusal{"UnknownType", {}, 24, "x", "a TLS record with an unexpected content type", 10},
        Refusal{"LongAlert", {}, 21, "abc", "a malformed TLS alert", 50},
        Refusal{
            "ClientHello", {}, 22, Bytes("\1\0\0\0", 4), "an unexpected TLS handshake message", 10},
        Refusal{"NoHandshakeMessage", {}, 22, "", "an unexpected TLS handshake message", 10},
        Refusal{"KeyUpdateInPieces", {}, 22, Bytes("\x18\0\0", 3), "a malformed TLS KeyUpdate", 50},
        Refusal{"KeyUpdateAndMore",
                {},
                22,
                Bytes("\x18\0\0\1\0\x18\0\0\1\0", 10),
                "a malformed TLS KeyUpdate",
                50},
        Refusal{"KeyUpdateOfAThirdKind",
                {},
                22,
                Bytes("\x18\0\0\1\2", 5),
                "a malformed TLS KeyUpdate",
                50}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace linarite::net
