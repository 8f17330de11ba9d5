// Finds the end of a message head while its bytes arrive, and holds the limits on it: nothing that
// is too long, and no line ending that two programs could read differently, ever reaches the
// parser.
#pragma once

#include <cstddef>

#include "base/bytes.h"

namespace linarite::http {

inline constexpr size_t kStartLineMax = size_t{8} << 10U;
inline constexpr size_t kHeaderMax = size_t{8} << 10U;    // One field line.
inline constexpr size_t kHeadersMax = size_t{32} << 10U;  // All field lines together.
inline constexpr size_t kHeaderCountMax = 64;

class HeadScanner {
 public:
  enum class Verdict {
    kMore,       // The head has not ended.
    kComplete,   // take() has the head; the input after it is untouched.
    kMalformed,  // A bare CR or LF, a folded line (obs-fold) or another control character.
    kStartLineTooLong,
    kHeadersTooLarge,  // One field, their number or their sum passed its limit.
  };

  // Takes bytes from the front of `input`, at most up to the end of the head.
  Verdict read(ByteView& input);
  // The head up to and with its empty line; the scanner is then ready for the next one.
  Bytes take();
  bool started() const { return !head_.empty(); }

 private:
  size_t text_size(ByteView input) const;
  Verdict read_byte(char c);
  Verdict end_line();

  Bytes head_;
  size_t line_begin_ = 0;      // Where the line under way begins in head_.
  size_t start_line_end_ = 0;  // 0 while the start line is under way.
  size_t header_count_ = 0;
};

}  // namespace linarite::http
