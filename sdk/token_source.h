// Where a client's SAS tokens come from: made from a key, given once, or brought by the
// application.
#pragma once

#include <linarite/identity.h>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/loop.h"

namespace linarite::sdk {

// Owned by one session; its loop only.
class TokenSource {
 public:
  using Credential = std::variant<shared_access_key, sas_token, token_provider>;
  struct Token {
    std::string text;
    std::optional<WallTime> expiry;  // None: unreadable, so it is not renewed either.
  };
  static Credential credential_of(const service_identity& identity) {
    return std::visit([](const auto& one) { return Credential(one); }, identity.credential);
  }
  using Reply = std::move_only_function<void(error, Token)>;

  TokenSource(std::shared_ptr<Loop> loop, Credential credential, std::string audience,
              std::chrono::seconds life_time);
  ~TokenSource() { forget(); }
  TokenSource(const TokenSource&) = delete;
  TokenSource& operator=(const TokenSource&) = delete;

  // `reply` comes on the loop, after the return, unless forget() or the next get() came first.
  void get(Reply reply);
  void forget();
  // Whether another token than the last can be had at all.
  bool renewable() const { return !std::holds_alternative<sas_token>(credential_); }

 private:
  struct Waiting;
  void deliver(error why, std::string text);

  const std::shared_ptr<Loop> loop_;
  const Credential credential_;
  const std::string audience_;
  const std::chrono::seconds life_time_;
  std::shared_ptr<Waiting> waiting_;  // Of the last get().
};

}  // namespace linarite::sdk
