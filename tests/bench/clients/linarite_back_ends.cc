// Our own client library: plain callbacks, one thread of the application, one of the SDK.
#include <linarite/service_client.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <semaphore>
#include <thread>
#include <utility>
#include <vector>

#include "clients/back_ends.h"

namespace linarite::load {
namespace {

class LinariteBackEnds final : public BackEnds {
 public:
  LinariteBackEnds(const Session& session, Supply& supply, std::string payload)
      : session_(session),
        supply_(supply),
        payload_(std::move(payload)),
        work_(boost::asio::make_work_guard(context_)),
        thread_([this] { context_.run(); }) {}

  ~LinariteBackEnds() override {
    work_.reset();
    context_.stop();
    thread_.join();
  }

  void grow_to(size_t count) override {
    std::counting_semaphore<> connected(0);
    while (clients_.size() < count) {
      clients_.push_back(make());
      clients_.back()->async_connect([&connected](const error& why) {
        if (why) give_up("a back end cannot connect: " + why.message());
        connected.release();
      });
      connected.acquire();
    }
  }

  void look() override {
    boost::asio::post(context_, [this] { pump(); });
  }

 private:
  std::unique_ptr<service_client> make() {
    const Options& options = session_.options();
    service_options how;
    how.endpoint = {.host = options.host,
                    .port = options.amqp_port,
                    .https_port = options.https_port,
                    .ca_file = options.ca_file};
    return std::make_unique<service_client>(context_.get_executor(), options.connection_string,
                                            std::move(how));
  }

  void pump() {
    while (const auto device = supply_.next_device()) {
      clients_.front()->async_send(Session::device_id(*device), message(payload_),
                                   [this](const error& why, const send_result&) {
                                     if (why) give_up("a message was refused: " + why.message());
                                     supply_.accepted();
                                     pump();
                                   });
    }
  }

  const Session& session_;
  Supply& supply_;
  const std::string payload_;
  boost::asio::io_context context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::vector<std::unique_ptr<service_client>> clients_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<BackEnds> make_back_ends(const Session& session, Supply& supply,
                                         std::string payload) {
  return std::make_unique<LinariteBackEnds>(session, supply, std::move(payload));
}

const char* back_end_library() { return "Linarite SDK"; }

}  // namespace linarite::load
