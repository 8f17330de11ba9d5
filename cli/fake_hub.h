// A hub for tests of commands: the listeners of a real one that commands speak to, with answers
// that the test gives, and a data directory with its control file.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/logging.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/files.h"
#include "cli/parse.h"
#include "http/server_connection.h"
#include "net/listener.h"
#include "net/test_peers.h"
#include "sdk/fake_amqp_hub.h"
#include "sdk/fake_mqtt_connection.h"
#include "wire/control_file.h"

namespace linarite::cli {

// Serves one connection; every request is answered at once.
class FakeConnection final : public net::StreamHandler {
 public:
  using Answer = std::function<http::Response(const http::Request&)>;
  FakeConnection(net::Stream& stream, Answer answer)
      : stream_(stream),
        answer_(std::move(answer)),
        engine_({.on_head = [](const http::Request&) { return size_t{1} << 20U; },
                 .on_refusal = [](int status,
                                  std::string_view) { return http::Response{.status = status}; }},
                stream.loop().clock().now()) {}

  void on_bytes(ByteView bytes) override {
    http::ServerEvents events;
    const Instant now = stream_.loop().clock().now();
    engine_.receive(bytes, now, events);
    while (events.request) {
      const http::Response response = answer_(*std::exchange(events.request, std::nullopt));
      engine_.respond(response, now, events);
    }
    stream_.send(events.output);
    if (events.close) stream_.close();
  }
  void on_closed(net::CloseReason) override {}

 private:
  net::Stream& stream_;
  const Answer answer_;
  http::ServerConnection engine_;
};

// The same for AMQP: after whatever came, `react` may say something.
class FakeAmqpConnection final : public net::StreamHandler {
 public:
  using React = std::function<void(sdk::FakeAmqpHub&)>;
  FakeAmqpConnection(net::Stream& stream, bool takes_tokens, React react)
      : react_(std::move(react)),
        hub_(stream.loop().clock(), [&stream](const Bytes& bytes) { stream.send(bytes); }) {
    if (!takes_tokens) hub_.cbs_status = 401;
  }

  void on_bytes(ByteView bytes) override {
    hub_.receive(bytes);
    react_(hub_);
  }
  void on_closed(net::CloseReason) override {}

 private:
  const React react_;
  sdk::FakeAmqpHub hub_;
};

inline http::Response json_answer(std::string body, int status = 200) {
  http::Response out{.status = status};
  out.headers.add("Content-Type", "application/json; charset=utf-8");
  out.body = std::move(body);
  return out;
}

class FakeHubTest : public ::testing::Test {
 protected:
  static constexpr const char* kToken = "local-token";
  static constexpr const char* kKey = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

  FakeHubTest() {
    char name[] = "/tmp/linarite-cli-XXXXXX";
    directory_ = ::mkdtemp(name);
    loops_.start();
    const std::shared_ptr<const net::TlsEndpoint> tls =
        *net::TlsServerContext::create(net::testing::server_options());
    rest_ =
        listen("https", tls, http([this](const auto& request) { return answer_rest(request); }));
    admin_ = listen("admin", nullptr,
                    http([this](const auto& request) { return answer_admin(request); }));
    amqp_ = listen("amqps", tls, [this](net::Stream& stream) {
      return std::make_unique<FakeAmqpConnection>(
          stream, takes_tokens(),
          [this, settled = size_t{0}, decided = size_t{0}](sdk::FakeAmqpHub& hub) mutable {
            answer_amqp(hub, settled, decided);
          });
    });
    mqtt_ = listen("mqtt", tls, [this](net::Stream& stream) { return take_device(stream); });
    const wire::ControlFile control = {.host = "hub.test",
                                       .mqtt_port = mqtt_->port(),
                                       .amqp_port = amqp_->port(),
                                       .https_port = rest_->port(),
                                       .admin_port = admin_->port(),
                                       .token = kToken,
                                       .pid = 1};
    EXPECT_TRUE(write_file(directory_ / wire::kControlFileName, wire::control_file_text(control)));
  }
  ~FakeHubTest() override {
    rest_.reset();
    admin_.reset();
    amqp_.reset();
    mqtt_.reset();
    loops_.stop();
    std::filesystem::remove_all(directory_);
  }

