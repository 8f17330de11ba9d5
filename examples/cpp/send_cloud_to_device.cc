// A back end: sends messages to a device, asks for full feedback and prints what became of each.
//
//   send_cloud_to_device "HostName=...;SharedAccessKeyName=service;SharedAccessKey=..." DEVICE [N]
#include <linarite/feedback.h>
#include <linarite/service_client.h>

#include <boost/asio.hpp>
#include <iostream>
#include <string>

using boost::asio::use_awaitable;

boost::asio::awaitable<void> run(linarite::service_client& service, std::string device, int count) {
  linarite::feedback_receiver feedback(service);
  for (int i = 0; i < count; ++i) {
    linarite::message message("{\"service client sent a message\": " + std::to_string(i) + "}");
    message.message_id = "message_" + std::to_string(i);
    message.correlation_id = "correlation_" + std::to_string(i);
    message.content_type = "application/json";
    message.ack = linarite::feedback_request::full;
    message.properties.set("testProperty", "PropMsg_" + std::to_string(i));
    std::cout << "Sending message: " << i << std::endl;
    co_await service.async_send(device, std::move(message), use_awaitable);
  }
  for (int i = 0; i < count; ++i) {
    const auto record =
        co_await feedback.async_wait_for("message_" + std::to_string(i), use_awaitable);
    std::cout << record.message_id << ": " << to_string(record.status) << std::endl;
  }
}

int main(int argc, char** argv) try {
  if (argc < 3) throw std::invalid_argument("usage: CONNECTION_STRING DEVICE [COUNT]");
  boost::asio::io_context context;
  linarite::service_client service(context.get_executor(), argv[1]);
  boost::asio::co_spawn(context, run(service, argv[2], argc > 3 ? std::stoi(argv[3]) : 2),
                        [](std::exception_ptr failure) {
                          if (failure) std::rethrow_exception(failure);
                        });
  context.run();
} catch (const std::exception& failure) {
  std::cerr << failure.what() << std::endl;
  return 1;
}
