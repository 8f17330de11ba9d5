// Identities and who may connect (service-protocol 5.1, 5.2; device-protocol 5).
#include "hub/hub_fixture.h"
#include "hub/stand_in_policy.h"

namespace linarite::hub {
namespace {

class RegistryTest : public HubFixture {
 protected:
  int authenticate(const std::string& id, const std::string& token) {
    return code(partition(id).authenticate_device(id, token));
  }
  static Condition etag(const std::string& value) { return {Condition::Kind::kEtag, value}; }
};

TEST_F(RegistryTest, CreateMakesKeysAndIds) {
  const auto made = create("d1");
  ASSERT_TRUE(made);
  const Identity& identity = made->identity;
  EXPECT_EQ(identity.status, DeviceStatus::kEnabled);
  EXPECT_EQ(identity.primary_key.size(), 44U);
  EXPECT_NE(identity.primary_key, identity.secondary_key);
  EXPECT_FALSE(identity.etag.empty());
  EXPECT_EQ(code(create("d1")), 409001);
  restart();
  EXPECT_EQ(get("d1")->identity, identity);
}

TEST_F(RegistryTest, GivenKeysAreTakenAndBadOnesRefused) {
  const std::string good = "MDEyMzQ1Njc4OWFiY2RlZg==";  // 16 bytes
  EXPECT_EQ(
      create({.device_id = "a", .primary_key = good, .secondary_key = good})->identity.primary_key,
      good);
  EXPECT_EQ(code(create({.device_id = "b", .primary_key = good})), 400004);
  EXPECT_EQ(code(create({.device_id = "b", .primary_key = "short", .secondary_key = good})),
            400004);
  EXPECT_EQ(code(create({.device_id = "b", .primary_key = "MDEy", .secondary_key = "MDEy"})),
            400004);
  EXPECT_TRUE(create({.device_id = "b", .primary_key = "", .secondary_key = ""}));
  EXPECT_EQ(code(create({.device_id = "c", .status_reason = std::string(129, 'x')})), 400004);
}

TEST_F(RegistryTest, ConditionsFollowTheTable) {
  EXPECT_EQ(code(update({.device_id = "d1"})), 404001);
  EXPECT_EQ(code(remove("d1")), 404001);
  const auto first = create("d1");
  const auto second = update({.device_id = "d1", .status_reason = "x"}, etag(first->identity.etag));
  ASSERT_TRUE(second);
  EXPECT_NE(second->identity.etag, first->identity.etag);
  EXPECT_EQ(second->identity.primary_key, first->identity.primary_key);
  EXPECT_EQ(code(update({.device_id = "d1"}, etag(first->identity.etag))), 412001);
  EXPECT_EQ(code(remove("d1", etag(first->identity.etag))), 412001);
  EXPECT_TRUE(remove("d1", etag(second->identity.etag)));
  EXPECT_EQ(code(get("d1")), 404001);
}

TEST_F(RegistryTest, TwoWritesAtOnceRunOneAfterTheOther) {
  std::string order;
  for (int i = 0; i < 3; ++i) {
    hub_->create_device({.device_id = "d1"}, {loop_, [&](const Result<DeviceView>& made) {
                                                order += made ? "created " : "exists ";
                                              }});
  }
  hub_->delete_device(
      "d1", {}, {loop_, [&](const Status& gone) { order += gone ? "deleted " : "missing "; }});
  run();
  EXPECT_EQ(order, "created exists exists deleted ");
}

TEST_F(RegistryTest, ARecreatedDeviceHasAnotherGeneration) {
  const auto first = create("d1");
  ASSERT_TRUE(remove("d1"));
  const auto second = create("d1");
  EXPECT_NE(first->identity.generation_id, second->identity.generation_id);
  EXPECT_EQ(authenticate("d1", device_token(*first)), 401003);
  EXPECT_EQ(authenticate("d1", device_token(*second)), 0);
}

class SmallHubTest : public HubFixture {
 protected:
  SmallHubTest() : HubFixture({.device_count_max = 3, .queued_messages_max = 4}) {}
};

TEST_F(SmallHubTest, ItHasNoMoreDevicesThanItMay) {
  for (const char* id : {"d1", "d2", "d3"}) EXPECT_TRUE(create(id));
  EXPECT_EQ(code(create("d4")), 413002);
  EXPECT_EQ(code(create("d1")), 409001);
  EXPECT_TRUE(update({.device_id = "d1"}));
  restart();
  EXPECT_EQ(code(create("d4")), 413002);
  EXPECT_TRUE(remove("d1"));
  EXPECT_TRUE(create("d4"));
  EXPECT_EQ(code(create("d5")), 413002);
}

TEST_F(SmallHubTest, TheQueuesOfAllDevicesTogetherAreBounded) {
  for (const char* id : {"d1", "d2", "d3"}) EXPECT_TRUE(create(id));
  for (const char* id : {"d1", "d2", "d3", "d3"}) EXPECT_TRUE(send(id, "m"));
  EXPECT_EQ(code(send("d1", "m")), 503001);
  EXPECT_EQ(code(send("nobody", "m")), 404001);
  EXPECT_EQ(purge("d3"), 2U);
  EXPECT_TRUE(send("d1", "m"));
  restart();
  EXPECT_TRUE(send("d1", "m"));
  EXPECT_EQ(code(send("d1", "m")), 503001);
  EXPECT_TRUE(remove("d1"));
  EXPECT_TRUE(send("d2", "m"));
}

TEST_F(SmallHubTest, FeedbackThatNobodyTakesIsBoundedToo) {
  ASSERT_TRUE(create("d1"));
  NotingLink link;
  connect("d1", link);
  for (size_t i = 0; i < 4; ++i) {
    ASSERT_TRUE(send("d1", "m", wire::Ack::kFull));
    EXPECT_EQ(complete("d1", link, i), 0);
  }
  EXPECT_EQ(code(send("d1", "m")), 503001);
  restart();
  EXPECT_EQ(code(send("d1", "m")), 503001);
  EXPECT_EQ(feedback(), "m:Success m:Success m:Success m:Success");
  EXPECT_TRUE(send("d1", "m"));
}

TEST_F(SmallHubTest, WhatIsBeingCreatedCountsAndWhatFailedDoesNot) {
  store_.hold_commits(true);
  std::vector<int> answers;
  for (const char* id : {"d1", "d2", "d3", "d4"}) {
    hub_->create_device({.device_id = id}, {loop_, [&](const Result<DeviceView>& made) {
                                              answers.push_back(code(made));
                                            }});
  }
  run();
  EXPECT_EQ(answers, std::vector{413002});
  store_.hold_commits(false);
  store_.flush();
  run();
  EXPECT_EQ(answers, (std::vector{413002, 0, 0, 0}));
}

TEST_F(RegistryTest, ListsInOrderAndCounts) {
  for (const char* id : {"c", "a", "b"}) ASSERT_TRUE(create(id));
  ASSERT_TRUE(update({.device_id = "b", .status = DeviceStatus::kDisabled}));
  std::string ids;
  hub_->list_devices(2, {loop_, [&](const Result<std::vector<DeviceView>>& views) {
                           for (const auto& view : *views) ids += view.identity.device_id;
                         }});
  Statistics counted;
  hub_->statistics({loop_, [&](Statistics statistics) { counted = statistics; }});
  run();
  EXPECT_EQ(ids, "ab");
  EXPECT_EQ(counted.devices, 3U);
  EXPECT_EQ(counted.enabled, 2U);
  EXPECT_EQ(counted.disabled, 1U);
}

TEST_F(RegistryTest, ConnectionStateAndTimes) {
  ASSERT_TRUE(create("d1"));
  EXPECT_FALSE(get("d1")->connection_state_updated);
  advance(seconds(5));
  NotingLink link;
  connect("d1", link);
  EXPECT_TRUE(get("d1")->connected);
  EXPECT_EQ(get("d1")->connection_state_updated, wall());
  partition("d1").detach(link);
  restart();
  EXPECT_FALSE(get("d1")->connected);
  EXPECT_EQ(get("d1")->connection_state_updated, wall());
}

TEST_F(RegistryTest, ConnectionTimesAreWrittenTogether) {
  ASSERT_TRUE(create("d1"));
  store_.hold_commits(true);
  NotingLink link;
  for (int i = 0; i < 20; ++i) {
    connect("d1", link);
    partition("d1").detach(link);
    advance(std::chrono::milliseconds(200));
  }
  EXPECT_EQ(store_.held_count(), 0U);
  const WallTime last = get("d1")->last_activity.value();
  advance(seconds(1));
  EXPECT_EQ(store_.held_count(), 1U);
  store_.hold_commits(false);
  store_.flush();
  kill();
  EXPECT_EQ(get("d1")->last_activity, last);
}

TEST_F(RegistryTest, TimesOfManyDeletedDevicesHoldUpNoOthers) {
  ASSERT_TRUE(create("stays"));
  NotingLink link;
  connect("stays", link);
  partition("stays").detach(link);
  for (int i = 0; i < 5000; ++i) {
    const std::string id = "goes" + std::to_string(i);
    ASSERT_TRUE(create(id));
    connect(id, link);
    partition(id).detach(link);
    ASSERT_TRUE(remove(id));
  }
  advance(seconds(10));
  kill();
  EXPECT_TRUE(get("stays")->last_activity);
}

TEST_F(RegistryTest, ConnectionTimesEndWithTheDevice) {
  ASSERT_TRUE(create("d1"));
  NotingLink link;
  connect("d1", link);
  partition("d1").detach(link);
  ASSERT_TRUE(remove("d1"));
  ASSERT_TRUE(create("d1"));
  advance(seconds(10));
  restart();
  EXPECT_FALSE(get("d1")->connection_state_updated);
}

TEST_F(RegistryTest, DisablingCutsTheConnectionAndIsDurable) {
  const auto device = create("d1");
  NotingLink link;
  connect("d1", link);
  const auto disabled = update({.device_id = "d1", .status = DeviceStatus::kDisabled});
  ASSERT_TRUE(disabled);
  EXPECT_EQ(disabled->identity.status_updated, wall());
  EXPECT_EQ(link.disconnected, ErrorCode::kDeviceDisabled);
  EXPECT_EQ(authenticate("d1", device_token(*device)), 403012);
  restart();
  EXPECT_EQ(authenticate("d1", device_token(*device)), 403012);
  NotingLink again;
  EXPECT_EQ(code(partition("d1").attach("d1", again, 0)), 403012);
}

TEST_F(RegistryTest, TheKeyThatIsNotInUseIsRenewedUnderAConnection) {
  const Identity old = create("d1")->identity;
  const auto other = [this] { return generate_key(random_); };
  NotingLink link;
  connect("d1", link);  // By the primary key.
  ASSERT_TRUE(
      update({.device_id = "d1", .primary_key = old.primary_key, .secondary_key = other()}));
  EXPECT_FALSE(link.disconnected);
  // Swapped, it is still one of the device's.
  ASSERT_TRUE(
      update({.device_id = "d1", .primary_key = other(), .secondary_key = old.primary_key}));
  EXPECT_FALSE(link.disconnected);
  ASSERT_TRUE(update({.device_id = "d1", .primary_key = other(), .secondary_key = other()}));
  EXPECT_EQ(link.disconnected, ErrorCode::kIotHubUnauthorized);
}

TEST_F(RegistryTest, NewKeysDoNotTouchAConnectionByAPolicy) {
  const auto device = create("d1");
  const auto principal = partition("d1").authenticate_device("d1", policy_token("device"));
  ASSERT_TRUE(principal);
  NotingLink link;
  ASSERT_TRUE(partition("d1").attach("d1", link, 0));
  ASSERT_TRUE(update({.device_id = "d1",
                      .primary_key = generate_key(random_),
                      .secondary_key = generate_key(random_)}));
  EXPECT_FALSE(link.disconnected);
  ASSERT_TRUE(update({.device_id = "d1", .status = DeviceStatus::kDisabled}));
  EXPECT_EQ(link.disconnected, ErrorCode::kDeviceDisabled);
}

TEST_F(RegistryTest, NewKeysCutTheConnectionAndOldOnesNoLongerWork) {
  const auto old = create("d1");
  NotingLink link;
  connect("d1", link);
  const std::string key = "MDEyMzQ1Njc4OWFiY2RlZg==";
  ASSERT_TRUE(update({.device_id = "d1", .primary_key = key, .secondary_key = key}));
  EXPECT_EQ(link.disconnected, ErrorCode::kIotHubUnauthorized);
  EXPECT_EQ(authenticate("d1", device_token(*old)), 401003);
  EXPECT_EQ(authenticate("d1", device_token(*get("d1"))), 0);
}

TEST_F(RegistryTest, AChangeOfTheReasonDoesNotCutTheConnection) {
  ASSERT_TRUE(create("d1"));
  NotingLink link;
  connect("d1", link);
  ASSERT_TRUE(update({.device_id = "d1", .status_reason = "maintenance"}));
  EXPECT_FALSE(link.disconnected);
}

TEST_F(RegistryTest, DeviceTokensOpenOnlyTheirDevice) {
  const auto d1 = create("d1");
  const auto d10 = create("d10");
  EXPECT_EQ(authenticate("d1", device_token(*d1)), 0);
  EXPECT_EQ(authenticate("d10", device_token(*d1)), 401003);
  EXPECT_EQ(authenticate("d1", device_token(*d10)), 401003);
  EXPECT_EQ(authenticate("unknown", device_token(*d1)), 401003);
  const auto sign = [&](const std::string& audience, Duration lifetime) {
    return *wire::make_sas_token(
        {.audience = audience,
         .key = d1->identity.secondary_key,
         .policy = {},
         .expiry = wall() + std::chrono::duration_cast<std::chrono::milliseconds>(lifetime)});
  };
  EXPECT_EQ(authenticate("d1", sign("LOCALHOST/devices/d1", hours(1))), 0);
  EXPECT_EQ(authenticate("d1", sign("127.0.0.1", hours(1))), 401003);
  EXPECT_EQ(authenticate("d1", sign("127.0.0.1/devices", hours(1))), 401003);
  EXPECT_EQ(authenticate("d1", sign("other.example.com/devices/d1", hours(1))), 401003);
  EXPECT_EQ(authenticate("d1", sign("127.0.0.1/devices/d1", -seconds(299))), 0);
  EXPECT_EQ(authenticate("d1", sign("127.0.0.1/devices/d1", -seconds(302))), 401003);
}

TEST_F(RegistryTest, PolicyTokensStandInForDevices) {
  ASSERT_TRUE(create("d1"));
  EXPECT_EQ(authenticate("d1", policy_token("device")), 0);
  EXPECT_EQ(authenticate("d1", policy_token("iothubowner", "127.0.0.1/devices/d1")), 0);
  EXPECT_EQ(authenticate("d1", policy_token("device", "127.0.0.1/devices/d2")), 401003);
  EXPECT_EQ(authenticate("d1", policy_token("service")), 401003);
  EXPECT_EQ(authenticate("unknown", policy_token("device")), 401003);
}

TEST_F(RegistryTest, SessionsAreKeptUntilTheDeviceGoes) {
  ASSERT_TRUE(create("d1"));
  const auto load = [this] {
    std::optional<Session> loaded;
    partition("d1").load_session(
        "d1", [&](Result<std::optional<Session>> session) { loaded = *std::move(session); });
    return loaded;
  };
  EXPECT_FALSE(load());
  const Session session{.subscriptions = {{"devices/d1/messages/devicebound/#", 1, wall()}}};
  bool saved = false;
  partition("d1").save_session("d1", session,
                               [&](const Status& status) { saved = status.has_value(); });
  run();
  EXPECT_TRUE(saved);
  restart();
  EXPECT_EQ(load(), session);
  ASSERT_TRUE(remove("d1"));
  ASSERT_TRUE(create("d1"));
  EXPECT_FALSE(load());
}

TEST_F(RegistryTest, ErasingASessionThatIsNotThereWaitsForNothing) {
  ASSERT_TRUE(create("d1"));
  store_.hold_commits(true);
  bool erased = false;
  partition("d1").erase_session("d1", [&](const Status& status) { erased = status.has_value(); });
  EXPECT_TRUE(erased);
}

TEST_F(RegistryTest, ASessionIsReadOnceItsWritesAreDurable) {
  ASSERT_TRUE(create("d1"));
  const Session session{.subscriptions = {{"devices/d1/messages/devicebound/#", 1, wall()}}};
  std::string order;
  const auto note = [&](const char* what) {
    return [&order, what](const Status&) { order += what; };
  };
  const auto load = [&] {
    partition("d1").load_session("d1", [&](const Result<std::optional<Session>>& loaded) {
      order += *loaded ? "there " : "none ";
    });
  };
  store_.hold_commits(true);
  partition("d1").save_session("d1", session, note("saved "));
  load();
  partition("d1").erase_session("d1", note("erased "));
  load();
  run();
  EXPECT_EQ(order, "");
  store_.hold_commits(false);
  store_.flush();
  run();
  EXPECT_EQ(order, "saved erased none none ");
  load();
  EXPECT_EQ(order, "saved erased none none none ");
}

// Told "there" now, a device would find it gone after a restart, or the other way round.
TEST_F(RegistryTest, ASessionWhoseErasureFailedIsNeitherThereNorGone) {
  ASSERT_TRUE(create("d1"));
  partition("d1").save_session("d1", Session{}, [](const Status& saved) { EXPECT_TRUE(saved); });
  run();
  store_.fail_next_sync({ErrorCode::kIoError, "disk"});
  partition("d1").erase_session("d1", [](const Status& erased) { EXPECT_FALSE(erased); });
  run();
  ErrorCode code{};
  partition("d1").load_session(
      "d1", [&](const auto& loaded) { code = loaded ? ErrorCode{} : loaded.error().code; });
  EXPECT_EQ(code, ErrorCode::kIoError);
}

TEST_F(RegistryTest, DefaultPoliciesAreKept) {
  std::string names;
  for (const Policy& policy : hub_->policies()->all()) names += policy.name + " ";
  EXPECT_EQ(names, "iothubowner service device registryRead registryReadWrite ");
  const std::string key = hub_->policies()->find("service")->primary_key;
  restart();
  EXPECT_EQ(hub_->policies()->find("service")->primary_key, key);
}

TEST_F(RegistryTest, ARenewedPolicyKeyEndsThoseWhoUsedIt) {
  const std::string old_token = policy_token("service");
  const auto principal = hub_->authenticate_policy(old_token);
  ASSERT_TRUE(principal);
  EXPECT_TRUE(hub_->allow(*principal, Action::kSendMessage, Resource::c2d_sender()));
  const auto renewed = wait<Result<Policy>>([&](auto reply) {
    hub_->renew_policy_key("service", Hub::WhichKey::kPrimary, std::move(reply));
  });
  ASSERT_TRUE(renewed);
  EXPECT_EQ(code(hub_->allow(*principal, Action::kSendMessage, Resource::c2d_sender())), 401002);
  EXPECT_EQ(code(hub_->authenticate_policy(old_token)), 401002);
  EXPECT_TRUE(hub_->authenticate_policy(policy_token("service")));
  restart();
  EXPECT_EQ(code(hub_->authenticate_policy(old_token)), 401002);
}

TEST_F(RegistryTest, TheKeysOfAPolicyCanBeSwapped) {
  const Policy before = *hub_->policies()->find("service");
  const auto swapped = wait<Result<Policy>>([&](auto reply) {
    hub_->renew_policy_key("service", Hub::WhichKey::kSwap, std::move(reply));
  });
  ASSERT_TRUE(swapped);
  EXPECT_EQ(swapped->primary_key, before.secondary_key);
  EXPECT_EQ(swapped->secondary_key, before.primary_key);
  restart();
  EXPECT_EQ(hub_->policies()->find("service")->primary_key, before.secondary_key);
}

TEST_F(RegistryTest, TwoRenewalsOfOnePolicyAtOnceBothHold) {
  const Policy before = *hub_->policies()->find("service");
  hub_->renew_policy_key("service", Hub::WhichKey::kPrimary,
                         Reply<Result<Policy>>(loop_, [](const Result<Policy>&) {}));
  const auto second = wait<Result<Policy>>([&](auto reply) {
    hub_->renew_policy_key("service", Hub::WhichKey::kSecondary, std::move(reply));
  });
  ASSERT_TRUE(second);
  EXPECT_NE(second->primary_key, before.primary_key);
  EXPECT_NE(second->secondary_key, before.secondary_key);
  restart();
  EXPECT_EQ(hub_->policies()->find("service")->primary_key, second->primary_key);
  EXPECT_EQ(hub_->policies()->find("service")->secondary_key, second->secondary_key);
}

// What is looked at in their place, so that it takes as long, opens nothing.
TEST_F(RegistryTest, NoKeyOpensADeviceOrPolicyThatDoesNotExist) {
  const auto token = [this](const std::string& audience, const std::string& key,
                            const std::string& policy) {
    return *wire::make_sas_token(
        {.audience = audience, .key = key, .policy = policy, .expiry = wall() + hours(1)});
  };
  for (int i = 0; i < 20; ++i) {
    const auto device = create("d" + std::to_string(i));
    const std::string of_nobody =
        token("127.0.0.1/devices/nobody", device->identity.primary_key, "");
    EXPECT_EQ(code(partition("nobody").authenticate_device("nobody", of_nobody)), 401003);
  }
  const std::string zeros = stand_in_policy().primary_key;
  for (const char* id : {"d1", "nobody"}) {
    for (const char* policy : {"", "nobody", "service"}) {
      const std::string guess = token(std::string("127.0.0.1/devices/") + id, zeros, policy);
      EXPECT_EQ(code(partition(id).authenticate_device(id, guess)), 401003) << policy;
    }
  }
  for (const char* policy : {"", "nobody", "service"}) {
    EXPECT_EQ(code(hub_->authenticate_policy(token("127.0.0.1", zeros, policy))), 401002);
    EXPECT_FALSE(hub_->policy_has_key(policy, zeros));
  }
}

TEST_F(RegistryTest, ServiceTokensMustBeOurs) {
  const auto device = create("d1");
  EXPECT_EQ(code(hub_->authenticate_policy(device_token(*device))), 401002);
  EXPECT_EQ(code(hub_->authenticate_policy(policy_token("service", "other.example.com"))), 401002);
  EXPECT_EQ(code(hub_->authenticate_policy("nonsense")), 401002);
  const std::string token = policy_token("service");
  advance(hours(1) + minutes(4));
  EXPECT_TRUE(hub_->authenticate_policy(token));
  advance(minutes(2));
  EXPECT_EQ(code(hub_->authenticate_policy(token)), 401002);
}

}  // namespace
}  // namespace linarite::hub
