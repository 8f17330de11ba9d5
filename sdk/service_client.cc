#include <linarite/service_client.h>

#include <utility>

#include "http/http_date.h"
#include "sdk/failure.h"
#include "sdk/network.h"
#include "sdk/registry_json.h"
#include "sdk/service_session.h"
#include "wire/percent.h"

namespace linarite::sdk {

ServiceSession::ServiceSession(const network& network, service_identity identity,
                               service_options options)
    : loop_(network.implementation()->choose_loop()),
      identity_(std::move(identity)),
      options_(std::move(options)),
      log_(options_.log, "service " + identity_.host_name),
      amqp_(network.implementation(), loop_, identity_, options_, log_),
      sender_(amqp_, options_),
      rest_(network.implementation(), loop_, identity_, options_) {}

std::shared_ptr<FeedbackLink> ServiceSession::make_feedback_link() {
  return std::make_shared<FeedbackLink>(amqp_, loop_,
                                        "feedback-" + std::to_string(detail::next_operation_id()),
                                        options_.operation_timeout);
}

void ServiceSession::open(const std::shared_ptr<FeedbackLink>& link) {
  std::erase_if(feedback_, [](const auto& weak) { return weak.expired(); });
  feedback_.push_back(link);
  link->open();
  if (closed_) link->shut_down();
}

void ServiceSession::cancel(detail::operation_id id) {
  sender_.cancel(id);
  rest_.cancel(id);
}

void ServiceSession::shut_down() {
  if (std::exchange(closed_, true)) return;
  for (const auto& weak : feedback_) {
    if (const auto link = weak.lock()) link->shut_down();
  }
  sender_.shut_down();
  rest_.shut_down();
  amqp_.shut_down();
}

}  // namespace linarite::sdk