  // What the REST API says when no answer was given for it.
  std::function<http::Response(const http::Request&)> rest_pages_ = [](const http::Request&) {
    return http::Response{.status = 500};
  };
  // Gives the next answers of the REST API, in this order.
  void will_answer(http::Response response) {
    const std::lock_guard lock(mutex_);
    answers_.push_back(std::move(response));
  }
  // Refuses the next message that is sent; otherwise messages are taken.
  void will_reject(amqp::Error why) {
    const std::lock_guard lock(mutex_);
    rejections_.push_back(std::move(why));
  }
  // Refuses the tokens of the next `count` AMQP connections.
  void will_refuse_tokens(size_t count) {
    const std::lock_guard lock(mutex_);
    refused_connections_ = count;
  }
  // Gives the next batches of feedback, in this order, to whoever asks.
  void will_report(std::vector<wire::FeedbackRecord> records) {
    const std::lock_guard lock(mutex_);
    reports_.push_back(std::move(records));
  }
  // What the next devices meet.
  void will_meet_devices(sdk::FakeMqttConnection::Script script) {
    const std::lock_guard lock(mutex_);
    device_script_ = std::move(script);
  }
  // What devices sent, in the order of coming.
  std::vector<sdk::FakeMqttConnection::Event> events() {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  std::vector<std::string> device_tokens() {
    const std::lock_guard lock(mutex_);
    return device_tokens_;
  }
  // How many messages devices completed, once it is `count` or nothing comes any more.
  size_t completed(size_t count) {
    std::unique_lock lock(mutex_);
    decided_.wait_for(lock, std::chrono::seconds(30), [&] { return completed_ >= count; });
    return completed_;
  }
  std::vector<amqp::Message> messages() {
    const std::lock_guard lock(mutex_);
    return messages_;
  }
  // The first `count` decisions about batches, as "accepted 0": they may come after a command's
  // end.
  std::vector<std::string> decisions(size_t count) {
    std::unique_lock lock(mutex_);
    decided_.wait_for(lock, std::chrono::seconds(30), [&] { return decisions_.size() >= count; });
    return decisions_;
  }
  // Runs a command on this hub; what it would print, or "exit CODE: why".
  std::string run(std::vector<std::string> words) {
    words.insert(words.begin(), {"--data", directory_.string()});
    auto parsed = parse(std::move(words));
    if (!parsed) return text_of(parsed.error());
    ServerHooks hooks;
    Session session(std::move(parsed->arguments), hooks);
    ::testing::internal::CaptureStdout();
    const auto result = parsed->command->run(session);
    const std::string shown = ::testing::internal::GetCapturedStdout();
    if (!result) return shown + text_of(result.error());
    return shown + format_result(*result, session.arguments().output);
  }
  // What the REST API was asked since the last call, as "METHOD target".
  std::vector<std::string> asked() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> out;
    for (const http::Request& request : requests_) {
      out.push_back(request.method + " " + request.target);
    }
    return out;
  }
  http::Request request(size_t index) {
    const std::lock_guard lock(mutex_);
    return requests_.at(index);
  }

