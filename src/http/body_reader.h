// Takes a message body out of its framing (RFC 9112, 6 and 7).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace linarite::http {

inline constexpr size_t kChunkLineMax = 1024;  // A chunk size with its extensions; a trailer field.
inline constexpr size_t kTrailerCountMax = 16;
inline constexpr size_t kChunkSizeDigitsMax = 8;  // Hexadecimal digits of a chunk size.

class BodyReader {
 public:
  enum class Progress {
    kMore,
    kComplete,   // The input after the body is untouched.
    kTooLarge,   // The body is larger than allowed.
    kMalformed,  // The chunk framing is broken or unusual enough for doubt.
  };

  static BodyReader sized(uint64_t size) { return {State::kSized, size}; }
  static BodyReader chunked() { return {State::kChunkSize, 0}; }
  // Ends with the connection; never kComplete. Responses only.
  static BodyReader until_close() { return {State::kUntilClose, 0}; }

  // Takes bytes from the front of `input` and appends content to `body`, which never grows past
  // `body_max`. Chunk extensions and trailer fields are checked and dropped.
  Progress read(ByteView& input, size_t body_max, Bytes& body);

  bool ends_with_connection() const { return state_ == State::kUntilClose; }

 private:
  enum class State : uint8_t {
    kSized,
    kUntilClose,
    kChunkSize,
    kChunkData,
    kChunkEnd,  // The CRLF after the content of a chunk.
    kTrailer,
    kComplete,
  };

  BodyReader(State state, uint64_t left) : state_(state), left_(left) {}
  Progress read_content(ByteView& input, size_t body_max, Bytes& body);
  // One line without its CRLF into line_; kComplete when it is whole.
  Progress read_line(ByteView& input);
  Progress end_line(size_t room);

  State state_;
  uint64_t left_;  // Bytes of the body, or of the chunk, that have not come.
  Bytes line_;
  size_t trailer_count_ = 0;
};

}  // namespace linarite::http
