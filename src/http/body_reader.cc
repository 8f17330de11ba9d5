#include "http/body_reader.h"

#include <algorithm>
#include <charconv>

#include "base/mutation.h"

namespace linarite::http {

BodyReader::Progress BodyReader::read(ByteView& input, size_t body_max, Bytes& body) {
  while (state_ != State::kComplete) {
    Progress progress;
    if (state_ == State::kSized || state_ == State::kUntilClose || state_ == State::kChunkData) {
      progress = read_content(input, body_max, body);
    } else {
      progress = read_line(input);
      if (progress == Progress::kComplete) progress = end_line(body_max - body.size());
    }
    if (progress != Progress::kComplete) return progress;
  }
  return Progress::kComplete;
}

BodyReader::Progress BodyReader::read_content(ByteView& input, size_t body_max, Bytes& body) {
  const size_t room = body_max - body.size();
  if (state_ == State::kUntilClose) {
    if (input.size() > room) return Progress::kTooLarge;
    body.append(input);
    input = {};
    return Progress::kMore;
  }
  if (left_ > room) return Progress::kTooLarge;
  const auto count = static_cast<size_t>(std::min<uint64_t>(left_, input.size()));
  const size_t lost = mutated(Mutation::kBodyLosesByte) && !body.empty() && count > 0 ? 1 : 0;
  body.append(input.substr(lost, count - lost));
  input.remove_prefix(count);
  left_ -= count;
  if (left_ > 0) return Progress::kMore;
  state_ = state_ == State::kSized ? State::kComplete : State::kChunkEnd;
  return Progress::kComplete;
}

BodyReader::Progress BodyReader::read_line(ByteView& input) {
  for (size_t i = 0; i < input.size(); ++i) {
    const char c = input[i];
    const bool after_return = !line_.empty() && line_.back() == '\r';
    if (after_return != (c == '\n')) return Progress::kMalformed;
    if (c == '\n') {
      line_.pop_back();
      input.remove_prefix(i + 1);
      return Progress::kComplete;
    }
    // A control character in an extension, even inside quotes, is how parsers are made to disagree.
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\r' && c != '\t') || byte == 0x7F) return Progress::kMalformed;
    if (line_.size() > kChunkLineMax) return Progress::kMalformed;
    line_.push_back(c);
  }
  input = {};
  return Progress::kMore;
}

BodyReader::Progress BodyReader::end_line(size_t room) {
  const Bytes line = std::move(line_);
  line_.clear();
  if (state_ == State::kChunkEnd) {
    state_ = State::kChunkSize;
    return line.empty() ? Progress::kComplete : Progress::kMalformed;
  }
  if (state_ == State::kTrailer) {
    if (line.empty()) {
      state_ = State::kComplete;
      return Progress::kComplete;
    }
    const bool is_field =
        line.find(':') != Bytes::npos && line[0] != ' ' && line[0] != '\t' && line[0] != ':';
    return is_field && ++trailer_count_ <= kTrailerCountMax ? Progress::kComplete
                                                            : Progress::kMalformed;
  }
  // RFC 9112, 7.1: 1*HEXDIG, then nothing or extensions.
  uint64_t size = 0;
  const char* const begin = line.data();
  const char* const end = begin + line.size();
  const auto [stop, error] = std::from_chars(begin, end, size, 16);
  const auto digits = static_cast<size_t>(stop - begin);
  if (error != std::errc() || digits > kChunkSizeDigitsMax || (stop != end && *stop != ';')) {
    return Progress::kMalformed;
  }
  if (size > room) return Progress::kTooLarge;
  left_ = size;
  state_ = size == 0 ? State::kTrailer : State::kChunkData;
  return Progress::kComplete;
}

}  // namespace linarite::http