  // Answers of the admin listener; a test may replace it.
  std::function<http::Response(const http::Request&)> admin_pages_ =
      [](const http::Request& request) {
        if (request.target == "/ca.pem") return ca();
        return json_answer(policies(SystemClock().wall()));
      };
  static http::Response ca() {
    return {.body = net::to_pem(net::testing::TestCertificates::get().ca.get())};
  }
  static std::string policies(WallTime time) {
    return R"({"hostName":"hub.test","time":")" + iso8601(time) +
           R"(","policies":[{"keyName":"iothubowner","primaryKey":")" + kKey +
           R"(","rights":"ServiceConnect","secondaryKey":"c2Vjb25kYXJ5"}]})";
  }

  std::filesystem::path directory_;

 private:
  static std::string text_of(const Failure& failure) {
    return "exit " + std::to_string(failure.exit_code) + ": " + failure.message;
  }
  http::Response answer_rest(const http::Request& request) {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    if (answers_.empty()) return rest_pages_(request);
    http::Response out = std::move(answers_.front());
    answers_.pop_front();
    return out;
  }
  http::Response answer_admin(const http::Request& request) {
    if (request.headers.find("Authorization") != std::string("Bearer ") + kToken) {
      return http::Response{.status = 401};
    }
    return admin_pages_(request);
  }
  bool takes_tokens() {
    const std::lock_guard lock(mutex_);
    if (refused_connections_ == 0) return true;
    --refused_connections_;
    return false;
  }
  std::unique_ptr<net::StreamHandler> take_device(net::Stream& stream) {
    const std::lock_guard lock(mutex_);
    return std::make_unique<sdk::FakeMqttConnection>(
        stream, device_script_,
        sdk::FakeMqttConnection::Report{.sent =
                                            [this](sdk::FakeMqttConnection::Event event) {
                                              const std::lock_guard inner(mutex_);
                                              events_.push_back(std::move(event));
                                            },
                                        .connected =
                                            [this](std::string password) {
                                              const std::lock_guard inner(mutex_);
                                              device_tokens_.push_back(std::move(password));
                                            },
                                        .completed =
                                            [this] {
                                              const std::lock_guard inner(mutex_);
                                              ++completed_;
                                              decided_.notify_all();
                                            }});
  }
  void answer_amqp(sdk::FakeAmqpHub& hub, size_t& settled, size_t& decided) {
    const std::lock_guard lock(mutex_);
    for (; settled < hub.messages.size(); ++settled) {
      messages_.push_back(hub.messages[settled].message);
      if (rejections_.empty()) {
        hub.settle(settled, amqp::DeliveryState::accepted());
      } else {
        hub.settle(settled, amqp::DeliveryState::rejected(std::move(rejections_.front())));
        rejections_.pop_front();
      }
    }
    while (!reports_.empty() && hub.feedback_credit() > 0) {
      hub.send_feedback(reports_.front());
      reports_.pop_front();
    }
    for (; decided < hub.feedback_outcomes.size(); ++decided) {
      decisions_.push_back(hub.feedback_outcomes[decided] + " " +
                           std::to_string(hub.feedback_decided[decided]));
    }
    decided_.notify_all();
  }

  using MakeHandler = std::function<std::unique_ptr<net::StreamHandler>(net::Stream&)>;
  static MakeHandler http(FakeConnection::Answer answer) {
    return [answer = std::move(answer)](net::Stream& stream) {
      return std::make_unique<FakeConnection>(stream, answer);
    };
  }
  std::unique_ptr<net::Listener> listen(const char* name,
                                        std::shared_ptr<const net::TlsEndpoint> tls,
                                        MakeHandler make_handler) {
    net::ListenerOptions options;
    options.name = name;
    options.addresses = {"127.0.0.1"};
    options.tls = std::move(tls);
    auto opened =
        net::Listener::open(loops_, std::move(options), net::ConnectionBudget::create({100, 0}),
                            std::move(make_handler), log_);
    EXPECT_TRUE(opened);
    (*opened)->start();
    return std::move(*opened);
  }

  SystemClock clock_;
  Logger log_ = Logger::none();
  net::LoopGroup loops_{1, clock_, net::TimerDrive::kSystem};
  std::unique_ptr<net::Listener> rest_, admin_, amqp_, mqtt_;
  std::mutex mutex_;
  // Guarded by mutex_.
  std::deque<http::Response> answers_;
  std::vector<http::Request> requests_;
  std::deque<amqp::Error> rejections_;
  size_t refused_connections_ = 0;
  std::deque<std::vector<wire::FeedbackRecord>> reports_;
  std::vector<amqp::Message> messages_;
  std::vector<std::string> decisions_;
  std::condition_variable decided_;
  sdk::FakeMqttConnection::Script device_script_;
  std::vector<sdk::FakeMqttConnection::Event> events_;
  std::vector<std::string> device_tokens_;
  size_t completed_ = 0;
};

}  // namespace linarite::cli
