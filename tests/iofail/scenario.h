// What a trial does with the hub, the same each time: identities, messages, completions, feedback,
// events, trimming, a change of a policy's key; then the same again after a restart. It notes in
// shared().promises what it was told, and goes on as long as the hub answers.
#pragma once

#include <string>

namespace linarite::iofail {

void play(const std::string& folder);

}  // namespace linarite::iofail
