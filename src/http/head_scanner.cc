#include "http/head_scanner.h"

#include <algorithm>
#include <utility>

namespace linarite::http {

HeadScanner::Verdict HeadScanner::read(ByteView& input) {
  for (size_t i = 0; i < input.size(); ++i) {
    const size_t text = text_size(input.substr(i));
    head_.append(input.substr(i, text));
    i += text;
    if (i == input.size()) break;
    const Verdict verdict = read_byte(input[i]);
    if (verdict == Verdict::kMore) continue;
    input.remove_prefix(i + 1);
    return verdict;
  }
  input = {};
  return Verdict::kMore;
}

// How many bytes are the inside of a line, within the limits: nothing that read_byte() would
// refuse.
size_t HeadScanner::text_size(ByteView input) const {
  const size_t line_size = head_.size() - line_begin_;
  if (line_size == 0 || head_.back() == '\r') return 0;
  const size_t line_room = (start_line_end_ == 0 ? kStartLineMax : kHeaderMax) + 2 - line_size;
  const size_t head_room = kHeadersMax + 2 - (head_.size() - start_line_end_);
  const size_t room = start_line_end_ == 0 ? line_room : std::min(line_room, head_room);
  const ByteView most = input.substr(0, room);
  const auto end = std::ranges::find_if(
      most, [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t'; });
  return static_cast<size_t>(end - most.begin());
}

HeadScanner::Verdict HeadScanner::read_byte(char c) {
  const bool after_return = head_.size() > line_begin_ && head_.back() == '\r';
  if (after_return != (c == '\n')) return Verdict::kMalformed;
  const auto byte = static_cast<unsigned char>(c);
  if (byte < 0x20 && c != '\r' && c != '\n' && c != '\t') return Verdict::kMalformed;
  const bool at_line_begin = head_.size() == line_begin_;
  // RFC 9112, 5.2: a server refuses obs-fold. A blank also cannot begin a start line.
  if (at_line_begin && (c == ' ' || c == '\t')) return Verdict::kMalformed;
  head_.push_back(c);

  const size_t line_size = head_.size() - line_begin_;
  if (start_line_end_ == 0) {
    if (line_size > kStartLineMax + 2) return Verdict::kStartLineTooLong;
  } else if (line_size > kHeaderMax + 2 || head_.size() - start_line_end_ > kHeadersMax + 2) {
    return Verdict::kHeadersTooLarge;
  }
  return c == '\n' ? end_line() : Verdict::kMore;
}

HeadScanner::Verdict HeadScanner::end_line() {
  const bool empty = head_.size() - line_begin_ == 2;
  line_begin_ = head_.size();
  if (start_line_end_ == 0) {
    if (empty) return Verdict::kMalformed;
    start_line_end_ = head_.size();
    return Verdict::kMore;
  }
  if (empty) return Verdict::kComplete;
  return ++header_count_ > kHeaderCountMax ? Verdict::kHeadersTooLarge : Verdict::kMore;
}

Bytes HeadScanner::take() {
  Bytes head = std::move(head_);
  *this = HeadScanner();
  return head;
}

}  // namespace linarite::http
