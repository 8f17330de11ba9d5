// A hub on the memory store with a manual clock, for tests of the hub and of the gateways: short
// verbs for what a back end does, and a device that only notes what it is given.
#pragma once

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/logging.h"
#include "base/manual_loop.h"
#include "base/random.h"
#include "base/text.h"
#include "hub/hub.h"
#include "store/memory/memory_store.h"
#include "wire/sas_token.h"

namespace linarite::hub {

// Notes deliveries as their message ids; settles nothing by itself.
class NotingLink final : public DeviceLink {
 public:
  void deliver(const Delivery& delivery) override {
    locks.push_back(delivery.lock);
    log += delivery.message.message_id.value_or("-");
    if (delivery.redelivered) log += "'";
    if (delivery.delivery_count > 0) log += std::to_string(delivery.delivery_count);
    log += ' ';
    last = delivery.message;
  }
  void disconnect(Error reason) override { disconnected = reason.code; }

  // What was delivered since the last call.
  std::string take() { return std::exchange(log, {}); }

  std::vector<LockToken> locks;
  std::string log;
  wire::C2dMessage last;
  std::optional<ErrorCode> disconnected;
};

class HubFixture : public ::testing::Test {
 protected:
  explicit HubFixture(HubOptions options = {}, uint32_t partitions = 4)
      : options_(std::move(options)), store_(partitions) {
    start();
  }

  void start() {
    registry_ = std::make_unique<prometheus::Registry>();
    hub_ = std::make_unique<Hub>(options_, Hub::Parts{.store = store_,
                                                      .loops = {&loop_},
                                                      .random = random_,
                                                      .log = log_,
                                                      .metrics = *registry_,
                                                      .vault = vault_,
                                                      .watch = watch_});
    Status opened = fail(ErrorCode::kServerError, "not answered");
    hub_->open({loop_, [&](Status status) { opened = std::move(status); }});
    run();
    ASSERT_TRUE(opened) << opened.error().message;
  }

  // A clean restart of the process: everything in memory is gone, the store stays.
  void restart() {
    stop();
    start();
  }
  void stop() {
    if (hub_) hub_->close({loop_, [](const Status&) {}});
    loop_.run_until_idle();
    end();
  }
  // The process ends at once; the store keeps what is durable.
  void kill() {
    end();
    start();
  }
  void end() {
    loop_.drop_all();
    hub_.reset();
    store_.crash(nullptr);
  }

  void run() { loop_.run_until_idle(); }
  void advance(Duration by) {
    loop_.run_for(by);
    run();
  }
  WallTime wall() const { return clock_.wall(); }

  // The error's code, 0 for success.
  template <class T>
  static int code(const Result<T>& result) {
    return result ? 0 : static_cast<int>(result.error().code);
  }

  // Calls a Hub operation whose last argument is a Reply and waits for the answer.
  template <class T, class Call>
  T wait(Call call) {
    std::optional<T> answer;
    call(Reply<T>(loop_, [&](T value) { answer = std::move(value); }));
    run();
    EXPECT_TRUE(answer.has_value()) << "no reply came";
    return answer ? *std::move(answer)
                  : T(std::unexpected(Error{ErrorCode::kServerError, "no reply"}));
  }

  Result<DeviceView> create(const std::string& id) {
    return create(IdentityWrite{.device_id = id});
  }
  Result<DeviceView> create(IdentityWrite write) {
    return wait<Result<DeviceView>>(
        [&](auto reply) { hub_->create_device(std::move(write), std::move(reply)); });
  }
  Result<DeviceView> update(IdentityWrite write,
                            Condition condition = {Condition::Kind::kAny, {}}) {
    return wait<Result<DeviceView>>([&](auto reply) {
      hub_->update_device(std::move(write), std::move(condition), std::move(reply));
    });
  }
  Result<DeviceView> get(const std::string& id) {
    return wait<Result<DeviceView>>([&](auto reply) { hub_->get_device(id, std::move(reply)); });
  }
  Status remove(const std::string& id, Condition condition = {}) {
    return wait<Status>(
        [&](auto reply) { hub_->delete_device(id, std::move(condition), std::move(reply)); });
  }
  Result<uint64_t> send(const std::string& id, wire::C2dMessage message) {
    return wait<Result<uint64_t>>(
        [&](auto reply) { hub_->send(id, std::move(message), std::move(reply)); });
  }
  Result<uint64_t> send(const std::string& id, const std::string& message_id,
                        std::optional<wire::Ack> ack = std::nullopt) {
    return send(id, wire::C2dMessage{.message_id = message_id, .ack = ack, .body = "body"});
  }
  Result<uint64_t> purge(const std::string& id) {
    return wait<Result<uint64_t>>([&](auto reply) { hub_->purge(id, std::move(reply)); });
  }

