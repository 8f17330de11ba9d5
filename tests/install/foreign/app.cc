// Uses each face of the SDK far enough to prove that headers, library and threads fit together.
#include <linarite/blocking.h>

#include <boost/asio/io_context.hpp>
#include <iostream>

int main() {
  linarite::error problem;
  linarite::device_identity::parse("HostName=h.x;SharedAccessKey=AAAA", problem);
  if (problem != linarite::errc::invalid_connection_string) return 1;

  linarite::device_options options;
  options.endpoint.port = 1;  // Where nobody listens.
  linarite::device_identity identity{.host_name = "127.0.0.1", .device_id = "d"};
  identity.credential = linarite::shared_access_key{.key = "AAAAAAAAAAAAAAAAAAAAAA=="};
  boost::asio::io_context context;
  linarite::device_client device(context.get_executor(), identity, options);
  linarite::error why;
  device.async_connect([&](linarite::error result) { why = result; });
  context.run();
  std::cout << why.message() << "\n";
  if (why != linarite::errc::connection_failed) return 2;

  linarite::service_options service_options;
  service_options.endpoint.port = 1;
  try {
    linarite::blocking::service_client service(
        "HostName=127.0.0.1;SharedAccessKeyName=service;SharedAccessKey=AAAAAAAAAAAAAAAAAAAAAA==",
        service_options);
    service.send("d", linarite::message("hello"));
  } catch (const linarite::exception& failure) {
    return failure.code() == linarite::errc::connection_failed ? 0 : 3;
  }
  return 4;
}
