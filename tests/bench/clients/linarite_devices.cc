// Our own client library: plain callbacks, one thread of the application, one of the SDK.
#include <linarite/device_client.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <semaphore>
#include <thread>
#include <vector>

#include "clients/devices.h"

namespace linarite::load {
namespace {

class LinariteDevices final : public Devices {
 public:
  LinariteDevices(const Session& session, std::function<void(size_t)> on_message)
      : session_(session),
        on_message_(std::move(on_message)),
        room_(static_cast<ptrdiff_t>(session.options().parallel)),
        work_(boost::asio::make_work_guard(context_)),
        thread_([this] { context_.run(); }) {}

  ~LinariteDevices() override {
    work_.reset();
    context_.stop();
    thread_.join();
  }

  void grow_to(size_t count) override {
    clients_.reserve(count);
    for (size_t device = clients_.size(); device < count; ++device) {
      room_.acquire();
      clients_.push_back(make(device));
      clients_.back()->async_connect([this, device](const error& why) {
        if (why) give_up(Session::device_id(device) + ": " + why.message());
        receive(device);
        room_.release();
      });
    }
    const size_t parallel = session_.options().parallel;
    for (size_t i = 0; i < parallel; ++i) room_.acquire();
    room_.release(static_cast<ptrdiff_t>(parallel));
  }

 private:
  std::unique_ptr<device_client> make(size_t device) {
    const Options& options = session_.options();
    device_identity identity;
    identity.host_name = session_.host_name();
    identity.device_id = Session::device_id(device);
    identity.credential = shared_access_key{Session::device_key(device)};
    device_options how;
    how.endpoint = {.host = options.host, .port = options.mqtt_port, .ca_file = options.ca_file};
    return std::make_unique<device_client>(context_.get_executor(), std::move(identity),
                                           std::move(how));
  }

  void receive(size_t device) {
    clients_[device]->async_receive([this, device](const error& why, received_message received) {
      if (why == errc::closed) return;
      if (why) give_up(Session::device_id(device) + ": " + why.message());
      clients_[device]->async_complete(std::move(received), [](const error&) {});
      on_message_(device);
      receive(device);
    });
  }

  const Session& session_;
  const std::function<void(size_t)> on_message_;
  boost::asio::io_context context_;
  std::counting_semaphore<> room_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::vector<std::unique_ptr<device_client>> clients_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Devices> make_devices(const Session& session,
                                      std::function<void(size_t device)> on_message) {
  return std::make_unique<LinariteDevices>(session, std::move(on_message));
}

const char* library_name() { return "Linarite SDK"; }

}  // namespace linarite::load