  Partition& partition(const std::string& id) { return hub_->partition_of(id); }
  // With a token of its primary key.
  void connect(const std::string& id, DeviceLink& link, uint32_t window = 16) {
    const auto device = get(id);
    const std::string key = device ? device->identity.primary_key : "";
    ASSERT_TRUE(partition(id).attach(id, link, key_fingerprint(key)));
    partition(id).open_delivery(link, window, wall());
    run();
  }
  // Settles the i-th delivery of the link and waits until that is durable.
  int complete(const std::string& id, NotingLink& link, size_t i) {
    return wait_settle(
        [&](StatusDone done) { partition(id).complete(link, link.locks.at(i), std::move(done)); });
  }
  int abandon(const std::string& id, NotingLink& link, size_t i) {
    return wait_settle(
        [&](StatusDone done) { partition(id).abandon(link, link.locks.at(i), std::move(done)); });
  }
  int reject(const std::string& id, NotingLink& link, size_t i) {
    return wait_settle(
        [&](StatusDone done) { partition(id).reject(link, link.locks.at(i), std::move(done)); });
  }

  std::optional<FeedbackBatch> take_feedback() {
    std::optional<FeedbackBatch> taken;
    hub_->receive_feedback(
        {loop_, [&](std::optional<FeedbackBatch> batch) { taken = std::move(batch); }});
    run();
    return taken;
  }
  // All feedback that waits, accepted: "m1:Success m2:Expired".
  std::string feedback() {
    static constexpr const char* kNames[] = {"Success", "Expired", "DeliveryCountExceeded",
                                             "Rejected", "Purged"};
    std::string text;
    while (const auto batch = take_feedback()) {
      for (const FeedbackRecord& record : batch->records) {
        text += (text.empty() ? "" : " ") + record.original_message_id + ":" +
                kNames[static_cast<size_t>(record.outcome)];
      }
      EXPECT_EQ(settle_feedback(batch->token, FeedbackSettlement::kAccept), 0);
    }
    return text;
  }
  int settle_feedback(const FeedbackToken& token, FeedbackSettlement how) {
    return code(
        wait<Status>([&](auto reply) { hub_->settle_feedback(token, how, std::move(reply)); }));
  }

  // Tokens as SDKs make them.
  std::string policy_token(const std::string& policy, const std::string& audience = "127.0.0.1") {
    const Policy* found = hub_->policies()->find(policy);
    return *wire::make_sas_token({.audience = audience,
                                  .key = found->primary_key,
                                  .policy = policy,
                                  .expiry = wall() + std::chrono::hours(1)});
  }
  std::string device_token(const DeviceView& device) {
    return *wire::make_sas_token({.audience = "127.0.0.1/devices/" + device.identity.device_id,
                                  .key = device.identity.primary_key,
                                  .policy = {},
                                  .expiry = wall() + std::chrono::hours(1)});
  }

  HubOptions options_;
  ManualClock clock_{*parse_iso8601("2026-01-02T03:04:05Z")};
  ManualLoop loop_{clock_};
  store::MemoryStore store_;
  SeededRandom random_{1};
  SeededRandom vault_random_{2};
  KeyVault vault_ = KeyVault::make(vault_random_);
  Logger log_ = Logger::none();
  QueueWatch watch_;  // Of the next start().
  std::unique_ptr<prometheus::Registry> registry_;
  std::unique_ptr<Hub> hub_;

 private:
  int wait_settle(const std::function<void(StatusDone)>& call) {
    std::optional<Status> answer;
    call([&](Status status) { answer = std::move(status); });
    run();
    EXPECT_TRUE(answer.has_value());
    return answer ? code(*answer) : -1;
  }
};

}  // namespace linarite::hub
