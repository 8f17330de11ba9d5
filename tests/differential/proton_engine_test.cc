// Our engine as server and as client against Proton's connection driver: SASL, open, links,
// messages of one and of many frames, settlement, close.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <proton/connection.h>
#include <proton/connection_driver.h>
#include <proton/delivery.h>
#include <proton/event.h>
#include <proton/link.h>
#include <proton/sasl.h>
#include <proton/session.h>
#include <proton/terminus.h>
#include <proton/transport.h>

#include <algorithm>
#include <map>

#include "amqp/test_peer.h"

namespace linarite::amqp {
namespace {

constexpr int kMessages = 50;

// The payload of the i-th message: from nothing to a few hundred kilobytes.
Bytes payload(int i) {
  return Bytes(static_cast<size_t>(i) * static_cast<size_t>(i) * 150,
               static_cast<char>('a' + i % 26));
}

class Proton {
 public:
  explicit Proton(bool server) {
    pn_connection_driver_init(&driver_, nullptr, nullptr);
    if (server) pn_transport_set_server(driver_.transport);
    pn_transport_set_max_frame(driver_.transport, server ? 2000 : 4096);
    pn_connection_set_container(driver_.connection, "proton");
    pn_sasl_set_allow_insecure_mechs(pn_sasl(driver_.transport), true);
    pn_sasl_allowed_mechs(pn_sasl(driver_.transport), "ANONYMOUS");
    pn_transport_require_auth(driver_.transport, false);
  }
  ~Proton() { pn_connection_driver_destroy(&driver_); }
  Proton(const Proton&) = delete;
  Proton& operator=(const Proton&) = delete;

  void read(ByteView bytes) {
    while (!bytes.empty()) {
      const pn_rwbytes_t room = pn_connection_driver_read_buffer_sized(&driver_, bytes.size());
      ASSERT_GT(room.size, 0U) << "Proton takes no more";
      const size_t count = std::min(room.size, bytes.size());
      std::memcpy(room.start, bytes.data(), count);
      pn_connection_driver_read_done(&driver_, count);
      bytes.remove_prefix(count);
      handle();
    }
  }
  Bytes write() {
    handle();
    const pn_bytes_t out = pn_connection_driver_write_buffer(&driver_);
    Bytes bytes(out.start, out.size);
    pn_connection_driver_write_done(&driver_, out.size);
    return bytes;
  }

  pn_connection_t* connection() { return driver_.connection; }

  // What happened.
  std::map<int, Bytes> received;
  std::map<int, uint64_t> outcomes;
  bool closed = false;
  std::string error;

  // What to do.
  bool client = false;

 private:
  void handle() {
    while (pn_event_t* event = pn_connection_driver_next_event(&driver_)) on(event);
  }

  void on(pn_event_t* event) {
    switch (pn_event_type(event)) {
      case PN_CONNECTION_REMOTE_OPEN:
        if (!client) pn_connection_open(pn_event_connection(event));
        break;
      case PN_SESSION_REMOTE_OPEN:
        if (!client) pn_session_open(pn_event_session(event));
        break;
      case PN_LINK_REMOTE_OPEN:
        on_link(pn_event_link(event));
        break;
      case PN_LINK_FLOW:
        if (pn_link_is_sender(pn_event_link(event))) send(pn_event_link(event));
        break;
      case PN_DELIVERY:
        on_delivery(pn_event_delivery(event));
        break;
      case PN_CONNECTION_REMOTE_CLOSE:
        pn_connection_close(pn_event_connection(event));
        closed = true;
        break;
      case PN_TRANSPORT_ERROR:
        error = pn_condition_get_description(pn_transport_condition(pn_event_transport(event)));
        break;
      default:
        break;
    }
  }

  void on_link(pn_link_t* link) {
    if (client) return;
    pn_terminus_copy(pn_link_source(link), pn_link_remote_source(link));
    pn_terminus_copy(pn_link_target(link), pn_link_remote_target(link));
    pn_link_open(link);
    if (pn_link_is_receiver(link)) pn_link_flow(link, kMessages);
  }

  void send(pn_link_t* link) {
    while (sent_ < kMessages && pn_link_credit(link) > 0) {
      const std::string tag = std::to_string(sent_);
      pn_delivery(link, pn_dtag(tag.data(), tag.size()));
      const Bytes body = payload(sent_++);
      pn_link_send(link, body.data(), body.size());
      pn_link_advance(link);
    }
  }

  void on_delivery(pn_delivery_t* delivery) {
    const pn_delivery_tag_t tag = pn_delivery_tag(delivery);
    const int number = std::stoi(std::string(tag.start, tag.size));
    pn_link_t* link = pn_delivery_link(delivery);
    if (pn_link_is_receiver(link)) {
      if (!pn_delivery_readable(delivery) || pn_delivery_partial(delivery)) return;
      Bytes body(pn_delivery_pending(delivery), '\0');
      pn_link_recv(link, body.data(), body.size());
      received[number] = std::move(body);
      pn_delivery_update(delivery, number % 3 == 0 ? PN_RELEASED : PN_ACCEPTED);
      pn_link_advance(link);
      pn_delivery_settle(delivery);
    } else if (pn_delivery_updated(delivery)) {
      outcomes[number] = pn_delivery_remote_state(delivery);
      pn_delivery_settle(delivery);
    }
  }

