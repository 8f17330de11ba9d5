// The store of a hub that does not run.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <string>
#include <utility>

#include "cli/command.h"
#include "cli/local_hub.h"
#include "cli/output.h"

namespace linarite::cli {
namespace {

namespace json = boost::json;

constexpr int kExitDamaged = 1;
constexpr int kExitNotLooked = 2;

std::string text_of(const json::value& value) {
  if (value.is_string()) return one_line(value.as_string());
  if (value.is_null()) return "";
  return json::serialize(value);
}

// A line for each number, then one for each thing that is wrong.
std::string readable(const json::object& found) {
  std::string out;
  for (const auto& [name, title] : {std::pair{"identities", "identities"},
                                    {"disabledIdentities", "  of them disabled"},
                                    {"queuedMessages", "queued messages"},
                                    {"feedback", "feedback records"},
                                    {"sessions", "sessions of devices"},
                                    {"policies", "policies"},
                                    {"events", "events"}}) {
    std::string line = title;
    line.resize(22, ' ');
    out += line + text_of(found.at(name)) + "\n";
  }
  for (const json::value& one : found.at("damage").as_array()) {
    const json::object& damage = one.as_object();
    const std::string file = text_of(damage.at("file"));
    out += "damaged: ";
    if (!file.empty()) out += file + " (" + text_of(damage.at("content")) + "): ";
    out += text_of(damage.at("problem")) + "\n";
  }
  const json::value* const salvage = found.if_contains("salvage");
  if (salvage == nullptr) {
    return out + (found.at("sound").as_bool() ? "the store is sound\n" : "the store is damaged\n");
  }
  const json::object& kept = salvage->as_object();
  for (const json::value& loss : kept.at("losses").as_array()) {
    out += "salvage: " + text_of(loss) + "\n";
  }
  out += "salvaged: " + text_of(kept.at("identities")) + " identities (" +
         text_of(kept.at("identitiesDisabledNow")) + " disabled now), " +
         text_of(kept.at("queuedMessages")) + " queued messages, " + text_of(kept.at("policies")) +
         " policies, " + text_of(kept.at("events")) + " events\n";
  out += "the new data directory is " + text_of(kept.at("dataDirectory")) + "\n";
  return out;
}

}  // namespace

Outcome<json::value> check_store(Session& session) {
  const Arguments& arguments = session.arguments();
  const auto data = data_directory(arguments);
  if (!data) return std::unexpected(Failure(data.error().message, kExitNotLooked));
  if (!session.hooks().store) return misused("this program has no store to look at");
  const bool salvage = arguments.salvage.value_or("false") == "true";
  if (arguments.to && !salvage) return misused("--to: only with --salvage");
  const bool new_keys = arguments.new_keys.value_or("false") == "true";
  if (new_keys && !salvage) return misused("--new-keys: only with --salvage");
  const auto found =
      session.hooks().store({.data = data->string(),
                             .salvage = salvage,
                             .to = arguments.to.value_or(std::string()),
                             .master_key_file = arguments.master_key_file.value_or(std::string()),
                             .new_keys = new_keys});
  if (!found) return std::unexpected(Failure(found.error().message, kExitNotLooked));
  const std::string text =
      arguments.output_word ? format_result(*found, arguments.output) : readable(*found);
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (found->contains("salvage")) return nullptr;
  if (salvage) Session::tell("the store is sound: nothing was salvaged");
  if (found->at("sound").as_bool()) return nullptr;
  return std::unexpected(Failure(
      "the store is damaged. Restore the data directory from a backup, or take out of it what can "
      "be trusted with 'linarite store check --salvage'",
      kExitDamaged));
}

Outcome<json::value> rewrap_store(Session& session) {
  const Arguments& arguments = session.arguments();
  const auto data = data_directory(arguments);
  if (!data) return std::unexpected(Failure(data.error().message, kExitNotLooked));
  if (!session.hooks().rewrap) return misused("this program has no store to look at");
  const auto done =
      session.hooks().rewrap(data->string(), arguments.master_key_file.value_or(std::string()));
  if (!done) return std::unexpected(Failure(done.error().message, kExitNotLooked));
  return json::value(*done);
}

}  // namespace linarite::cli
