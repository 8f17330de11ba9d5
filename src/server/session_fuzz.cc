// Two hostile parties on one hub: a device on MQTT and a back end on AMQP and REST. Both are who
// they say they are, and do what the input says: valid requests in any order and of any content,
// cut requests, any bytes; they do not read, break their connections, connect twice; the clock
// moves and the disk is slow. Beside them an honest device only reads.
//
// Checked: what a peer that does not read is owed stays bounded; the honest device gets what was
// accepted for it, once and in order; and in the end the hub still serves.
#include <prometheus/registry.h>

#include <algorithm>
#include <array>

#include "amqp/message.h"
#include "base/logging.h"
#include "base/random.h"
#include "gateway/http_gateway.h"
#include "http/serializer.h"
#include "server/session_parties.h"
#include "store/memory/memory_store.h"
#include "wire/sas_token.h"

using namespace linarite;
using namespace linarite::server;

namespace {

constexpr size_t kStepsMax = 200;
constexpr uint32_t kPartitions = 2;
const std::string kHostile = "dev1";
const std::string kHonest = "dev2";

class Input {
 public:
  explicit Input(ByteView bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  uint8_t byte() {
    if (bytes_.empty()) return 0;
    const auto value = static_cast<uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    return value;
  }
  // As many as the next byte says.
  ByteView bytes() {
    const size_t size = byte();
    const ByteView taken = bytes_.substr(0, size);
    bytes_.remove_prefix(taken.size());
    return taken;
  }

 private:
  ByteView bytes_;
};

class Session {
 public:
  Session() {
    hub_.open({loop_, [](const Status& status) { CHECK(status); }});
    loop_.run_until_idle();
    for (const std::string& id : {kHostile, kHonest}) {
      hub_.create_device({.device_id = id}, {loop_, [&, id](const auto& made) {
                                               CHECK(made);
                                               keys_[id] = made->identity.primary_key;
                                             }});
    }
    loop_.run_until_idle();
    meet_honest();
    new_device();
    new_back_end();
    new_client();
    exchange();
  }
  ~Session() {
    device_.reset();
    honest_.reset();
    back_end_.reset();
    client_.reset();
    loop_.run_until_idle();
    loop_.drop_all();
  }

  void step(Input& input) {
    switch (input.byte() % 8) {
      case 0:
        return device_->peer.write(input.bytes());
      case 1:
        return act_as_device(input);
      case 2:
        return back_end_->peer.write(input.bytes());
      case 3:
        return act_as_back_end(input);
      case 4:
        return client_->write(input.bytes());
      case 5:
        return call(input);
      case 6:
        return disturb(input);
      default:
        return wait(input);
    }
  }

  // Carries all bytes, and looks at what the honest device has.
  void exchange() {
    bool moved = true;
    while (moved) {
      loop_.run_until_idle();
      moved = device_->exchange();
      moved = back_end_->exchange(accepted_) || moved;
      client_->hand_over();
      moved = note_locks(client_->read()) || moved;
      if (honest_->peer.stream.closed) meet_honest();
      moved = honest_->exchange() || moved;
      for (const uint32_t number : std::exchange(honest_->numbers, {})) {
        CHECK(got_.empty() || got_.back() < number);
        got_.push_back(number);
      }
    }
  }

  // Everybody reads, the disk answers: the hub still serves, and owes the honest device nothing.
  void finish() {
    store_.hold_commits(false);
    store_.flush();
    device_->peer.read_again();
    back_end_->peer.read_again();
    exchange();
    for (const uint32_t number : accepted_) CHECK(std::ranges::binary_search(got_, number));
    const uint32_t last = next_number_++;
    bool sent = false;
    hub_.send(kHonest, {.body = std::to_string(last)},
              {loop_, [&](const Result<uint64_t>& result) { sent = result.has_value(); }});
    exchange();
    CHECK(sent && got_.back() == last);
  }

