// Eclipse Paho C++, with its own callbacks on its own threads. It acknowledges a message when the
// callback has returned.
#include <mqtt/async_client.h>

#include <algorithm>
#include <vector>

#include "clients/devices.h"
#include "load/mqtt_client.h"

namespace linarite::load {
namespace {

constexpr std::chrono::minutes kLimit{2};
constexpr std::chrono::seconds kKeepAlive{240};

class PahoDevices final : public Devices {
 public:
  PahoDevices(const Session& session, std::function<void(size_t)> on_message)
      : session_(session), on_message_(std::move(on_message)) {}

  void grow_to(size_t count) override {
    const size_t parallel = session_.options().parallel;
    while (clients_.size() < count) {
      const size_t first = clients_.size();
      std::vector<::mqtt::token_ptr> tokens;
      for (size_t device = first; device < std::min(count, first + parallel); ++device) {
        tokens.push_back(connect(device));
      }
      wait_for_all(tokens);
      for (size_t device = first; device < clients_.size(); ++device) {
        tokens.push_back(clients_[device]->subscribe(device_login(session_, device).filter, 1));
      }
      wait_for_all(tokens);
    }
  }

 private:
  ::mqtt::token_ptr connect(size_t device) {
    const Options& options = session_.options();
    const MqttLogin login = device_login(session_, device);
    clients_.push_back(std::make_unique<::mqtt::async_client>(
        fmt::format("ssl://{}:{}", options.host, options.mqtt_port), login.client_id, nullptr));
    clients_.back()->set_message_callback(
        [this, device](const ::mqtt::const_message_ptr&) { on_message_(device); });
    ::mqtt::ssl_options ssl;
    ssl.set_trust_store(options.ca_file);
    ssl.set_verify(true);
    ssl.set_enable_server_cert_auth(true);
    ::mqtt::connect_options how(login.user_name, login.password);
    how.set_ssl(ssl);
    how.set_clean_session(login.clean_session);
    how.set_keep_alive_interval(kKeepAlive);
    return clients_.back()->connect(how);
  }

  static void wait_for_all(std::vector<::mqtt::token_ptr>& tokens) {
    for (const auto& token : tokens) {
      if (!token->wait_for(kLimit)) give_up("Paho did not connect or subscribe in time");
    }
    tokens.clear();
  }

  const Session& session_;
  const std::function<void(size_t)> on_message_;
  std::vector<std::unique_ptr<::mqtt::async_client>> clients_;
};

}  // namespace

std::unique_ptr<Devices> make_devices(const Session& session,
                                      std::function<void(size_t device)> on_message) {
  return std::make_unique<PahoDevices>(session, std::move(on_message));
}

const char* library_name() { return "Paho C++"; }

}  // namespace linarite::load
