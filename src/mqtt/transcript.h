// Writes the events of a connection down as lines of text, for tests and fuzzers.
#pragma once

#include <fmt/format.h>

#include <string>

#include "mqtt/connection.h"

namespace linarite::mqtt {

class Transcript : public Events {
 public:
  // What happened since the last call, one line an event.
  std::string take() { return std::exchange(text_, {}); }

  void on_publish(const Publish& p) override {
    line("PUBLISH {} q{} id={}{}{} {}", p.topic, static_cast<int>(p.qos), p.packet_id,
         p.dup ? " dup" : "", p.retain ? " retain" : "", p.payload);
  }
  void on_puback(uint64_t token) override { line("PUBACK {}", token); }
  void on_protocol_error(const Error& error) override { line("ERROR {}", error.message); }
  void on_timeout(Timeout timeout) override {
    constexpr const char* kNames[] = {"connect", "keep alive", "ping"};
    line("TIMEOUT {}", kNames[static_cast<size_t>(timeout)]);
  }
  void on_connect(const Connect& c) override {
    line("CONNECT {} user={} password={} clean={} ka={}{}", c.client_id, c.user_name.value_or("-"),
         c.password.value_or("-"), c.clean_session ? 1 : 0, c.keep_alive_seconds,
         c.will ? fmt::format(" will {} q{}{} {}", c.will->topic, static_cast<int>(c.will->qos),
                              c.will->retain ? " retain" : "", c.will->payload)
                : "");
  }
  void on_unsupported_protocol(const UnsupportedConnect& c) override {
    line("UNSUPPORTED {} {}", c.protocol_name, c.protocol_level);
  }
  void on_subscribe(const Subscribe& s) override {
    std::string filters;
    for (const Subscription& f : s.subscriptions) {
      filters += fmt::format(" {} q{}", f.filter, static_cast<int>(f.qos));
    }
    line("SUBSCRIBE id={}{}", s.packet_id, filters);
  }
  void on_unsubscribe(const Unsubscribe& u) override {
    std::string filters;
    for (const ByteView filter : u.filters) filters += fmt::format(" {}", filter);
    line("UNSUBSCRIBE id={}{}", u.packet_id, filters);
  }
  void on_disconnect() override { line("DISCONNECT"); }
  void on_connack(const ConnAck& c) override {
    line("CONNACK sp={} rc={}", c.session_present ? 1 : 0, static_cast<int>(c.return_code));
  }
  void on_suback(uint64_t token, ByteView codes) override {
    std::string text;
    for (const char code : codes) text += fmt::format(" {:#x}", static_cast<uint8_t>(code));
    line("SUBACK {}{}", token, text);
  }
  void on_unsuback(uint64_t token) override { line("UNSUBACK {}", token); }

 protected:
  template <class... Args>
  void line(fmt::format_string<const Args&...> format, const Args&... args) {
    fmt::format_to(std::back_inserter(text_), format, args...);
    text_ += '\n';
  }

 private:
  std::string text_;
};

}  // namespace linarite::mqtt
