#include "sdk/token_source.h"

#include <atomic>
#include <utility>

#include "wire/sas_token.h"

namespace linarite::sdk {

// One get(). The application may keep its reply function for ever: it holds only this.
struct TokenSource::Waiting {
  TokenSource* source;  // Loop only; null once nobody waits any more.
  Reply reply;
  std::atomic<bool> answered{false};
};

TokenSource::TokenSource(std::shared_ptr<Loop> loop, Credential credential, std::string audience,
                         std::chrono::seconds life_time)
    : loop_(std::move(loop)),
      credential_(std::move(credential)),
      audience_(std::move(audience)),
      life_time_(life_time) {}

void TokenSource::forget() {
  if (waiting_) waiting_->source = nullptr;
  waiting_.reset();
}

void TokenSource::get(Reply reply) {
  forget();
  waiting_ = std::make_shared<Waiting>();
  waiting_->source = this;
  waiting_->reply = std::move(reply);
  const auto answer = [loop = loop_, weak = std::weak_ptr(waiting_)](error why, std::string text) {
    const auto waiting = weak.lock();
    if (!waiting || waiting->answered.exchange(true)) return;
    loop->post([waiting, why = std::move(why), text = std::move(text)]() mutable {
      if (waiting->source != nullptr) waiting->source->deliver(std::move(why), std::move(text));
    });
  };
  if (const auto* key = std::get_if<shared_access_key>(&credential_)) {
    const WallTime expiry = loop_->clock().wall() + life_time_;
    auto made = wire::make_sas_token(
        {.audience = audience_, .key = key->key, .policy = key->policy, .expiry = expiry});
    if (made) {
      answer({}, *std::move(made));
    } else {
      answer({errc::invalid_connection_string, "connection string: SharedAccessKey is not base64"},
             {});
    }
  } else if (const auto* token = std::get_if<sas_token>(&credential_)) {
    answer({}, token->text);
  } else {
    const auto& provider = std::get<token_provider>(credential_);
    if (provider) {
      provider({.audience = audience_, .life_time = life_time_}, answer);
    } else {
      answer({errc::token_unavailable, "the token provider is an empty function"}, {});
    }
  }
}

void TokenSource::deliver(error why, std::string text) {
  Reply reply = std::move(waiting_->reply);
  forget();
  Token token;
  if (!why) {
    const auto parsed = wire::parse_sas_token(text);
    if (!parsed) {
      why = error(errc::token_unavailable, "the token cannot be read: " + parsed.error().message);
    } else if (wire::sas_token_expired(*parsed, loop_->clock().wall())) {
      why =
          error(errc::token_unavailable, "the token has expired, or this machine's clock is wrong");
    } else {
      token = {.text = std::move(text), .expiry = parsed->expiry};
    }
  } else if (why.code().category() != category()) {
    why = error(errc::token_unavailable, "the token provider failed: " + why.message());
  }
  reply(std::move(why), std::move(token));
}

}  // namespace linarite::sdk
