// A device: prints each cloud-to-device message, completes it, and goes on until Ctrl-C, also when
// the hub restarts meanwhile.
//
//   simulated_device "HostName=...;DeviceId=...;SharedAccessKey=..."
#include <linarite/device_client.h>

#include <boost/asio.hpp>
#include <iostream>

boost::asio::awaitable<void> run(linarite::device_client& device) {
  co_await device.async_connect(boost::asio::use_awaitable);
  std::cout << "Waiting for C2D messages, press Ctrl-C to exit" << std::endl;
  for (int count = 1;; ++count) {
    auto received = co_await device.async_receive(boost::asio::use_awaitable);
    std::cout << "\nMessage received: " << received->text() << "\n"
              << "  message id: " << received->message_id.value_or("-") << "\n"
              << "  correlation id: " << received->correlation_id.value_or("-") << "\n"
              << "  content type: " << received->content_type.value_or("-") << "\n";
    for (const auto& [name, value] : received->properties) {
      std::cout << "  " << name << " = " << value << "\n";
    }
    std::cout << "Total messages received: " << count << std::endl;
    // If the hub went away meanwhile, it will deliver this message again.
    co_await device.async_complete(std::move(received),
                                   boost::asio::as_tuple(boost::asio::use_awaitable));
  }
}

int main(int argc, char** argv) try {
  boost::asio::io_context context;
  linarite::device_client device(context.get_executor(), argc > 1 ? argv[1] : "");
  boost::asio::signal_set signals(context, SIGINT, SIGTERM);
  signals.async_wait([&](auto, int) { context.stop(); });
  boost::asio::co_spawn(context, run(device), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
  context.run();
} catch (const linarite::exception& failure) {
  std::cerr << failure.what() << std::endl;
  return 1;
}
