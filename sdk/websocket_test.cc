// Clients that go through WebSockets, as far as the handshake: what is inside is what
// in_process_hub_test and tests/conformance see.
#include <gmock/gmock.h>
#include <linarite/service_client.h>

#include "http/websocket.h"
#include "http/websocket_handshake.h"
#include "sdk/device_client_fixture.h"

namespace linarite::sdk {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string switching_protocols(const std::string& request, const std::string& protocol) {
  const std::string field = "Sec-WebSocket-Key: ";
  const size_t at = request.find(field) + field.size();
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Protocol: " +
         protocol + "\r\nSec-WebSocket-Accept: " +
         http::websocket_accept(request.substr(at, request.find("\r\n", at) - at)) + "\r\n\r\n";
}

// What is in frames that a client sent.
Bytes payload_of(ByteView frames) {
  http::WebSocketEvents out;
  http::WebSocket::server().receive(frames, out);
  return out.payload;
}

class WebSocketTest : public DeviceClientTest {
 protected:
  device_options through_websocket() {
    device_options out = options();
    out.transport = transport::websocket;
    return out;
  }
  service_client make_service(const std::string& host) {
    service_options options;
    options.network = public_network();
    options.transport = transport::websocket;
    options.log = [](log_level, std::string_view) {};
    return {io_.get_executor(),
            "HostName=" + host + ";SharedAccessKeyName=service;SharedAccessKey=" + kKey, options};
  }
};

TEST_F(WebSocketTest, ADeviceAsksForMqttOnPort443) {
  device_client client = make(through_websocket());
  Outcome<> connected;
  client.async_connect(connected.callback());
  ScriptedStream& stream = accept();
  EXPECT_EQ(last_dial_.port, 443);
  EXPECT_EQ(last_dial_.host, "hub.test");
  const Bytes request = stream.take_sent();
  EXPECT_THAT(request, StartsWith("GET /$iothub/websocket HTTP/1.1\r\nHost: hub.test\r\n"));
  EXPECT_THAT(request, HasSubstr("Sec-WebSocket-Protocol: mqtt\r\n"));
  EXPECT_TRUE(connected.pending());
  stream.deliver(switching_protocols(request, "mqtt"));
  settle();
  EXPECT_THAT(payload_of(stream.take_sent()), HasSubstr("MQTT"));
  stream.deliver("\x82\x04\x20\x02" + Bytes(2, '\0'));
  settle();
  EXPECT_THAT(payload_of(stream.take_sent()), HasSubstr("devices/d1/messages/devicebound/#"));
  stream.deliver("\x82\x05\x90\x03" + Bytes("\0\1\1", 3));
  settle();
  EXPECT_TRUE(connected.ok());
}

TEST_F(WebSocketTest, AnotherPortIsTheHttpsPortAndIsToldToTheServer) {
  device_options chosen = through_websocket();
  chosen.endpoint = {.host = "10.0.0.1", .port = 1, .https_port = 8443};
  device_client client = make(std::move(chosen));
  client.async_connect([](const error&) {});
  const Bytes request = accept().take_sent();
  EXPECT_EQ(last_dial_.host, "10.0.0.1");
  EXPECT_EQ(last_dial_.port, 8443);
  EXPECT_EQ(last_dial_.tls_name, "hub.test");
  EXPECT_THAT(request, HasSubstr("\r\nHost: hub.test:8443\r\n"));
}

TEST_F(WebSocketTest, ARefusalIsToldWithItsStatus) {
  device_client client = make(through_websocket());
  Outcome<> connected;
  client.async_connect(connected.callback());
  accept().deliver("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  settle();
  EXPECT_TRUE(connected.failed(errc::protocol_error));
  EXPECT_EQ(connected.why->message(),
            "wss://hub.test/$iothub/websocket: the server refuses the WebSocket with HTTP status "
            "404 (Not Found)");
  EXPECT_FALSE(stream().open());
}

TEST_F(WebSocketTest, AProxyThatIsBusyIsAskedAgain) {
  device_options chosen = through_websocket();
  chosen.reconnect.retry_first_connect = true;
  device_client client = make(std::move(chosen));
  Outcome<> connected;
  client.async_connect(connected.callback());
  accept().deliver("HTTP/1.1 503 Service Unavailable\r\n\r\n");
  pass(seconds(2));
  EXPECT_TRUE(connected.pending());
  EXPECT_THAT(accept().take_sent(), StartsWith("GET "));
}

TEST_F(WebSocketTest, TheTimeToConnectCoversTheHandshake) {
  device_options chosen = through_websocket();
  chosen.connect_timeout = seconds(10);
  device_client client = make(std::move(chosen));
  Outcome<> connected;
  client.async_connect(connected.callback());
  ScriptedStream& stream = accept();
  pass(seconds(9));
  EXPECT_TRUE(connected.pending());
  pass(seconds(2));
  EXPECT_TRUE(connected.failed(errc::timed_out));
  EXPECT_FALSE(stream.open());
}

TEST_F(WebSocketTest, ABackEndAsksForAmqpAndTheRegistryForPlainHttps) {
  service_client client = make_service("hub.test");
  client.async_send("d1", message("x"), [](const error&, const send_result&) {});
  ScriptedStream& stream = accept();
  EXPECT_EQ(last_dial_.port, 443);
  const Bytes request = stream.take_sent();
  EXPECT_THAT(request, StartsWith("GET /$iothub/websocket HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("Sec-WebSocket-Protocol: AMQPWSB10\r\n"));
  stream.deliver(switching_protocols(request, "AMQPWSB10"));
  settle();
  EXPECT_THAT(payload_of(stream.take_sent()), StartsWith("AMQP"));
  client.async_get_device("d1", [](const error&, const device&) {});
  EXPECT_THAT(accept().take_sent(), StartsWith("GET /devices/d1?"));
}

TEST_F(WebSocketTest, AHostOfEventHubsHasAPathOfItsOwn) {
  service_client client = make_service("hub.servicebus.windows.net");
  client.async_send("d1", message("x"), [](const error&, const send_result&) {});
  EXPECT_THAT(accept().take_sent(), StartsWith("GET /$servicebus/websocket HTTP/1.1\r\n"));
}

}  // namespace
}  // namespace linarite::sdk
