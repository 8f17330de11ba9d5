// One call of the REST API, as its operation sees it.
#pragma once

#include <functional>
#include <string>

#include "base/error.h"
#include "base/loop.h"
#include "http/request.h"
#include "http/response.h"
#include "http/target.h"
#include "hub/hub.h"

namespace linarite::gateway {

// The outcome of a call: a response, or an error that the gateway words, counts and logs. On the
// call's loop, once.
using HttpDone = std::move_only_function<void(Result<http::Response>)>;

struct HttpCall {
  hub::Hub& hub;
  Loop& loop;  // Of the connection: where `done` is called.
  http::Request request;
  http::Target target;
  std::string id;  // What stands for "{id}" in the route's pattern; a valid device id, or a token.
  HttpDone done;
};

using HttpOperation = void (*)(HttpCall call);

// 200 with a JSON body.
http::Response json_response(std::string body);
// Without a body.
inline http::Response empty_response(int status) { return {.status = status}; }

// http_devices.cc: service-protocol 5.2
void get_device(HttpCall call);
void put_device(HttpCall call);
void delete_device(HttpCall call);
void list_devices(HttpCall call);
// http_statistics.cc: 5.8
void device_statistics(HttpCall call);
void service_statistics(HttpCall call);
// http_messages.cc: 2.6 and 5.8
void send_message(HttpCall call);
void purge_queue(HttpCall call);
// http_feedback.cc: 3.2
void receive_feedback(HttpCall call);
void complete_feedback(HttpCall call);
void abandon_feedback(HttpCall call);

}  // namespace linarite::gateway
