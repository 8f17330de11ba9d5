// Qpid Proton C++, with its own handlers on its container's thread.
#include <proton/connection.hpp>
#include <proton/connection_options.hpp>
#include <proton/container.hpp>
#include <proton/error_condition.hpp>
#include <proton/message.hpp>
#include <proton/messaging_handler.hpp>
#include <proton/sender.hpp>
#include <proton/ssl.hpp>
#include <proton/tracker.hpp>
#include <proton/transport.hpp>
#include <proton/work_queue.hpp>
#include <semaphore>
#include <thread>
#include <utility>
#include <vector>

#include "clients/back_ends.h"

namespace linarite::load {
namespace {

class ProtonBackEnds final : public BackEnds, private proton::messaging_handler {
 public:
  ProtonBackEnds(const Session& session, Supply& supply, std::string payload)
      : session_(session),
        supply_(supply),
        body_(payload.begin(), payload.end()),
        container_(*this),
        thread_([this] { run(); }) {}

  ~ProtonBackEnds() override {
    container_.stop();
    thread_.join();
  }

  void grow_to(size_t count) override {
    for (; connections_ < count; ++connections_) {
      const Options& options = session_.options();
      container_.open_sender(
          fmt::format("amqps://{}:{}/messages/devicebound", options.host, options.amqp_port),
          login());
      connected_.acquire();
    }
  }

  void look() override {
    first_.work_queue().add([this] { pump(); });
  }

 private:
  void run() {
    container_.auto_stop(false);
    container_.run();
  }

  proton::connection_options login() const {
    const std::string& host = session_.host_name();
    return proton::connection_options()
        .virtual_host(host)
        .user(fmt::format("{}@sas.root.{}", session_.policy_name(), host.substr(0, host.find('.'))))
        .password(session_.policy_token())
        .sasl_allowed_mechs("PLAIN")
        // Not the name as well: here it is an address, and Proton compares names only.
        .ssl_client_options(
            proton::ssl_client_options(session_.options().ca_file, proton::ssl::VERIFY_PEER));
  }

  void on_sender_open(proton::sender& sender) override {
    if (!first_) first_ = sender;
  }
  void on_sendable(proton::sender& sender) override {
    if (opened_ < connections_ + 1) {
      ++opened_;
      connected_.release();
    }
    if (sender == first_) pump();
  }
  void on_tracker_accept(proton::tracker&) override {
    supply_.accepted();
    pump();
  }
  void on_tracker_reject(proton::tracker&) override { give_up("a message was refused"); }
  void on_tracker_release(proton::tracker&) override { give_up("a message was given back"); }
  void on_error(const proton::error_condition& why) override { give_up("Proton: " + why.what()); }

  // On the connection's thread.
  void pump() {
    while (first_.credit() > 0) {
      const auto device = supply_.next_device();
      if (!device) return;
      proton::message message;
      message.inferred(true);  // The body is a data section.
      message.to(fmt::format("/devices/{}/messages/devicebound", Session::device_id(*device)));
      message.body(body_);
      first_.send(message);
    }
  }

  const Session& session_;
  Supply& supply_;
  const proton::binary body_;
  std::counting_semaphore<> connected_{0};
  std::atomic<size_t> connections_{0};
  size_t opened_ = 0;
  proton::sender first_;
  proton::container container_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<BackEnds> make_back_ends(const Session& session, Supply& supply,
                                         std::string payload) {
  return std::make_unique<ProtonBackEnds>(session, supply, std::move(payload));
}

const char* back_end_library() { return "Proton C++"; }

}  // namespace linarite::load
