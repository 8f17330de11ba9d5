#include "sdk/event_hub_management.h"

#include <algorithm>
#include <utility>

#include "amqp/message.h"
#include "sdk/event_hub_properties.h"

namespace linarite::sdk {
namespace {

constexpr const char* kNode = "$management";
constexpr const char* kReplyTo = "linarite-cpp-management";

}  // namespace

EventHubManagement::EventHubManagement(AmqpSession& amqp, std::string event_hub,
                                       Duration answer_limit)
    : amqp_(amqp), event_hub_(std::move(event_hub)), answer_limit_(answer_limit) {}

void EventHubManagement::ask(detail::operation_id id, std::optional<uint32_t> partition,
                             Duration limit, Done done) {
  questions_.push_back({.id = id, .partition = partition, .done = std::move(done)});
  if (limit > Duration(0)) {
    questions_.back().deadline = amqp_.loop().run_after(limit, [this, id] {
      std::string text = "$management gave no answer in time";
      if (amqp_.last_failure()) text += "; the last try: " + amqp_.last_failure().message();
      fail(id, {errc::timed_out, text});
    });
  }
  amqp_.want();
  attach();
  send_waiting();
}

std::optional<EventHubManagement::Question> EventHubManagement::remove(detail::operation_id id) {
  const auto found = std::ranges::find(questions_, id, &Question::id);
  if (found == questions_.end()) return std::nullopt;
  std::optional out(std::move(*found));
  questions_.erase(found);
  amqp_.loop().cancel(out->deadline);
  if (questions_.empty()) amqp_.loop().cancel(std::exchange(answer_deadline_, 0));
  return out;
}

void EventHubManagement::fail(detail::operation_id id, const error& why) {
  if (auto question = remove(id)) question->done(why, {});
}

void EventHubManagement::fail_all(const error& why) {
  // What is asked meanwhile is not of these.
  for (size_t left = questions_.size(); left > 0 && !questions_.empty(); --left) {
    fail(questions_.front().id, why);
  }
}

// --- Links.

void EventHubManagement::on_ready(amqp::Connection&, amqp::SessionId session) {
  session_ = session;
  attach();
}

void EventHubManagement::attach() {
  amqp::Connection* const engine = amqp_.engine();
  if (!session_ || engine == nullptr || to_ || questions_.empty()) return;
  const std::string number = std::to_string(detail::next_operation_id());
  amqp::Attach sender;
  sender.name = "management-sender-" + number;
  sender.role = amqp::Role::kSender;
  sender.source = amqp::Source{.address = kReplyTo};
  sender.target = amqp::Target{.address = kNode};
  amqp::Attach receiver;
  receiver.name = "management-receiver-" + number;
  receiver.role = amqp::Role::kReceiver;
  receiver.source = amqp::Source{.address = kNode};
  receiver.target = amqp::Target{.address = kReplyTo};
  const auto to = engine->attach(*session_, std::move(sender));
  const auto from = engine->attach(*session_, std::move(receiver));
  if (!to || !from) return amqp_.fail({errc::protocol_error, "AMQP: no link can be attached"});
  to_ = *to;
  from_ = *from;
  await_answer();
  amqp_.flush();
}

void EventHubManagement::on_event(const amqp::Event& event) {
  if (const auto* attached = std::get_if<amqp::LinkAttached>(&event)) {
    // A hub that refuses a link answers without a source, and detaches.
    if (attached->link != from_ || !attached->attach->source) return;
    amqp_.engine()->grant_credit(*from_, kAnswerCredit);
    answers_may_come_ = true;
    send_waiting();
  } else if (const auto* credit = std::get_if<amqp::CreditChanged>(&event)) {
    if (credit->link == to_) send_waiting();
  } else if (const auto* received = std::get_if<amqp::MessageReceived>(&event)) {
    if (received->link == from_) take(*received);
  }
}

bool EventHubManagement::on_detached(const amqp::LinkDetached& detached) {
  if (detached.link != to_ && detached.link != from_) return false;
  const error why = endpoint_failure(detached.error.get(), errc::connection_lost);
  amqp_.fail({why.code(), "$management: " + why.message(), why.tracking_id()});
  return true;
}

void EventHubManagement::on_lost() {
  session_.reset();
  to_.reset();
  from_.reset();
  answers_may_come_ = false;
  amqp_.loop().cancel(std::exchange(answer_deadline_, 0));
  for (Question& question : questions_) question.asked = false;
}

// --- Questions and answers.

void EventHubManagement::send_waiting() {
  if (!answers_may_come_) return;
  const auto asked = static_cast<size_t>(std::ranges::count(questions_, true, &Question::asked));
  size_t room = kAnswerCredit - std::min<size_t>(kAnswerCredit, asked);
  for (Question& question : questions_) {
    if (question.asked) continue;
    if (room-- == 0 || amqp_.engine()->credit(*to_) == 0) break;
    if (!send(question)) {
      return amqp_.fail({errc::protocol_error, "AMQP: nothing can be asked of $management"});
    }
    question.asked = true;
  }
  await_answer();
  amqp_.flush();
}

bool EventHubManagement::send(const Question& question) {
  const auto text = [](std::string value) { return amqp::Value::string(std::move(value)); };
  std::vector<amqp::Value> what = {text("operation"), text("READ"), text("name"), text(event_hub_),
                                   text("type")};
  if (question.partition) {
    what.insert(what.end(), {text("com.microsoft:partition"), text("partition"),
                             text(std::to_string(*question.partition))});
  } else {
    what.push_back(text("com.microsoft:eventhub"));
  }
  const std::string id = std::to_string(question.id);
  amqp::Message request;
  request.properties.message_id = text(id);
  request.properties.to = kNode;
  request.properties.reply_to = kReplyTo;
  request.application_properties = amqp::Value::map(std::move(what));
  request.body_kind = amqp::BodyKind::kValue;
  Bytes payload;
  amqp::write_message(request, payload);
  return amqp_.engine()->send(*to_, id, payload).has_value();
}

void EventHubManagement::take(const amqp::MessageReceived& received) {
  amqp::Connection& engine = *amqp_.engine();
  if (!received.settled) {
    engine.settle(received.link, received.delivery_id, amqp::DeliveryState::accepted());
  }
  engine.grant_credit(received.link, kAnswerCredit);
  auto answer = read_management_answer(received.payload);
  if (!answer) {
    return amqp_.fail(
        {errc::protocol_error, "AMQP: $management cannot be read: " + answer.error().message});
  }
  const auto found = std::ranges::find_if(questions_, [&](const Question& question) {
    return question.asked && std::to_string(question.id) == answer->request;
  });
  if (found == questions_.end()) return;  // It was given up.
  auto question = remove(found->id);
  amqp_.loop().cancel(std::exchange(answer_deadline_, 0));
  await_answer();
  question->done(std::move(answer->why), std::move(answer->body));
  send_waiting();
}

// From when links are attached or a question is asked, and anew after each answer.
void EventHubManagement::await_answer() {
  if (answer_limit_ <= Duration(0) || answer_deadline_ != 0 || questions_.empty()) return;
  answer_deadline_ = amqp_.loop().run_after(answer_limit_, [this] {
    answer_deadline_ = 0;
    if (!questions_.empty()) amqp_.fail({errc::timed_out, "$management gave no answer in time"});
  });
}

}  // namespace linarite::sdk