 private:
  std::string device_token(const std::string& id) {
    return token({.audience = "127.0.0.1/devices/" + id, .key = keys_[id]});
  }
  std::string policy_token() {
    const std::string policy = "iothubowner";
    return token({.audience = "127.0.0.1",
                  .key = hub_.policies()->find(policy)->primary_key,
                  .policy = policy});
  }
  std::string token(wire::SasTokenRequest request) {
    request.expiry = clock_.wall() + std::chrono::hours(1);
    return *wire::make_sas_token(request);
  }

  void meet_honest() {
    honest_.emplace(loop_, mqtt_);
    honest_->connect(kHonest, device_token(kHonest), /*flags=*/0);
    honest_->exchange();
    loop_.run_until_idle();
    honest_->exchange();
    subscribe(*honest_, "devices/" + kHonest + "/messages/devicebound/#");
  }
  void subscribe(FuzzedDevice& device, const std::string& filter) {
    const mqtt::Subscription one{.filter = filter, .qos = mqtt::Qos::kAtLeastOnce};
    static_cast<void>(device.engine.subscribe({&one, 1}, 0));
  }
  void new_device() { device_.emplace(loop_, mqtt_); }
  void new_back_end() { back_end_.emplace(loop_, amqp_, policy_token()); }
  void new_client() {
    client_.emplace(loop_, [&](net::Stream& stream) { return http_.accept(stream); });
  }

  void act_as_device(Input& input) {
    const std::string own = "devices/" + kHostile + "/messages/";
    switch (input.byte() % 6) {
      case 0:
        return device_->connect(kHostile, device_token(kHostile), input.byte());
      case 1:
        return subscribe(*device_, own + "devicebound/#");
      case 2:
        return subscribe(*device_, Bytes(input.bytes()));
      case 3: {
        const std::string topic = own + "events/" + Bytes(input.bytes());
        const Bytes body(size_t{input.byte()} << (input.byte() % 9), 'x');
        static_cast<void>(device_->engine.publish({topic, body, 0, mqtt::Qos::kAtLeastOnce}, 1));
        return;
      }
      case 4:
        return device_->engine.puback(std::max<uint16_t>(1, input.byte()));
      default:
        return device_->engine.disconnect();
    }
  }

  void act_as_back_end(Input& input) {
    static const std::array<const char*, 6> kAddresses = {
        "/messages/devicebound",
        "/messages/serviceBound/feedback",
        "$cbs",
        "$management",
        "hub/ConsumerGroups/$Default/Partitions/0",
        "hub/ConsumerGroups/$Default/Partitions/1"};
    const uint8_t what = input.byte();
    if (what % 6 == 0) {
      const std::string address = kAddresses[input.byte() % kAddresses.size()];
      return back_end_->attach((what & 8U) != 0 ? amqp::Role::kReceiver : amqp::Role::kSender,
                               address);
    }
    const auto link = back_end_->link(input.byte());
    if (!link) return;
    switch (what % 6) {
      case 1:
        return send(*link, input);
      case 2:
        return back_end_->engine->grant_credit(*link, input.byte(), (what & 8U) != 0);
      case 3:
        return back_end_->settle_one(input.byte());
      case 4:
        return back_end_->engine->detach(*link, (what & 8U) != 0, std::nullopt);
      default:
        return back_end_->send(*link, Bytes(input.bytes()), std::nullopt);
    }
  }
  void send(amqp::LinkId link, Input& input) {
    const bool honest = (input.byte() & 1U) != 0;
    amqp::Message message;
    message.properties.to = "/devices/" + (honest ? kHonest : kHostile) + "/messages/devicebound";
    message.properties.message_id = amqp::Value::string(Bytes(input.bytes()));
    message.body_kind = amqp::BodyKind::kData;
    const std::optional<uint32_t> number = honest ? std::optional(next_number_++) : std::nullopt;
    message.data = {number ? std::to_string(*number) : Bytes(input.bytes())};
    Bytes bytes;
    amqp::write_message(message, bytes);
    back_end_->send(link, bytes, number);
  }

