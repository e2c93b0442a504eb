#include "kinesis/credentials/profile_files.h"

#include <algorithm>
#include <cctype>

#include "kinesis/credentials/provider.h"

namespace penstock::kinesis {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// A comment begins with # or ; at the start of a line or behind white space.
std::string_view without_comment(std::string_view line) {
  for (size_t i = 1; i < line.size(); ++i) {
    if ((line[i] == '#' || line[i] == ';') && (line[i - 1] == ' ' || line[i - 1] == '\t')) {
      return line.substr(0, i);
    }
  }
  return line;
}

// Calls section(name) and pair(key, value); lines that are neither are passed over, as the AWS
// tools do. Indented lines are the nested settings of others (s3 = …), which we have no use for.
template <class OnSection, class OnPair>
void each_line(std::string_view text, OnSection&& on_section, OnPair&& on_pair) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view whole = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (whole.empty() || whole[0] == ' ' || whole[0] == '\t' || whole[0] == '#' ||
        whole[0] == ';') {
      continue;
    }
    const std::string_view line = trimmed(without_comment(whole));
    if (line.starts_with('[')) {
      const size_t close = line.find(']');
      if (close != std::string_view::npos) on_section(trimmed(line.substr(1, close - 1)));
    } else if (const size_t equals = line.find('='); equals != std::string_view::npos) {
      std::string key(trimmed(line.substr(0, equals)));
      std::transform(key.begin(), key.end(), key.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      on_pair(std::move(key), std::string(trimmed(line.substr(equals + 1))));
    }
  }
}

std::string in_home(const Environment& environment, const char* variable, const char* path) {
  const std::string named = environment(variable);
  if (!named.empty()) return named;
  const std::string home = environment("HOME");
  return home.empty() ? std::string() : home + path;
}

}  // namespace

ProfileFiles ProfileFiles::parse(std::string_view config, std::string_view credentials) {
  ProfileFiles files;
  Profile* profile = nullptr;
  const auto on_pair = [&](std::string key, std::string value) {
    if (profile != nullptr) (*profile)[std::move(key)] = std::move(value);
  };
  each_line(
      config,
      [&](std::string_view section) {
        profile = nullptr;
        if (section == "default") {
          profile = &files.profiles_["default"];
        } else if (section.starts_with("profile ") || section.starts_with("profile\t")) {
          profile = &files.profiles_[std::string(trimmed(section.substr(8)))];
        }
      },
      on_pair);
  profile = nullptr;
  // Read last: what stands in the credentials file wins.
  each_line(
      credentials,
      [&](std::string_view section) { profile = &files.profiles_[std::string(section)]; }, on_pair);
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
  return parse(texts[0], texts[1]);
}

const Profile* ProfileFiles::find(std::string_view name) const {
  const auto found = profiles_.find(name);
  return found == profiles_.end() ? nullptr : &found->second;
}

std::string ProfileFiles::config_path(const Environment& environment) {
  return in_home(environment, "AWS_CONFIG_FILE", "/.aws/config");
}

std::string ProfileFiles::credentials_path(const Environment& environment) {
  return in_home(environment, "AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials");
}

std::string setting(const Profile& profile, std::string_view key) {
  const auto found = profile.find(key);
  return found == profile.end() ? std::string() : found->second;
}

std::string profile_name(const Environment& environment, const std::string& configured) {
  if (!configured.empty()) return configured;
  const std::string named = environment("AWS_PROFILE");
  return named.empty() ? "default" : named;
}

std::string profile_region(const Environment& environment, const std::string& configured_profile) {
  const auto files = ProfileFiles::load(environment);
  if (!files) return {};
  const Profile* profile = files->find(profile_name(environment, configured_profile));
  return profile == nullptr ? std::string() : setting(*profile, "region");
}

}  // namespace penstock::kinesis