namespace linarite {
inline namespace v1 {
namespace {

std::string device_path(const std::string& device_id) {
  return "/devices/" + wire::percent_encoded(device_id);
}

http::Headers if_match(const std::string& etag, const char* without) {
  http::Headers out;
  if (!etag.empty()) {
    out.set("If-Match", "\"" + etag + "\"");
  } else if (without != nullptr) {
    out.set("If-Match", without);
  }
  return out;
}

// Makes the call on the session's loop and turns the body of its response into the result.
template <class T, class Parse>
void call(const std::shared_ptr<sdk::ServiceSession>& session, detail::operation_id id,
          sdk::RestCall what, detail::completion<T> done, Parse parse) {
  session->loop()->post(
      [session, id, what = std::move(what), done = std::move(done), parse]() mutable {
        session->rest().call(
            id, std::move(what),
            [done = std::move(done), parse](error why, const http::Response& response) {
              if (why) return done->complete(std::move(why), T{});
              Result<T> result = parse(response.body);
              if (!result) return done->complete(sdk::error_of(result.error()), T{});
              done->complete(error(), *std::move(result));
            });
      });
}

}  // namespace

service_client::service_client(executor_type executor, service_identity identity,
                               service_options options)
    : executor_(std::move(executor)),
      network_(options.network ? *options.network : network::shared()) {
  options.network.reset();  // The session must not keep alive what its own thread would then end.
  session_ = sdk::owned_by_loop(
      std::make_unique<sdk::ServiceSession>(network_, std::move(identity), std::move(options)));
}

service_client::service_client(service_client&&) noexcept = default;

service_client::~service_client() {
  if (!session_) return;
  // Waited for: no handler reaches the executor after the client is gone.
  sdk::run_and_wait(*session_->loop(), [&] { session_->shut_down(); });
}

void service_client::start_connect(const session_pointer& session, id_type id,
                                   detail::completion<> done) {
  session->loop()->post([session, id, done = std::move(done)]() mutable {
    if (session->closed()) return done->complete(errc::closed);
    session->sender().connect(id, std::move(done));
  });
}

void service_client::start_send(const session_pointer& session, id_type id, std::string device_id,
                                message message, detail::completion<send_result> done) {
  session->loop()->post([session, id, device_id = std::move(device_id),
                         message = std::move(message), done = std::move(done)]() mutable {
    if (session->closed()) return done->complete(errc::closed, {});
    session->sender().send(id, device_id, std::move(message), std::move(done));
  });
}

void service_client::start_put(const session_pointer& session, id_type id, put_kind kind,
                               const device& what, detail::completion<device> done) {
  sdk::RestCall request{.method = "PUT", .path = device_path(what.device_id)};
  if (kind == put_kind::update) request.headers = if_match(what.etag, "*");
  request.headers.set("Content-Type", "application/json; charset=utf-8");
  request.body = sdk::device_request_json(what);
  call(session, id, std::move(request), std::move(done), sdk::parse_device);
}

void service_client::start_get(const session_pointer& session, id_type id,
                               const std::string& device_id, detail::completion<device> done) {
  call(session, id, {.method = "GET", .path = device_path(device_id)}, std::move(done),
       sdk::parse_device);
}

void service_client::start_delete(const session_pointer& session, id_type id,
                                  const std::string& device_id, const std::string& etag,
                                  detail::completion<> done) {
  sdk::RestCall request{
      .method = "DELETE", .path = device_path(device_id), .headers = if_match(etag, "*")};
  session->loop()->post(
      [session, id, request = std::move(request), done = std::move(done)]() mutable {
        session->rest().call(id, std::move(request),
                             [done = std::move(done)](error why, const http::Response&) {
                               done->complete(std::move(why));
                             });
      });
}

void service_client::start_list(const session_pointer& session, id_type id, std::size_t maximum,
                                detail::completion<std::vector<device>> done) {
  call(session, id, {.method = "GET", .path = "/devices?top=" + std::to_string(maximum)},
       std::move(done), sdk::parse_device_list);
}

void service_client::start_purge(const session_pointer& session, id_type id,
                                 const std::string& device_id,
                                 detail::completion<std::uint64_t> done) {
  call(session, id, {.method = "DELETE", .path = device_path(device_id) + "/commands"},
       std::move(done),
       [](ByteView body) { return sdk::parse_count(body, "totalMessagesPurged"); });
}

void service_client::start_registry_statistics(const session_pointer& session, id_type id,
                                               detail::completion<registry_statistics> done) {
  call(session, id, {.method = "GET", .path = "/statistics/devices"}, std::move(done),
       sdk::parse_registry_statistics);
}

void service_client::start_connected_devices(const session_pointer& session, id_type id,
                                             detail::completion<std::uint64_t> done) {
  call(session, id, {.method = "GET", .path = "/statistics/service"}, std::move(done),
       [](ByteView body) { return sdk::parse_count(body, "connectedDeviceCount"); });
}

// Whatever the hub answers, it answers with a Date (RFC 9110, 6.6.1).
void service_client::start_hub_time(const session_pointer& session, id_type id,
                                    detail::completion<wall_time> done) {
  session->loop()->post([session, id, done = std::move(done)]() mutable {
    session->rest().call(id, {.method = "GET", .path = "/statistics/service"},
                         [done = std::move(done)](error why, const http::Response& response) {
                           const auto date =
                               http::parse_http_date(response.headers.find("Date").value_or(""));
                           if (date) return done->complete(error(), *date);
                           if (!why)
                             why = error(errc::protocol_error, "the hub's answer has no date");
                           done->complete(std::move(why), {});
                         });
  });
}

void service_client::start_close(const session_pointer& session, detail::completion<> done) {
  session->loop()->post([session, done = std::move(done)]() mutable {
    session->shut_down();
    done->complete(error());
  });
}

void service_client::cancel(const session_pointer& session, id_type id) {
  session->loop()->post([session, id] { session->cancel(id); });
}

}  // namespace v1
}  // namespace linarite
