#include <linarite/feedback.h>

#include <utility>

#include "sdk/feedback_link.h"
#include "sdk/network.h"
#include "sdk/service_session.h"
#include "wire/service_json.h"

namespace linarite {
inline namespace v1 {

const char* to_string(feedback_status status) noexcept {
  switch (status) {
    case feedback_status::success:
      return "success";
    case feedback_status::expired:
      return "expired";
    case feedback_status::delivery_count_exceeded:
      return "delivery_count_exceeded";
    case feedback_status::rejected:
      return "rejected";
    case feedback_status::purged:
      return "purged";
  }
  return "unknown";
}

std::string to_json(const feedback_record& record) {
  const wire::FeedbackRecord one{.original_message_id = record.message_id,
                                 .enqueued = record.when,
                                 .status = static_cast<wire::FeedbackStatus>(record.status),
                                 .device_id = record.device_id,
                                 .device_generation_id = record.device_generation_id,
                                 .module_id = record.module_id};
  const std::string list = wire::feedback_json({&one, 1});
  return list.substr(1, list.size() - 2);
}

feedback_batch::feedback_batch() noexcept = default;
feedback_batch::feedback_batch(std::shared_ptr<sdk::FeedbackDelivery> delivery) noexcept
    : delivery_(std::move(delivery)) {}
feedback_batch::feedback_batch(feedback_batch&&) noexcept = default;
feedback_batch& feedback_batch::operator=(feedback_batch&&) noexcept = default;
feedback_batch::~feedback_batch() = default;

const std::vector<feedback_record>& feedback_batch::records() const noexcept {
  static const std::vector<feedback_record> none;
  return delivery_ ? delivery_->records : none;
}

feedback_receiver::feedback_receiver(const service_client& client)
    : executor_(client.executor_),
      network_(client.network_),
      link_(client.session_->make_feedback_link()) {
  link_->loop()->post([session = client.session_, link = link_] { session->open(link); });
}

feedback_receiver::feedback_receiver(feedback_receiver&&) noexcept = default;

feedback_receiver::~feedback_receiver() {
  if (!link_) return;
  sdk::run_and_wait(*link_->loop(), [&] { link_->shut_down(); });
}

void feedback_receiver::start_receive(const link_pointer& link, detail::operation_id id,
                                      detail::completion<feedback_batch> done) {
  link->loop()->post(
      [link, id, done = std::move(done)]() mutable { link->receive(id, std::move(done)); });
}

void feedback_receiver::start_wait(const link_pointer& link, detail::operation_id id,
                                   std::string message_id,
                                   detail::completion<feedback_record> done) {
  link->loop()->post(
      [link, id, message_id = std::move(message_id), done = std::move(done)]() mutable {
        link->wait_for(id, std::move(message_id), std::move(done));
      });
}

void feedback_receiver::start_decide(bool accept, std::shared_ptr<sdk::FeedbackDelivery> delivery,
                                     detail::completion<> done) {
  auto link = delivery ? delivery->owner.lock() : nullptr;
  if (!link) {
    const errc why = delivery ? errc::closed : errc::message_already_decided;
    done->complete(why);
    return;
  }
  link->loop()->post(
      [accept, link, delivery = std::move(delivery), done = std::move(done)]() mutable {
        link->decide(accept, *delivery, std::move(done));
      });
}

void feedback_receiver::cancel(const link_pointer& link, detail::operation_id id) {
  link->loop()->post([link, id] { link->cancel(id); });
}

}  // namespace v1
}  // namespace linarite