  pn_connection_driver_t driver_{};
  int sent_ = 0;
};

// Our engine with an owner that accepts everything, and settles every third message as rejected.
class Ours {
 public:
  explicit Ours(ConnectionOptions options) {
    options.container_id = "linarite";
    engine.emplace(std::make_shared<const ConnectionOptions>(std::move(options)), now);
  }

  void exchange(Proton& peer) {
    for (bool moved = true; moved;) {
      const Bytes out(engine->output());
      engine->clear_output();
      if (!out.empty()) peer.read(out);
      const Bytes in = peer.write();
      Events events;
      // In pieces, so that frames are cut.
      for (size_t at = 0; at < in.size(); at += 1000) {
        events.clear();
        engine->receive(ByteView(in).substr(at, 1000), now, events);
        for (const Event& event : events) react(event);
      }
      moved = !out.empty() || !in.empty();
    }
  }

  void react(const Event& event) {
    if (const auto* sasl = std::get_if<SaslReceived>(&event)) {
      mechanism = sasl->mechanism;
      engine->sasl_outcome(SaslCode::kOk, now);
    } else if (const auto* requested = std::get_if<LinkRequested>(&event)) {
      engine->accept_link(requested->link, {.source = requested->attach->source,
                                            .target = requested->attach->target});
      engine->grant_credit(requested->link, kMessages);
    } else if (const auto* attached = std::get_if<LinkAttached>(&event)) {
      engine->grant_credit(attached->link, kMessages);
    } else if (const auto* message = std::get_if<MessageReceived>(&event)) {
      const int number = std::stoi(Bytes(message->tag));
      received[number] = Bytes(message->payload);
      engine->settle(message->link, message->delivery_id,
                     number % 3 == 0 ? DeliveryState::rejected({"amqp:not-found", "no", {}})
                                     : DeliveryState::accepted());
    } else if (const auto* credit = std::get_if<CreditChanged>(&event)) {
      while (sent < kMessages && engine->credit(credit->link) > 0) {
        if (!engine->send(credit->link, std::to_string(sent), payload(sent))) break;
        ++sent;
      }
    } else if (const auto* updated = std::get_if<DeliveryUpdated>(&event)) {
      outcomes[static_cast<int>(updated->delivery_id)] = updated->state.kind;
    } else if (const auto* begun = std::get_if<SessionBegun>(&event)) {
      session = begun->session;
    } else if (std::get_if<Closed>(&event) != nullptr) {
      closed = true;
    }
  }

  Instant now{};
  std::optional<Connection> engine;
  std::string mechanism;
  std::optional<SessionId> session;
  std::map<int, Bytes> received;
  std::map<int, StateKind> outcomes;
  int sent = 0;
  bool closed = false;
};

void expect_all(const std::map<int, Bytes>& received) {
  ASSERT_EQ(received.size(), static_cast<size_t>(kMessages));
  for (const auto& [number, body] : received) EXPECT_EQ(body, payload(number)) << number;
}

TEST(ProtonEngine, OurServerUnderstandsProtonsClient) {
  Ours ours({});
  Proton proton(false);
  proton.client = true;
  pn_connection_open(proton.connection());
  pn_session_t* session = pn_session(proton.connection());
  pn_session_open(session);
  pn_link_t* sender = pn_sender(session, "out");
  pn_terminus_set_address(pn_link_target(sender), "/messages/devicebound");
  pn_link_open(sender);
  pn_link_t* receiver = pn_receiver(session, "in");
  pn_terminus_set_address(pn_link_source(receiver), "/messages/servicebound/feedback");
  pn_link_open(receiver);
  pn_link_flow(receiver, kMessages);
  ours.exchange(proton);
  EXPECT_EQ(ours.mechanism, "ANONYMOUS");
  expect_all(ours.received);
  expect_all(proton.received);
  for (int i = 0; i < kMessages; ++i) {
    EXPECT_EQ(proton.outcomes[i], i % 3 == 0 ? PN_REJECTED : PN_ACCEPTED) << i;
    EXPECT_EQ(ours.outcomes[i], i % 3 == 0 ? StateKind::kReleased : StateKind::kAccepted) << i;
  }
  pn_connection_close(proton.connection());
  ours.exchange(proton);
  EXPECT_TRUE(ours.closed);
  EXPECT_TRUE(proton.closed);
  EXPECT_EQ(proton.error, "");
}

TEST(ProtonEngine, OurClientUnderstandsProtonsServer) {
  Ours ours({.server = false, .sasl_mechanism = "ANONYMOUS"});
  Proton proton(true);
  ours.exchange(proton);
  const auto session = ours.engine->begin_session();
  ASSERT_TRUE(session) << proton.error;
  ours.exchange(proton);
  ASSERT_TRUE(ours.session);
  ASSERT_TRUE(ours.engine->attach(*session, test::Peer::attach_body("out", 0, Role::kSender)));
  ASSERT_TRUE(ours.engine->attach(*session, test::Peer::attach_body("in", 0, Role::kReceiver)));
  ours.exchange(proton);
  expect_all(ours.received);
  expect_all(proton.received);
  for (int i = 0; i < kMessages; ++i) {
    EXPECT_EQ(proton.outcomes[i], i % 3 == 0 ? PN_REJECTED : PN_ACCEPTED) << i;
  }
  ours.engine->close(std::nullopt, ours.now);
  ours.exchange(proton);
  EXPECT_TRUE(ours.closed);
  EXPECT_TRUE(proton.closed);
  EXPECT_EQ(proton.error, "");
}

}  // namespace
}  // namespace linarite::amqp
