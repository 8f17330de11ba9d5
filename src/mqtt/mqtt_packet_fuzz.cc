// Any bytes: decoding ends well, and a packet that decodes encodes to the same bytes again.
#include "base/check.h"
#include "mqtt/packet.h"
#include "mqtt/topic_filter.h"

using namespace linarite;
using namespace linarite::mqtt;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView bytes(reinterpret_cast<const char*>(data), size);
  const auto header = decode_fixed_header(bytes, 330'000);
  if (!header || !*header) return 0;
  const FixedHeader& h = **header;
  CHECK(h.remaining_length <= 330'000);
  if (size - h.size < h.remaining_length) return 0;
  const ByteView whole = bytes.substr(0, h.size + h.remaining_length);
  const auto packet = decode_packet(h, whole.substr(h.size));
  if (!packet) return 0;
  Bytes again;
  encode(*packet, again);
  CHECK(again == whole);

  if (const auto* subscribe = std::get_if<Subscribe>(&*packet)) {
    for (const Subscription& s : subscribe->subscriptions) {
      // The next filter serves as a topic.
      const ByteView topic = subscribe->subscriptions.back().filter;
      const bool matches = filter_matches(s.filter, topic);
      if (is_valid_filter(s.filter) && is_valid_topic_name(s.filter)) {
        CHECK(matches == (s.filter == topic));
      }
    }
  }
  return 0;
}
