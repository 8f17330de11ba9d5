#include "cli/parse.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <deque>
#include <map>
#include <sstream>

#include "base/text.h"
#include "cli/output.h"

namespace linarite::cli {
namespace {

constexpr const char* kProgram = "linarite";
constexpr const char* kRootData = "--data,--data-dir";

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> out;
  std::istringstream stream{std::string(text)};
  for (std::string part; std::getline(stream, part, separator);) out.push_back(part);
  return out;
}

// az names the long form first: "--device-id/-d".
std::string spoken_name(const Flag& flag) {
  std::vector<std::string> names = split(flag.names, ',');
  std::ranges::sort(names, std::greater(), &std::string::size);
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : "/") + name;
  return out;
}

// --- The command, found before the flags are read.

struct Place {
  const Command* command = nullptr;
  size_t end = 0;  // The first word after those of the command.
};

Place find_command(const std::vector<std::string>& words) {
  size_t begin = 0;
  while (begin < words.size() && words[begin].starts_with("--data")) {
    begin += words[begin].find('=') == std::string::npos ? 2 : 1;
  }
  std::string path;
  for (size_t i = begin; i < words.size() && !words[i].starts_with('-'); ++i) {
    path += (path.empty() ? "" : " ") + words[i];
    for (const Command& command : commands()) {
      if (path == command.words) return {&command, i + 1};
    }
  }
  return {};
}

// Takes the program of `linarite run` out of the words: what follows "--", or begins with the first
// word that is neither a flag nor the value of one.
std::vector<std::string> take_program(std::vector<std::string>& words, size_t begin) {
  size_t i = begin;
  while (i < words.size() && words[i] != "--" && words[i].starts_with('-')) {
    const bool has_value = words[i].starts_with("--d") && words[i].find('=') == std::string::npos;
    i += has_value ? 2 : 1;
  }
  if (i >= words.size()) return {};
  const size_t first = words[i] == "--" ? i + 1 : i;
  std::vector<std::string> out(words.begin() + static_cast<ptrdiff_t>(first), words.end());
  words.resize(i);
  return out;
}

// Writes out the long flags that were shortened.
Outcome<void> expand_flags(const Command& command, std::vector<std::string>& words, size_t begin) {
  for (size_t i = begin; i < words.size() && words[i] != "--"; ++i) {
    const std::string word = words[i].substr(0, words[i].find('='));
    if (!word.starts_with("--")) continue;
    std::map<const Flag*, std::string> found;
    bool exact = word == "--help";
    for (const Flag& flag : command.flags) {
      for (const std::string& name : split(flag.names, ',')) {
        exact = exact || name == word;
        if (name.starts_with(word)) found.emplace(&flag, name);
      }
    }
    if (exact || found.empty()) continue;
    if (found.size() > 1) {
      std::string all;
      for (const auto& [flag, name] : found) all += (all.empty() ? "" : ", ") + name;
      return misused("ambiguous option: " + one_line(word) + " could match " + all);
    }
    words[i].replace(0, word.size(), found.begin()->second);
  }
  return {};
}

// --- Flags.

std::optional<std::string> chosen(const Flag& flag, const std::string& word) {
  if (flag.choices.empty()) return word;
  const auto found = std::ranges::find_if(
      flag.choices, [&](const char* choice) { return equal_ignoring_case(choice, word); });
  return found == flag.choices.end() ? std::nullopt : std::optional<std::string>(*found);
}

// Why the words are no value of the flag; empty if they are, and then the value is kept.
struct Setter {
  Arguments& arguments;
  const Flag& flag;
  const std::vector<std::string>& words;

  std::string operator()(Text Arguments::* member) const {
    std::string word = words.empty() ? std::string() : words.back();
    if (flag.kind == Flag::Kind::kSwitch) {
      word = ascii_lower(word);
      if (word.empty() || word == "{}") word = "true";
      if (word != "true" && word != "false") return "must be true or false";
    }
    if (flag.kind == Flag::Kind::kOptional && word == "{}") word.clear();
    const auto value = chosen(flag, word);
    if (value) {
      arguments.*member = *value;
      return {};
    }
    std::string all;
    for (const char* choice : flag.choices) all += std::string(all.empty() ? "" : ", ") + choice;
    return "'" + one_line(word) + "' is not one of: " + all;
  }
  std::string operator()(std::optional<int64_t> Arguments::* member) const {
    arguments.*member = whole_number<int64_t>(words.empty() ? "" : words.back());
    return arguments.*member ? std::string() : "must be a whole number";
  }
  std::string operator()(std::vector<std::string> Arguments::* member) const {
    arguments.*member = words;
    return {};
  }
};

bool is_list(const Flag& flag) {
  return std::holds_alternative<std::vector<std::string> Arguments::*>(flag.target);
}

// --set and monitor-events' --properties take several words, --data one each time.
bool takes_words(const Flag& flag) {
  return is_list(flag) && std::string_view(flag.names).find("--data") == std::string_view::npos;
}

// What --help shows in the place of the value.
std::string type_name(const Flag& flag) {
  if (flag.kind == Flag::Kind::kSwitch) return "[true|false]";
  if (flag.kind == Flag::Kind::kOptional) return "[TEXT]";
  std::string out;
  for (const char* choice : flag.choices) out += (out.empty() ? "" : "|") + std::string(choice);
  return out.empty() ? "TEXT" : out;
}

