// The $management node of one connection: what there is to receive (service-protocol 4.4).
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "gateway/amqp_replies.h"

namespace linarite::gateway {

// The right that the node needs.
AmqpRight management_right(const hub::Hub& hub);

// What a request asks to be read: a partition, or the event hub itself.
struct ManagementRead {
  std::optional<uint32_t> partition{};
};
// kArgumentInvalid for what is no READ of a known type, kGenericNotFound for another event hub's
// name and for a partition that it does not have.
Result<ManagementRead> read_management_request(const amqp::MessageView& message,
                                               std::string_view event_hub, size_t partition_count);

// Answers READ of the event hub and of its partitions. Several requests may be under way.
class AmqpManagement {
 public:
  explicit AmqpManagement(AmqpPeer& peer) : peer_(peer), replies_(peer) {}

  void handle(amqp::LinkId link, const amqp::MessageReceived& message);
  AmqpReplies& replies() { return replies_; }

 private:
  // Fails with what the reply is to say.
  Status read(const AmqpRequest& request, const amqp::MessageView& message);
  void take_token(const amqp::MessageView& message);
  void read_partition(const AmqpRequest& request, uint32_t number);

  AmqpPeer& peer_;
  AmqpReplies replies_;
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

// The link on which requests come.
class AmqpManagementRequestLink final : public AmqpLink {
 public:
  AmqpManagementRequestLink(AmqpPeer& peer, const amqp::LinkRequested& request,
                            AmqpManagement& management, std::string entity)
      : AmqpLink(peer, request.link), management_(management) {
    management_.replies().add_request_link(id_, {request.session, std::move(entity)});
  }
  ~AmqpManagementRequestLink() override { management_.replies().remove_request_link(id_); }

  std::optional<AmqpRight> right() const override { return management_right(peer_.hub); }
  void shape(amqp::Connection::Acceptance& acceptance) const override {
    acceptance.max_message_size = kRequestSizeMax;
  }
  void on_attached() override { management_.replies().open(id_); }
  void on_message(const amqp::MessageReceived& message) override {
    management_.handle(id_, message);
  }

 private:
  AmqpManagement& management_;
};

}  // namespace linarite::gateway
