// Records of TLS 1.3 as a client could send them: sealed with its keys around any content, of any
// type, padded, with a KeyUpdate now and then, or raw bytes. Whatever comes, the records stay
// within their bounds; data of the client comes out as it went in, and what is answered opens.
#include <algorithm>
#include <array>
#include <cstdint>

#include "base/check.h"
#include "net/tls_records.h"

using namespace linarite;
using namespace linarite::net;

namespace {

constexpr char kData = 23;
constexpr char kHandshake = 22;
constexpr ByteView kKeyUpdate("\x18\0\0\1\1", 5);

class Client {
 public:
  explicit Client(const TlsSuite& suite)
      : writes_(suite, Bytes(suite.secret_size, 'c')),
        reads_(suite, Bytes(suite.secret_size, 's')),
        server_(suite, Bytes(suite.secret_size, 'c'), Bytes(suite.secret_size, 's')) {}

  // False when the connection is over.
  bool send_sealed(char type, ByteView content, size_t padding) {
    const size_t inner = content.size() + 1 + padding;
    const size_t length = inner + kTlsTagSize;
    Bytes record{0x17, 3, 3, static_cast<char>(length >> 8U), static_cast<char>(length)};
    record.append(content).append(1, type).append(padding + kTlsTagSize, '\0');
    writes_.seal(record.substr(0, 5), record.data() + 5, inner);
    const bool updated = type == kHandshake && content == kKeyUpdate;
    if (updated) writes_.advance();
    update_asked_ |= updated;
    const auto opened = receive(record);
    if (type == kData) {
      CHECK(opened.kind == TlsRecords::Kind::kData && opened.taken == record.size());
      CHECK(ByteView(room_.data(), opened.size) == content);
    }
    CHECK(!updated || opened.kind == TlsRecords::Kind::kSilent);
    return opened.kind != TlsRecords::Kind::kFailed;
  }
  // Nothing that is not sealed is data.
  bool send_raw(ByteView bytes) {
    const auto opened = receive(bytes);
    CHECK(opened.kind == TlsRecords::Kind::kIncomplete || opened.kind == TlsRecords::Kind::kFailed);
    CHECK((opened.kind == TlsRecords::Kind::kIncomplete) == !TlsRecords::whole(bytes));
    return opened.kind != TlsRecords::Kind::kFailed;
  }
  void receive_sealed(ByteView content) {
    Bytes sealed;
    server_.seal(content, sealed);
    if (update_asked_) CHECK(take(sealed) == Bytes(kKeyUpdate.substr(0, 4)) + '\0' + kHandshake);
    update_asked_ = false;
    CHECK(take(sealed) == Bytes(content) + kData && sealed.empty());
  }

 private:
  TlsRecords::Opened receive(ByteView bytes) {
    Bytes answers;
    const auto opened = server_.open(bytes, room_, answers);
    CHECK(opened.taken <= bytes.size() && opened.size <= room_.size());
    while (!answers.empty()) take(answers);
    return opened;
  }
  // The content and type of the record at the front.
  Bytes take(Bytes& records) {
    CHECK(TlsRecords::whole(records));
    const size_t length = static_cast<size_t>(static_cast<unsigned char>(records[3])) << 8U |
                          static_cast<unsigned char>(records[4]);
    Bytes out(length - kTlsTagSize, '\0');
    CHECK(reads_.open(ByteView(records).substr(0, 5), ByteView(records).substr(5, length),
                      out.data()));
    records.erase(0, 5 + length);
    if (out.back() == kHandshake) reads_.advance();
    return out;
  }

  TlsKeys writes_;
  TlsKeys reads_;
  TlsRecords server_;
  bool update_asked_ = false;
  std::array<char, TlsRecords::kSealedMax> room_{};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteReader in(ByteView(reinterpret_cast<const char*>(data), size));
  const auto which = in.number<uint8_t>();
  Client client(*tls_suite(static_cast<uint16_t>(0x1301 + which.value_or(0) % 3)));
  for (bool open = true; open;) {
    const auto step = in.number<uint8_t>();
    const auto count = in.number<uint8_t>();
    if (!step || !count) return 0;
    const ByteView content = in.take(std::min<size_t>(*count, in.remaining())).value_or("");
    switch (*step % 6) {
      case 0:
        open = client.send_raw(content);
        break;
      case 1:
        client.receive_sealed(content);
        break;
      case 2:
        open = client.send_sealed(kHandshake, kKeyUpdate, *count);
        break;
      case 3:
        open = client.send_sealed(static_cast<char>(*count), content, 0);
        break;
      default:
        open = client.send_sealed(kData, content, *step);
    }
  }
  return 0;
}
