// The record layer of TLS 1.3 (RFC 8446, 5) for a server's connection whose handshake is over. It
// goes on from the traffic secrets with what a device needs from there on: application data both
// ways, KeyUpdate, alerts. An SSL object does the same with twelve times the memory and twice the
// time (decisions/0013-tls-records.md).
//
// No sockets and no buffers. Loop thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"
#include "net/tls_keys.h"

namespace linarite::net {

class TlsRecords {
 public:
  static constexpr size_t kHeaderSize = 5;
  static constexpr size_t kPlainMax = 16384;
  static constexpr size_t kSealedMax = kPlainMax + 256;  // Without the header.
  // AES-GCM is good for 2^24.5 records of the largest size under one key (5.5).
  static constexpr uint64_t kRecordsPerKey = uint64_t{1} << 24U;

  enum class Kind : uint8_t {
    kIncomplete,  // More bytes are needed.
    kNoRoom,      // `out` may be too small for the record.
    kData,        // Application data, possibly none, at the front of `out`.
    kSilent,      // Something else that brought no data.
    kClosed,      // The peer's close_notify.
    kFailed,      // Over, see failure().
  };
  struct Opened {
    Kind kind = Kind::kIncomplete;
    size_t taken = 0;  // Bytes of the record. 0 with kIncomplete, kNoRoom and kFailed.
    size_t size = 0;   // Of the data.
  };

  // The secrets are CLIENT_TRAFFIC_SECRET_0 and SERVER_TRAFFIC_SECRET_0 (7.1); nothing was sent or
  // received under either.
  TlsRecords(const TlsSuite& suite, ByteView client_secret, ByteView server_secret,
             uint64_t records_per_key = kRecordsPerKey);

  // Takes the record at the front of `bytes`. With kFailed the alert that the peer is owed, if any,
  // is appended to `answer` as a record.
  Opened open(ByteView bytes, std::span<char> out, Bytes& answer);
  // Whether a record is complete at the front of `bytes`, or fails.
  static bool whole(ByteView bytes);

  // Appends one record; before it, a KeyUpdate if the peer asked for one or the key is worn out.
  // `data` has at most kPlainMax bytes.
  void seal(ByteView data, Bytes& out);
  void seal_close_notify(Bytes& out);
  // Before another thread goes on with it.
  void leave_thread();

  const std::string& failure() const { return failure_; }

 private:
  enum class Content : uint8_t { kAlert = 21, kHandshake = 22, kData = 23 };
  enum class Alert : uint8_t {
    kCloseNotify = 0,
    kUnexpectedMessage = 10,
    kBadRecordMac = 20,
    kRecordOverflow = 22,
    kDecodeError = 50,
    kUserCanceled = 90,
  };

  void seal_content(Content content, ByteView data, Bytes& out);
  void seal_alert(Alert alert, Bytes& out);
  void seal_key_update(Bytes& out);
  Opened take_alert(ByteView content, size_t taken, Bytes& answer);
  Opened take_handshake(ByteView content, size_t taken, Bytes& answer);
  Opened fail(Alert alert, std::string why, Bytes& answer);

  TlsKeys read_;
  TlsKeys write_;
  const uint64_t records_per_key_;
  bool key_update_owed_ = false;  // However often it was asked for (4.6.3).
  std::string failure_;
};

}  // namespace linarite::net
