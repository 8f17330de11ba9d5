// What a back end asks for when it attaches to receive the events of one partition
// (service-protocol 4.5, 4.6, 4.9).
#pragma once

#include <optional>
#include <string>

#include "amqp/connection.h"
#include "gateway/amqp_link.h"
#include "hub/hub.h"
#include "wire/address.h"

namespace linarite::gateway {

// The property with which a receiver asks for a partition of its own, and the capability of 4.9.
inline constexpr std::string_view kEventsEpoch = "com.microsoft:epoch";
inline constexpr std::string_view kEventsRuntimeMetric =
    "com.microsoft:enable-receiver-runtime-metric";

struct EventsAttach {
  hub::EventReceiverRequest receiver;
  AmqpRight right;
  amqp::Value selector{};        // The filter as it came, to be echoed; null if there was none.
  bool settled = false;          // Events are sent settled.
  bool runtime_metrics = false;  // Each event tells where the partition's log ends.
};

// The right that receiving from this address needs.
AmqpRight events_right(const wire::Address& address);

// kAmqpAddressNotFound for an entity, consumer group or partition that the hub does not have,
// kArgumentInvalid for a filter or an epoch that cannot be read.
Result<EventsAttach> read_events_attach(const wire::Address& address, const amqp::Attach& attach,
                                        const hub::Hub& hub);

}  // namespace linarite::gateway
