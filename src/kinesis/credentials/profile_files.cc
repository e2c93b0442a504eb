#include "kinesis/credentials/profile_files.h"

#include <pwd.h>
#include <unistd.h>

#include <optional>

#include "kinesis/credentials/ini_file.h"
#include "kinesis/credentials/provider.h"

namespace penstock::kinesis {
namespace {

constexpr std::string_view kBlanks = " \t";

// The words of a section's name, as a shell would split them: 'two words' and "two words" are one.
// Absent: a quote has no end.
std::optional<std::vector<std::string>> shell_words(std::string_view text) {
  std::vector<std::string> words;
  bool inside = false;
  char quote = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote == 0 && kBlanks.find(c) != std::string_view::npos) {
      inside = false;
      continue;
    }
    if (!std::exchange(inside, true)) words.emplace_back();
    if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    } else if (c == '\\' && quote != '\'' && i + 1 < text.size()) {
      const bool is_escape = quote == 0 || text[i + 1] == '"' || text[i + 1] == '\\';
      if (!is_escape) words.back() += c;
      words.back() += text[++i];
    } else {
      words.back() += c;
    }
  }
  if (quote != 0) return std::nullopt;
  return words;
}

// "profile audit", "profile 'two words'", "default"; absent: a section of something else.
std::optional<std::string> profile_of_section(std::string_view section) {
  if (section == "default") return "default";
  if (!section.starts_with("profile")) return std::nullopt;
  auto words = shell_words(section);
  if (!words || words->size() != 2) return std::nullopt;
  return std::move((*words)[1]);
}

// The CLI takes a comment behind a value as part of it, other SDKs leave it out. No value but a
// command may hold " #" or " ;".
void remove_comments(Profile& profile) {
  for (auto& [key, value] : profile) {
    if (key == "credential_process") continue;
    for (size_t i = 1; i < value.size(); ++i) {
      const bool is_comment = (value[i] == '#' || value[i] == ';') &&
                              kBlanks.find(value[i - 1]) != std::string_view::npos;
      if (!is_comment) continue;
      value.resize(i);
      value.resize(value.find_last_not_of(kBlanks) + 1);
      break;
    }
  }
}

std::string encoding_problem(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) {
    return "begins with a byte order mark, which the AWS tools do not parse: save it as UTF-8 "
           "without one";
  }
  if (text.find('\0') != std::string_view::npos) {
    return "is not UTF-8 (UTF-16, by its zero bytes): save it as UTF-8";
  }
  return {};
}

Result<std::vector<IniSection>, Error> sections_of(std::string_view text, std::string_view path) {
  const std::string problem = encoding_problem(text);
  if (!problem.empty()) return usage_error(std::string(path) + " " + problem);
  auto sections = parse_ini(text);
  if (!sections) {
    return usage_error(std::string(path) + " cannot be parsed: " + sections.error() +
                       "; correct it as the AWS CLI would read it (aws configure list)");
  }
  return std::move(*sections);
}

std::string home_directory(const Environment& environment) {
  std::string home = environment("HOME");
  if (!home.empty()) return home;
  passwd entry{};
  passwd* found = nullptr;
  char strings[4096];
  if (::getpwuid_r(::getuid(), &entry, strings, sizeof strings, &found) == 0 && found != nullptr) {
    home = found->pw_dir;
  }
  return home;
}

std::string named_or_in_home(const Environment& environment, const char* variable,
                             const char* path) {
  std::string named = environment(variable);
  const size_t end = named.find_last_not_of(" \t\r\n");
  named.resize(end == std::string::npos ? 0 : end + 1);
  if (!named.empty() && !named.starts_with("~/")) return named;
  const std::string home = home_directory(environment);
  if (!named.empty()) return home + named.substr(1);
  return home.empty() ? std::string() : home + path;
}

}  // namespace

Result<ProfileFiles, Error> ProfileFiles::parse(std::string_view config,
                                                std::string_view credentials,
                                                std::string_view config_path,
                                                std::string_view credentials_path) {
  ProfileFiles files;
  auto in_config = sections_of(config, config_path);
  if (!in_config) return failure(in_config.error());
  auto in_credentials = sections_of(credentials, credentials_path);
  if (!in_credentials) return failure(in_credentials.error());
  for (IniSection& section : *in_config) {
    // Of two sections for one profile ([default] and [profile default]) the later counts alone.
    auto name = profile_of_section(section.name);
    if (name) files.profiles_[std::move(*name)] = std::move(section.values);
  }
  for (IniSection& section : *in_credentials) {
    Profile& profile = files.profiles_[section.name];
    for (auto& [key, value] : section.values) profile[key] = std::move(value);
  }
  for (auto& [name, profile] : files.profiles_) remove_comments(profile);
  return files;
}

Result<ProfileFiles, Error> ProfileFiles::load(const Environment& environment) {
  std::string texts[2];
  const std::string paths[2] = {config_path(environment), credentials_path(environment)};
  for (int i = 0; i < 2; ++i) {
    if (paths[i].empty() || file_version(paths[i]).empty()) continue;
    auto text = read_credential_file(paths[i]);
    if (!text) return failure(text.error());
    texts[i] = std::move(*text);
  }
  return parse(texts[0], texts[1], paths[0], paths[1]);
}

const Profile* ProfileFiles::find(std::string_view name) const {
  const auto found = profiles_.find(name);
  return found == profiles_.end() ? nullptr : &found->second;
}

std::string ProfileFiles::config_path(const Environment& environment) {
  return named_or_in_home(environment, "AWS_CONFIG_FILE", "/.aws/config");
}

std::string ProfileFiles::credentials_path(const Environment& environment) {
  return named_or_in_home(environment, "AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials");
}

std::string setting(const Profile& profile, std::string_view key) {
  const auto found = profile.find(key);
  return found == profile.end() ? std::string() : found->second;
}

std::string environment_profile(const Environment& environment) {
  for (const char* variable : {"AWS_DEFAULT_PROFILE", "AWS_PROFILE"}) {
    std::string name = environment_text(environment, variable);
    if (!name.empty()) return name;
  }
  return {};
}

std::string profile_name(const Environment& environment, const std::string& configured) {
  if (!configured.empty()) return configured;
  std::string named = environment_profile(environment);
  return named.empty() ? "default" : named;
}

Result<std::string, Error> profile_region(const Environment& environment,
                                          const std::string& configured_profile) {
  const auto files = ProfileFiles::load(environment);
  if (!files) return failure(files.error());
  const Profile* profile = files->find(profile_name(environment, configured_profile));
  return profile == nullptr ? std::string() : setting(*profile, "region");
}

}  // namespace penstock::kinesis
