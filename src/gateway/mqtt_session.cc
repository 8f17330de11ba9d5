#include "gateway/mqtt_session.h"

#include <algorithm>

namespace linarite::gateway {

using hub::Subscription;

MqttSession::MqttSession(wire::Identity identity, hub::Session stored)
    : identity_(std::move(identity)), session_(std::move(stored)) {
  update();
}

uint8_t MqttSession::subscribe(std::string_view filter, mqtt::Qos qos, WallTime now) {
  if (filter.size() > kFilterSizeMax || !wire::classify_filter(identity_, filter).any()) {
    return mqtt::kSubscribeRefused;
  }
  const uint8_t granted = qos == mqtt::Qos::kAtMostOnce ? 0 : 1;
  auto& all = session_.subscriptions;
  const auto found = std::ranges::find(all, filter, &Subscription::filter);
  if (found != all.end()) {
    changed_ |= found->qos != granted;
    found->qos = granted;
  } else {
    if (all.size() >= hub::kSessionSubscriptionsMax) return mqtt::kSubscribeRefused;
    all.push_back({std::string(filter), granted, now});
    changed_ = true;
  }
  update();
  return granted;
}

void MqttSession::unsubscribe(std::string_view filter) {
  changed_ |= std::erase_if(session_.subscriptions,
                            [&](const Subscription& s) { return s.filter == filter; }) > 0;
  update();
}

void MqttSession::update() {
  c2d_.reset();
  twin_responses_ = false;
  for (const Subscription& s : session_.subscriptions) {
    const wire::TopicFamilies families = wire::classify_filter(identity_, s.filter);
    twin_responses_ |= families.twin_responses;
    if (!families.c2d) continue;
    const auto qos = static_cast<mqtt::Qos>(s.qos);
    c2d_ = c2d_ ? C2d{std::max(c2d_->qos, qos), std::min(c2d_->since, s.since)} : C2d{qos, s.since};
  }
}

}  // namespace linarite::gateway
