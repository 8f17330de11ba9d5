// The Event Hubs-compatible endpoint of a hub, for tests of its clients: $management and partitions
// with logs, on the bytes of one connection.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sdk/fake_amqp_hub.h"

namespace linarite::sdk {

// What a test says of a partition; the events themselves are sent by the test.
struct FakePartition {
  int64_t begin = 0;
  int64_t last = -1;
  std::string last_offset = "-1";
};

class FakeEventHub : public FakeAmqpHub {
 public:
  using FakeAmqpHub::FakeAmqpHub;

  std::map<uint32_t, FakePartition> partitions = {{0, {}}, {1, {}}};
  std::map<std::string, amqp::Error> refusals;  // By the end of a receiver's address.
  bool answers = true;                          // Else questions only pile up.
  int32_t status = 200;                         // Of the answers.
  std::string condition;                        // With another status.
  std::optional<amqp::Message> answer;          // Instead of the right one; its id is set.
  // What was asked and attached, in order:
  // "READ hub", "READ 1", "0: amqp.annotation.x-opt-offset > '-1'", "0 epoch 3: ...".
  std::vector<std::string> seen;
  std::vector<std::string> names;      // The event hub that each question was about.
  std::vector<std::string> addresses;  // Of each receiver.

  std::vector<std::string> take_seen() { return std::exchange(seen, {}); }
  uint32_t credit(uint32_t partition) const {
    const auto link = receivers_.find(partition);
    return link == receivers_.end() ? 0 : engine().credit(link->second);
  }
  void send_event(uint32_t partition, int64_t sequence, const std::string& body = "e") {
    amqp::Message message;
    message.message_annotations = amqp::Value::map(
        {amqp::Value::symbol("x-opt-sequence-number"), amqp::Value::from_int64(sequence),
         amqp::Value::symbol("iothub-connection-device-id"), amqp::Value::string("d1")});
    message.body_kind = amqp::BodyKind::kData;
    message.data = {body};
    send_message(partition, message);
  }
  void send_message(uint32_t partition, const amqp::Message& message) {
    send(receivers_.at(partition), message);
    flush();
  }
  void detach(uint32_t partition, amqp::Error error) {
    engine().detach(receivers_.at(partition), true, std::move(error));
    receivers_.erase(partition);
    flush();
  }
  void detach_management(amqp::Error error) {
    engine().detach(answers_, true, std::move(error));
    flush();
  }

 private:
  bool accept_own(const amqp::LinkRequested& asked) override {
    const amqp::Attach& attach = *asked.attach;
    const bool from_client = attach.role == amqp::Role::kSender;
    const std::string address =
        (from_client ? attach.target->address : attach.source->address).value_or("");
    const size_t slash = address.rfind('/');
    if (address == "$management") {
      engine().accept_link(asked.link, {.source = attach.source, .target = attach.target});
      if (from_client) engine().grant_credit(asked.link, 2);
      (from_client ? questions_ : answers_) = asked.link;
      return true;
    }
    if (from_client || address.find("/Partitions/") == std::string::npos) return false;
    const std::string number = address.substr(slash + 1);
    seen.push_back(number + epoch_text(attach) + ": " + selector_of(attach));
    addresses.push_back(address);
    if (const auto refusal = refusals.find(number); refusal != refusals.end()) {
      engine().refuse_link(asked.link, refusal->second);
      return true;
    }
    engine().accept_link(asked.link, {.source = attach.source,
                                      .target = attach.target,
                                      .snd_settle_mode = attach.snd_settle_mode});
    receivers_[static_cast<uint32_t>(std::stoul(number))] = asked.link;
    return true;
  }
  static std::string epoch_text(const amqp::Attach& attach) {
    const amqp::Value* epoch = attach.properties.find("com.microsoft:epoch");
    return epoch == nullptr ? "" : " epoch " + std::to_string(epoch->integer().value_or(-1));
  }
  static std::string selector_of(const amqp::Attach& attach) {
    const amqp::Value* filter = attach.source->filter.find("apache.org:selector-filter:string");
    if (filter == nullptr || filter->items().size() != 2) return "no filter";
    return std::string(filter->items()[1].bytes());
  }

  bool take_own(const amqp::MessageReceived& received) override {
    if (received.link != questions_) return false;
    engine().settle(questions_, received.delivery_id, amqp::DeliveryState::accepted());
    engine().grant_credit(questions_, 2);
    const auto question = *amqp::decode_message(received.payload);
    const amqp::Value* partition = question.application_properties.find("partition");
    const std::string number(partition == nullptr ? "hub" : partition->text().value_or("?"));
    seen.push_back("READ " + number);
    names.emplace_back(question.application_properties.find("name")->text().value_or(""));
    if (!answers) return true;
    amqp::Message reply = answer.value_or(right_answer(number));
    reply.properties.correlation_id = question.properties.message_id;
    send(answers_, reply);
    return true;
  }
  amqp::Message right_answer(const std::string& number) const {
    const auto text = [](std::string value) { return amqp::Value::string(std::move(value)); };
    amqp::Message out;
    const bool known =
        number == "hub" || partitions.contains(static_cast<uint32_t>(std::atoi(number.c_str())));
    const int32_t code = known ? status : 404;
    out.application_properties =
        amqp::Value::map({text("status-code"), amqp::Value::from_int32(code),
                          text("status-description"), text("as the test says"),
                          text("error-condition"), text(known ? condition : "amqp:not-found")});
    out.body_kind = amqp::BodyKind::kValue;
    if (code != 200) return out;
    if (number == "hub") {
      std::vector<amqp::Value> ids;
      for (const auto& [id, partition] : partitions) ids.push_back(text(std::to_string(id)));
      out.value = amqp::Value::map({text("name"), text("hub"), text("created_at"),
                                    amqp::Value::timestamp(1'000), text("partition_ids"),
                                    amqp::Value::array(amqp::Type::kString, std::move(ids))});
      return out;
    }
    const FakePartition& log = partitions.at(static_cast<uint32_t>(std::stoul(number)));
    out.value = amqp::Value::map(
        {text("begin_sequence_number"), amqp::Value::from_int64(log.begin),
         text("last_enqueued_sequence_number"), amqp::Value::from_int64(log.last),
         text("last_enqueued_offset"), text(log.last_offset), text("last_enqueued_time_utc"),
         amqp::Value::timestamp(log.last < 0 ? -62'135'596'800'000 : 5'000),
         text("is_partition_empty"), amqp::Value::from_bool(log.last < log.begin)});
    return out;
  }

  amqp::LinkId questions_{}, answers_{};
  std::map<uint32_t, amqp::LinkId> receivers_;
};

}  // namespace linarite::sdk
