// The configuration as text: TOML files, environment, and back.
#define TOML_EXCEPTIONS 0
#include <fmt/core.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <type_traits>

#include "base/text.h"
#include "server/config.h"

namespace linarite::server {
namespace {

constexpr uintmax_t kConfigFileSizeMax = 1U << 20U;
constexpr std::string_view kPrefix = "LINARITE_";

std::unexpected<Error> invalid(std::string what) {
  return fail(ErrorCode::kArgumentInvalid, std::move(what));
}

template <class T>
Status store_number(std::optional<int64_t> number, T& out) {
  if (!number || !std::in_range<T>(*number)) {
    return invalid(
        fmt::format("a whole number from 0 to {} is wanted", std::numeric_limits<T>::max()));
  }
  out = static_cast<T>(*number);
  return {};
}

// A value of TOML into its place.
struct FromNode {
  const toml::node& node;

  Status operator()(std::string* out) const {
    const auto text = node.value_exact<std::string>();
    if (!text) return invalid("a text in quotes is wanted");
    *out = *text;
    return {};
  }
  Status operator()(bool* out) const {
    const auto value = node.value_exact<bool>();
    if (!value) return invalid("true or false is wanted");
    *out = *value;
    return {};
  }
  Status operator()(Duration* out) const {
    const auto text = node.value_exact<std::string>();
    const Result<Duration> value = parse_duration(text.value_or(""));
    if (!value) return std::unexpected(value.error());
    *out = *value;
    return {};
  }
  Status operator()(Texts* out) const {
    const toml::array* array = node.as_array();
    Texts texts;
    for (size_t i = 0; array != nullptr && i < array->size(); ++i) {
      if (const auto text = (*array)[i].value_exact<std::string>()) texts.push_back(*text);
    }
    if (array == nullptr || texts.size() != array->size())
      return invalid("a list of texts is wanted");
    *out = std::move(texts);
    return {};
  }
  template <class T>
  Status operator()(T* out) const {
    return store_number(node.value_exact<int64_t>(), *out);
  }
};

// The text of an environment variable into its place.
struct FromText {
  std::string_view text;

  Status operator()(std::string* out) const {
    *out = text;
    return {};
  }
  Status operator()(bool* out) const {
    if (text != "true" && text != "false") return invalid("true or false is wanted");
    *out = text == "true";
    return {};
  }
  Status operator()(Duration* out) const {
    const Result<Duration> value = parse_duration(text);
    if (!value) return std::unexpected(value.error());
    *out = *value;
    return {};
  }
  Status operator()(Texts* out) const {
    out->clear();
    for (std::string_view rest = text; !rest.empty();) {
      const size_t end = std::min(rest.find(','), rest.size());
      out->emplace_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return {};
  }
  template <class T>
  Status operator()(T* out) const {
    return store_number(whole_number<int64_t>(text), *out);
  }
};

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += fmt::format("\\u{:04X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      out += c;
    }
  }
  return out + '"';
}

struct ToToml {
  std::string operator()(const std::string* value) const { return quoted(*value); }
  std::string operator()(const bool* value) const { return *value ? "true" : "false"; }
  std::string operator()(const Duration* value) const { return quoted(duration_text(*value)); }
  std::string operator()(const Texts* value) const {
    std::string out;
    for (const std::string& text : *value) out += (out.empty() ? "" : ", ") + quoted(text);
    return "[" + out + "]";
  }
  template <class T>
  std::string operator()(const T* value) const {
    return fmt::format("{}", *value);
  }
};

class FileReader {
 public:
  FileReader(const std::string& path, Config& config)
      : path_(path), settings_(settings_of(config)) {}

  Status read(const toml::table& root) const {
    for (const auto& [section, node] : root) {
      const toml::table* table = node.as_table();
      const std::string name(section.str());
      if (!is_section(name)) return at(section.source(), fmt::format("unknown key \"{}\"", name));
      if (table == nullptr) {
        return at(section.source(), fmt::format("\"{}\" is a section: write [{}]", name, name));
      }
      for (const auto& [key, value] : *table) {
        if (Status taken = take(name + "." + std::string(key.str()), key, value); !taken)
          return taken;
      }
    }
    return {};
  }

