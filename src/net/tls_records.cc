#include "net/tls_records.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"

namespace linarite::net {
namespace {

constexpr char kFatal = 2;
constexpr char kKeyUpdate = 24;
constexpr size_t kKeyUpdateSize = 5;  // Type, three bytes of length, whether one is asked for.

size_t length_of(ByteView header) {
  return static_cast<size_t>(static_cast<unsigned char>(header[3])) << 8U |
         static_cast<unsigned char>(header[4]);
}

}  // namespace

TlsRecords::TlsRecords(const TlsSuite& suite, ByteView client_secret, ByteView server_secret,
                       uint64_t records_per_key)
    : read_(suite, client_secret),
      write_(suite, server_secret),
      records_per_key_(records_per_key) {}

TlsRecords::Opened TlsRecords::fail(Alert alert, std::string why, Bytes& answer) {
  failure_ = std::move(why);
  seal_alert(alert, answer);
  return {.kind = Kind::kFailed};
}

bool TlsRecords::whole(ByteView bytes) {
  if (bytes.size() < kHeaderSize) return false;
  const size_t length = length_of(bytes);
  return length > kSealedMax || bytes.size() >= kHeaderSize + length;
}

TlsRecords::Opened TlsRecords::open(ByteView bytes, std::span<char> out, Bytes& answer) {
  if (!failure_.empty()) return {.kind = Kind::kFailed};
  if (!whole(bytes)) return {};
  const ByteView header = bytes.substr(0, kHeaderSize);
  const size_t length = length_of(header);
  // Nothing but protected records comes after a handshake, also no change_cipher_spec (5).
  if (header[0] != static_cast<char>(Content::kData)) {
    return fail(Alert::kUnexpectedMessage, "a TLS record of an unexpected type", answer);
  }
  if (length > kSealedMax) {
    return fail(Alert::kRecordOverflow, "a TLS record that is too long", answer);
  }
  if (length <= kTlsTagSize) {
    return fail(Alert::kBadRecordMac, "a TLS record that is too short", answer);
  }
  const size_t inner_size = length - kTlsTagSize;
  if (inner_size > out.size()) return {.kind = Kind::kNoRoom};
  if (!read_.open(header, bytes.substr(kHeaderSize, length), out.data())) {
    return fail(Alert::kBadRecordMac, "a TLS record that was changed on its way", answer);
  }
  // Content, its type, zeros (5.2).
  const ByteView inner(out.data(), inner_size);
  const size_t type_at = inner.find_last_not_of('\0');
  if (type_at == ByteView::npos) {
    return fail(Alert::kUnexpectedMessage, "a TLS record without a content type", answer);
  }
  if (type_at > kPlainMax) {
    return fail(Alert::kRecordOverflow, "a TLS record with too much content", answer);
  }
  const ByteView content = inner.substr(0, type_at);
  const size_t taken = kHeaderSize + length;
  switch (static_cast<Content>(inner[type_at])) {
    case Content::kData:
      return {.kind = Kind::kData, .taken = taken, .size = content.size()};
    case Content::kAlert:
      return take_alert(content, taken, answer);
    case Content::kHandshake:
      return take_handshake(content, taken, answer);
  }
  return fail(Alert::kUnexpectedMessage, "a TLS record with an unexpected content type", answer);
}

TlsRecords::Opened TlsRecords::take_alert(ByteView content, size_t taken, Bytes& answer) {
  if (content.size() != 2) return fail(Alert::kDecodeError, "a malformed TLS alert", answer);
  // In 1.3 the level says nothing (6).
  const auto alert = static_cast<uint8_t>(content[1]);
  if (alert == static_cast<uint8_t>(Alert::kCloseNotify)) {
    return {.kind = Kind::kClosed, .taken = taken};
  }
  if (alert == static_cast<uint8_t>(Alert::kUserCanceled)) {
    return {.kind = Kind::kSilent, .taken = taken};
  }
  failure_ = fmt::format("the peer sent TLS alert {}", alert);  // Not to be answered.
  return {.kind = Kind::kFailed};
}

// A client that gave no certificate and was given no ticket has only KeyUpdate to send. One that
// comes in pieces, or with more behind it, is refused: the key changes behind it (4.6.3, 5.1).
TlsRecords::Opened TlsRecords::take_handshake(ByteView content, size_t taken, Bytes& answer) {
  if (content.empty() || content[0] != kKeyUpdate) {
    return fail(Alert::kUnexpectedMessage, "an unexpected TLS handshake message", answer);
  }
  const bool formed = content.size() == kKeyUpdateSize &&
                      content.substr(1, 3) == ByteView("\0\0\1", 3) &&
                      (content[4] == 0 || content[4] == 1);
  if (!formed) return fail(Alert::kDecodeError, "a malformed TLS KeyUpdate", answer);
  read_.advance();
  key_update_owed_ |= content[4] == 1;
  return {.kind = Kind::kSilent, .taken = taken};
}

void TlsRecords::seal(ByteView data, Bytes& out) {
  CHECK(data.size() <= kPlainMax);
  if (key_update_owed_ || write_.sequence() >= records_per_key_) seal_key_update(out);
  seal_content(Content::kData, data, out);
}

void TlsRecords::seal_close_notify(Bytes& out) { seal_alert(Alert::kCloseNotify, out); }

void TlsRecords::leave_thread() {
  read_.leave_thread();
  write_.leave_thread();
}

void TlsRecords::seal_alert(Alert alert, Bytes& out) {
  const char level = alert == Alert::kCloseNotify ? 1 : kFatal;
  const char content[] = {level, static_cast<char>(alert)};
  seal_content(Content::kAlert, ByteView(content, sizeof(content)), out);
}

// None is asked for in return.
void TlsRecords::seal_key_update(Bytes& out) {
  seal_content(Content::kHandshake, ByteView("\x18\0\0\1\0", kKeyUpdateSize), out);
  write_.advance();
  key_update_owed_ = false;
}

void TlsRecords::seal_content(Content content, ByteView data, Bytes& out) {
  const size_t inner_size = data.size() + 1;
  const size_t length = inner_size + kTlsTagSize;
  const size_t start = out.size();
  const char header[] = {static_cast<char>(Content::kData), 3, 3, static_cast<char>(length >> 8U),
                         static_cast<char>(length)};
  out.append(header, sizeof(header));
  out.append(data);
  out += static_cast<char>(content);
  out.append(kTlsTagSize, '\0');
  write_.seal(ByteView(header, sizeof(header)), out.data() + start + kHeaderSize, inner_size);
}

}  // namespace linarite::net