  // REST, on the hostile device only.
  void call(Input& input) {
    static const std::array<std::pair<const char*, const char*>, 8> kCalls = {{
        {"PUT", "/devices/dev1"},
        {"GET", "/devices/dev1"},
        {"DELETE", "/devices/dev1"},
        {"GET", "/devices?top=10"},
        {"DELETE", "/devices/dev1/commands"},
        {"GET", "/devices/dev1/messages/deviceBound"},
        {"DELETE", "/devices/dev1/messages/deviceBound/"},
        {"POST", "/devices/dev1/messages/deviceBound//abandon"},
    }};
    const auto& [method, path] = kCalls[input.byte() % kCalls.size()];
    http::Request request{.method = method, .target = path};
    const size_t lock = request.target.find("deviceBound/");
    if (lock != std::string::npos) request.target.insert(lock + 12, lock_);
    request.target += request.target.find('?') == std::string::npos ? "?" : "&";
    request.target += "api-version=2021-04-12";
    request.headers.add("Host", "127.0.0.1");
    request.headers.add("Authorization", policy_token());
    request.headers.add("If-Match", "*");
    request.body = Bytes(input.bytes());
    Bytes bytes;
    if (!http::append_request(request, bytes)) return;
    const size_t cut = input.byte();
    client_->write(ByteView(bytes).substr(0, cut < 128 ? bytes.size() : 2 * cut));
  }
  bool note_locks(const Bytes& answer) {
    static constexpr std::string_view kName = "ETag: \"";
    const size_t at = answer.find(kName);
    if (at != Bytes::npos) {
      const size_t begin = at + kName.size();
      lock_ = answer.substr(begin, std::min<size_t>(answer.find('"', begin) - begin, 64));
    }
    return !answer.empty();
  }

  void disturb(Input& input) {
    switch (input.byte() % 7) {
      case 0:
        return new_device();
      case 1:
        return new_back_end();
      case 2:
        return new_client();
      case 3:
        device_->peer.stream.stuck = true;
        return;
      case 4:
        back_end_->peer.stream.stuck = true;
        return;
      case 5:
        return device_->peer.read_again();
      default:
        return back_end_->peer.read_again();
    }
  }

  // A slow disk is answered before an hour has passed, or what is accepted could expire first.
  void wait(Input& input) {
    const uint8_t what = input.byte();
    store_.hold_commits((what & 0x80U) != 0);
    if ((what & 0x80U) != 0) return;
    store_.flush();
    exchange();
    loop_.run_for(std::chrono::milliseconds(1U << (what % 20)));
  }

  ManualClock clock_{*parse_iso8601("2026-01-02T03:04:05Z")};
  ManualLoop loop_{clock_};
  store::MemoryStore store_{kPartitions};
  SeededRandom random_{1};
  SeededRandom vault_random_{2};
  hub::KeyVault vault_ = hub::KeyVault::make(vault_random_);
  Logger log_ = Logger::none();
  prometheus::Registry metrics_;
  hub::Hub hub_{hub::HubOptions{}, hub::Hub::Parts{.store = store_,
                                                   .loops = {&loop_},
                                                   .random = random_,
                                                   .log = log_,
                                                   .metrics = metrics_,
                                                   .vault = vault_}};
  MqttGateway mqtt_{{}, {hub_, log_, metrics_}};
  AmqpGateway amqp_{{}, {hub_, log_, metrics_}};
  gateway::HttpGateway http_{{hub_, log_, metrics_}};
  std::map<std::string, std::string> keys_;
  std::optional<FuzzedDevice> honest_;
  std::optional<FuzzedDevice> device_;
  std::optional<FuzzedBackEnd> back_end_;
  std::optional<Peer> client_;
  std::string lock_;  // Of the last message that was received over REST.
  uint32_t next_number_ = 1;
  std::set<uint32_t> accepted_;
  std::vector<uint32_t> got_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(ByteView(reinterpret_cast<const char*>(data), size));
  Session session;
  for (size_t i = 0; i < kStepsMax && !input.empty(); ++i) {
    session.step(input);
    session.exchange();
  }
  session.finish();
  return 0;
}
