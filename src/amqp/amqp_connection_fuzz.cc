// Any bytes from a peer, in both roles, cut in pieces, with an owner that reacts to everything. The
// first byte chooses role, start and piece size.
#include <cstdint>

#include "amqp/connection.h"
#include "amqp/message.h"
#include "base/check.h"

using namespace linarite;
using namespace linarite::amqp;

namespace {

// Reacts to every event: accepts or refuses links, grants credit, settles, echoes messages.
class Owner {
 public:
  Owner(Connection& engine, Instant now) : engine_(engine), now_(now) {}

  void react(const Events& events) {
    for (const Event& event : events) std::visit([this](const auto& e) { on(e); }, event);
    CHECK(engine_.output().size() < (size_t{64} << 20U));
    engine_.clear_output();
  }

 private:
  void on(const SaslReceived& e) {
    if (e.response && *e.response == "again") {
      engine_.sasl_challenge("why");
    } else {
      engine_.sasl_outcome(e.mechanism == "PLAIN" && !e.response ? SaslCode::kAuth : SaslCode::kOk,
                           now_);
    }
  }
  void on(const SaslChallenged& e) { engine_.sasl_respond(e.challenge); }
  void on(const Opened& /*e*/) {
    if (auto session = engine_.begin_session()) session_ = *session;
  }
  void on(const SessionBegun& e) {
    Attach attach;
    attach.name = "ours";
    attach.role = ++sessions_ % 2 == 0 ? Role::kSender : Role::kReceiver;
    attach.source = Source{.address = "s"};
    attach.target = Target{.address = "t"};
    (void)engine_.attach(e.session, attach);
  }
  void on(const SessionEnded& /*e*/) {}
  void on(const LinkRequested& e) {
    if (++links_ % 5 == 0) return engine_.refuse_link(e.link, {"amqp:not-found", "no", {}});
    engine_.accept_link(e.link, {.source = e.attach->source,
                                 .target = e.attach->target,
                                 .snd_settle_mode = e.attach->snd_settle_mode,
                                 .rcv_settle_mode = e.attach->rcv_settle_mode});
    engine_.grant_credit(e.link, 5, links_ % 3 == 0);
    last_link_ = e.link;
  }
  void on(const LinkAttached& e) {
    engine_.grant_credit(e.link, 5);
    last_link_ = e.link;
  }
  void on(const LinkDetached& /*e*/) {}
  void on(const MessageReceived& e) {
    MessageView view;
    (void)read_message(e.payload, view);
    const uint32_t turn = ++messages_;
    if (turn % 7 == 0)
      return engine_.detach(e.link, true, amqp::Error{"amqp:internal-error", "x", {}});
    if (turn % 11 == 0) engine_.end_session(session_, std::nullopt);
    engine_.settle(e.link, e.delivery_id,
                   turn % 3 == 0 ? DeliveryState::rejected({"amqp:not-found", "", {}})
                                 : DeliveryState::accepted(),
                   turn % 5 != 0);
    engine_.grant_credit(e.link, 5);
    (void)engine_.send(last_link_, e.tag, e.payload);
  }
  void on(const DeliveryUpdated& e) {
    if (!e.settled) engine_.settle(e.link, e.delivery_id, DeliveryState::accepted());
  }
  void on(const DeliverySettled& /*e*/) {}
  void on(const CreditChanged& e) {
    for (int i = 0; i < 3; ++i) (void)engine_.send(e.link, "tag", Bytes(700, 'x'), i == 1);
    if (e.drain) engine_.drained(e.link);
  }
  void on(const Drained& /*e*/) {}
  void on(const Closed& /*e*/) { CHECK(engine_.closed()); }

  Connection& engine_;
  Instant now_;
  SessionId session_{};
  LinkId last_link_{};
  uint32_t sessions_ = 0;
  uint32_t links_ = 0;
  uint32_t messages_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const uint8_t choice = data[0];
  ByteView bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  auto options = std::make_shared<ConnectionOptions>();
  options->server = (choice & 1U) == 0;
  options->container_id = "fuzz";
  options->message_size_max = 4096;
  options->assembly_bytes_max = 8192;
  options->incoming_window = 8;
  options->links_max = 6;
  options->unsettled_max = 16;
  options->first_serial = (choice & 2U) != 0 ? 0xFFFFFFFE : 0;
  if ((choice & 1U) != 0 && (choice & 4U) != 0) options->sasl_mechanism = "PLAIN";
  Instant now{};
  Connection engine(options, now);
  Owner owner(engine, now);
  if ((choice & 8U) != 0) {  // Skip the start, so that the fuzzer works on the frames behind it.
    Events events;
    Bytes open(kAmqpHeader);
    const size_t start = begin_frame(open, kFrameTypeAmqp, 0);
    encode(Open{.container_id = "peer", .max_frame_size = (choice & 4U) != 0 ? 512U : 65536U},
           open);
    end_frame(open, start);
    engine.receive(open, now, events);
    owner.react(events);
  }
  const size_t piece = (choice & 0x10U) != 0 ? 1 + (choice >> 5U) * 3 : bytes.size();
  while (!bytes.empty()) {
    Events events;
    engine.receive(bytes.substr(0, piece), now, events);
    owner.react(events);
    events.clear();
    engine.tick(now, events);
    owner.react(events);
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
  for (int i = 0; i < 3; ++i) {
    now += std::chrono::seconds(70);
    Events events;
    engine.tick(now, events);
    owner.react(events);
    (void)engine.deadline();
  }
  return 0;
}
