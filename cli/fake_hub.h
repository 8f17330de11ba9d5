// A hub for tests of commands: both listeners of a real one, with answers that the test gives, and
// a data directory with its control file.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

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
    rest_ = listen("https", *net::TlsServerContext::create(net::testing::server_options()),
                   [this](const http::Request& request) { return answer_rest(request); });
    admin_ = listen("admin", nullptr,
                    [this](const http::Request& request) { return answer_admin(request); });
    const wire::ControlFile control = {.host = "hub.test",
                                       .https_port = rest_->port(),
                                       .admin_port = admin_->port(),
                                       .token = kToken,
                                       .pid = 1};
    EXPECT_TRUE(write_file(directory_ / wire::kControlFileName, wire::control_file_text(control)));
  }
  ~FakeHubTest() override {
    rest_.reset();
    admin_.reset();
    loops_.stop();
    std::filesystem::remove_all(directory_);
  }

  // Gives the next answers of the REST API, in this order.
  void will_answer(http::Response response) {
    const std::lock_guard lock(mutex_);
    answers_.push_back(std::move(response));
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
        if (request.target == "/ca.pem") {
          return http::Response{.body =
                                    net::to_pem(net::testing::TestCertificates::get().ca.get())};
        }
        return json_answer(policies(SystemClock().wall()));
      };
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
    if (answers_.empty()) return http::Response{.status = 500};
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
  std::unique_ptr<net::Listener> listen(const char* name,
                                        std::shared_ptr<const net::TlsEndpoint> tls,
                                        FakeConnection::Answer answer) {
    net::ListenerOptions options;
    options.name = name;
    options.addresses = {"127.0.0.1"};
    options.tls = std::move(tls);
    auto opened = net::Listener::open(
        loops_, std::move(options), net::ConnectionBudget::create({100, 0}),
        [answer = std::move(answer)](net::Stream& stream) {
          return std::make_unique<FakeConnection>(stream, answer);
        },
        log_);
    EXPECT_TRUE(opened);
    (*opened)->start();
    return std::move(*opened);
  }

  SystemClock clock_;
  Logger log_ = Logger::none();
  net::LoopGroup loops_{1, clock_, net::TimerDrive::kSystem};
  std::unique_ptr<net::Listener> rest_, admin_;
  std::mutex mutex_;
  // Guarded by mutex_.
  std::deque<http::Response> answers_;
  std::vector<http::Request> requests_;
};

}  // namespace linarite::cli