void add_flag(CLI::App& app, const Flag& flag, Arguments& arguments) {
  CLI::Option* option = app.add_option(
      flag.names,
      [&](const CLI::results_t& words) {
        const std::string problem = std::visit(Setter{arguments, flag, words}, flag.target);
        if (!problem.empty()) throw CLI::ValidationError(spoken_name(flag), problem);
        return true;
      },
      flag.help);
  option->type_size(1);
  option->type_name(type_name(flag));
  if (flag.kind == Flag::Kind::kSwitch || flag.kind == Flag::Kind::kOptional) {
    option->expected(0, 1)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  } else if (is_list(flag)) {
    option->expected(takes_words(flag) ? -1 : 1);
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    option->allow_extra_args(takes_words(flag));
  } else {
    option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }
}

bool is_given(const Arguments& arguments, const Flag& flag) {
  return std::visit(
      [&](auto member) {
        if constexpr (requires { (arguments.*member).has_value(); }) {
          return (arguments.*member).has_value();
        } else {
          return !(arguments.*member).empty();
        }
      },
      flag.target);
}

Outcome<void> check_required(const Command& command, const Arguments& arguments) {
  std::string missing;
  for (const Flag& flag : command.flags) {
    if (!flag.required || is_given(arguments, flag)) continue;
    missing += (missing.empty() ? "" : ", ") + spoken_name(flag);
  }
  if (missing.empty()) return {};
  return misused("the following arguments are required: " + missing);
}

// The message of `c2d-message send` is --da or --data-file-path, else the first --data; a --data
// beyond that is what it is for every other command: the data directory.
Outcome<void> sort_out_data(Arguments& arguments) {
  std::vector<std::string>& data = arguments.data;
  const size_t bodies = arguments.message_body || arguments.data_file ? 0 : 1;
  if (data.size() <= bodies) return {};
  if (data.size() > bodies + 1) return misused("--data is given too often");
  arguments.data_directory = data.back();
  data.pop_back();
  return {};
}

Outcome<void> finish(const Command& command, Arguments& arguments) {
  if (auto checked = check_required(command, arguments); !checked) return checked;
  if (arguments.output_word) {
    const auto form = parse_output_form(*arguments.output_word);
    if (!form) return misused("--output/-o: must be json, jsonc, none, table or tsv");
    arguments.output = *form;
  }
  return sort_out_data(arguments);
}

// --- The whole.

struct Tree {
  CLI::App root{"Linarite, an IoT hub of your own: the command line has az's words.", kProgram};
  std::map<std::string, CLI::App*> apps{{"", &root}};

  CLI::App& add(const std::string& path, const char* summary) {
    const size_t blank = path.rfind(' ');
    const std::string parent = blank == std::string::npos ? "" : path.substr(0, blank);
    CLI::App* const made = apps.at(parent)->add_subcommand(
        path.substr(blank == std::string::npos ? 0 : blank + 1), summary);
    apps.emplace(path, made);
    return *made;
  }
};

std::string help_of(const Tree& tree) {
  const CLI::App* app = &tree.root;
  std::string before;
  for (auto next = app->get_subcommands(); !next.empty(); next = app->get_subcommands()) {
    before += (before.empty() ? "" : " ") + app->get_name();
    app = next.front();
  }
  return app->help(before);
}

std::unexpected<Failure> no_command() {
  return misused("there is no such command; see 'linarite --help'");
}

std::unexpected<Failure> unexpected_words(const CLI::App& root) {
  std::string all;
  for (const std::string& word : root.remaining(true)) {
    const bool is_secret = ascii_lower(word).find("sharedaccess") != std::string::npos;
    all += " " + (is_secret ? std::string("(a connection string)") : one_line(word));
  }
  return misused("unrecognized arguments:" + all + "; see 'linarite --help'");
}

void build(Tree& tree, Arguments& arguments, Text& root_data, bool& version) {
  static const Flag kData = {kRootData, "Data directory of the hub on this machine.",
                             &Arguments::data_directory};
  tree.root.add_option(kRootData, root_data, kData.help);
  tree.root.add_flag("--version", version, "Print the version.");
  for (const Group& group : groups()) {
    tree.add(group.words, group.summary).require_subcommand(1);
  }
  for (const Command& command : commands()) {
    CLI::App& app = tree.add(command.words, command.summary);
    for (const Flag& flag : command.flags) add_flag(app, flag, arguments);
  }
  // At the end, or every part would inherit it.
  tree.root.footer("linarite serve starts a hub; see 'linarite serve --help'.");
}

}  // namespace

Outcome<Parsed> parse(std::vector<std::string> words) {
  Parsed out;
  const Place place = find_command(words);
  std::vector<std::string> program;
  if (place.command != nullptr) {
    if (place.command->run == run_program) program = take_program(words, place.end);
    if (auto expanded = expand_flags(*place.command, words, place.end); !expanded) {
      return std::unexpected(expanded.error());
    }
  }
  Tree tree;
  Text root_data;
  bool version = false;
  build(tree, out.arguments, root_data, version);
  try {
    std::ranges::reverse(words);  // As CLI11 wants them.
    tree.root.parse(std::move(words));
  } catch (const CLI::CallForHelp&) {
    out.help = help_of(tree);
    return out;
  } catch (const CLI::ExtrasError&) {
    if (place.command == nullptr) return no_command();
    return unexpected_words(tree.root);
  } catch (const CLI::Error& error) {
    if (place.command == nullptr) return no_command();
    return misused(one_line(error.what()));
  }
  if (version) {
    const auto own = std::ranges::find(commands(), std::string_view("version"), &Command::words);
    out.command = &*own;
    return out;
  }
  if (place.command == nullptr) return no_command();
  out.command = place.command;
  out.arguments.program = std::move(program);
  if (auto finished = finish(*out.command, out.arguments); !finished) {
    return std::unexpected(finished.error());
  }
  if (root_data && !out.arguments.data_directory) out.arguments.data_directory = root_data;
  return out;
}

}  // namespace linarite::cli