 private:
  bool is_section(const std::string& name) const {
    return std::ranges::any_of(settings_, [start = name + "."](const Setting& setting) {
      return setting.key.starts_with(start);
    });
  }

  Status take(const std::string& full, const toml::key& key, const toml::node& value) const {
    const auto setting = std::ranges::find(settings_, full, &Setting::key);
    if (setting == settings_.end())
      return at(key.source(), fmt::format("unknown key \"{}\"", full));
    Status stored = std::visit(FromNode{value}, setting->place);
    if (!stored) return at(value.source(), fmt::format("{}: {}", full, stored.error().message));
    return {};
  }

  Status at(const toml::source_region& where, const std::string& what) const {
    return invalid(fmt::format("{}:{}:{}: {}", path_, where.begin.line, where.begin.column, what));
  }

  const std::string& path_;
  const std::vector<Setting> settings_;
};

// "c2d.default_ttl" is LINARITE_C2D_DEFAULT_TTL.
std::string variable_name(std::string_view key) {
  std::string out(kPrefix);
  for (const char c : key) {
    if (c == '.') {
      out += '_';
    } else {
      out += static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
  }
  return out;
}

bool names_a_section(std::string_view variable, const std::vector<Setting>& settings) {
  return std::ranges::any_of(settings, [&](const Setting& setting) {
    return variable.starts_with(variable_name(setting.key.substr(0, setting.key.find('.') + 1)));
  });
}

}  // namespace

Status read_file(const std::string& path, Config& config) {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(path, error);
  if (error) return invalid(fmt::format("{}: {}.", path, error.message()));
  if (size > kConfigFileSizeMax) return invalid(fmt::format("{}: larger than 1 MiB.", path));
  const toml::parse_result parsed = toml::parse_file(path);
  if (!parsed) {
    const toml::source_position where = parsed.error().source().begin;
    return invalid(
        fmt::format("{}:{}:{}: {}", path, where.line, where.column, parsed.error().description()));
  }
  return FileReader(path, config).read(parsed.table());
}

Status read_environment(const char* const* environment, Config& config) {
  const std::vector<Setting> settings = settings_of(config);
  for (; *environment != nullptr; ++environment) {
    const std::string_view pair = *environment;
    const std::string_view name = pair.substr(0, pair.find('='));
    if (!name.starts_with(kPrefix) || name.size() == pair.size()) continue;
    const auto setting = std::ranges::find_if(
        settings, [&](const Setting& one) { return variable_name(one.key) == name; });
    if (setting == settings.end()) {
      if (!names_a_section(name, settings)) continue;
      return invalid(fmt::format("the environment variable {} names no setting.", name));
    }
    const Status stored = std::visit(FromText{pair.substr(name.size() + 1)}, setting->place);
    if (!stored) {
      return invalid(fmt::format("the environment variable {}: {}.", name, stored.error().message));
    }
  }
  return {};
}

std::string to_toml(Config config) {
  std::string out;
  std::string_view section;
  for (const Setting& setting : settings_of(config)) {
    const size_t dot = setting.key.find('.');
    if (setting.key.substr(0, dot) != section) {
      section = setting.key.substr(0, dot);
      out += fmt::format("{}[{}]\n", out.empty() ? "" : "\n", section);
    }
    out += fmt::format("{} = {}  # {}\n", setting.key.substr(dot + 1),
                       std::visit(ToToml{}, setting.place), setting.about);
  }
  return out;
}

Result<std::string> effective_configuration(const std::string& path) {
  Config config;
  Status done = path.empty() ? Status{} : read_file(path, config);
  if (done) done = read_environment(environ, config);
  if (done) done = config.check();
  if (!done) return std::unexpected(done.error());
  return to_toml(std::move(config));
}

}  // namespace linarite::server
