// Uses the hub in the process far enough to prove that it and the clients share nothing but their
// headers.
#include <linarite/blocking.h>
#include <linarite/testing/in_process_hub.h>

#include <iostream>

int main() try {
  linarite::testing::in_process_hub hub;
  linarite::blocking::device_client device(hub.device_connection_string("d"),
                                           hub.options_for_devices());
  linarite::blocking::service_client service(hub.service_connection_string(),
                                             hub.options_for_services());
  device.connect();
  linarite::message message("hello");
  message.message_id = "m";
  service.send("d", message);
  auto received = device.receive();
  if (!received || (*received)->text() != "hello") return 1;
  device.complete(*std::move(received));
  hub.settle();
  std::cout << hub.journey_text("m") << "\n";
  if (hub.journey_text("m") != "enqueued, delivered, completed") return 2;
  // The library of the hub throws, this program catches.
  try {
    hub.device_connection_string("no name");
    return 3;
  } catch (const std::invalid_argument&) {
  }
  try {
    service.send("nobody", message);
    return 4;
  } catch (const linarite::exception& failure) {
    return failure.code() == linarite::errc::device_not_found ? 0 : 5;
  }
} catch (const std::exception& failure) {
  std::cerr << failure.what() << "\n";
  return 6;
}
