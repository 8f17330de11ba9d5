// send_cloud_to_device.cc without an event loop.
#include <linarite/blocking.h>

#include <iostream>
#include <string>

int main(int argc, char** argv) try {
  if (argc < 3) throw std::invalid_argument("usage: CONNECTION_STRING DEVICE [COUNT]");
  const int count = argc > 3 ? std::stoi(argv[3]) : 2;
  linarite::blocking::service_client service(argv[1]);
  linarite::blocking::feedback_receiver feedback(service);
  for (int i = 0; i < count; ++i) {
    linarite::message message("{\"service client sent a message\": " + std::to_string(i) + "}");
    message.message_id = "message_" + std::to_string(i);
    message.correlation_id = "correlation_" + std::to_string(i);
    message.content_type = "application/json";
    message.ack = linarite::feedback_request::full;
    message.properties.set("testProperty", "PropMsg_" + std::to_string(i));
    std::cout << "Sending message: " << i << std::endl;
    service.send(argv[2], std::move(message));
  }
  for (int i = 0; i < count; ++i) {
    const auto record = feedback.wait_for("message_" + std::to_string(i));
    std::cout << record.message_id << ": " << to_string(record.status) << std::endl;
  }
} catch (const std::exception& failure) {
  std::cerr << failure.what() << std::endl;
  return 1;
}
