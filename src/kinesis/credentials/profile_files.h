// The files of the AWS tools: ~/.aws/credentials with [name] and ~/.aws/config with
// [profile name], read and merged.
//
// Parsing is pure; load() reads the files the environment names.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "kinesis/environment.h"

namespace penstock::kinesis {

using Profile = std::map<std::string, std::string, std::less<>>;

class ProfileFiles {
 public:
  // Missing files are empty ones.
  [[nodiscard]] static Result<ProfileFiles, Error> load(const Environment& environment);
  [[nodiscard]] static ProfileFiles parse(std::string_view config, std::string_view credentials);

  [[nodiscard]] const Profile* find(std::string_view name) const;

  // AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE, or their places under $HOME.
  [[nodiscard]] static std::string config_path(const Environment& environment);
  [[nodiscard]] static std::string credentials_path(const Environment& environment);

 private:
  std::map<std::string, Profile, std::less<>> profiles_;
};

// The value, "" when it is not there.
[[nodiscard]] std::string setting(const Profile& profile, std::string_view key);

// `configured` when it is not empty, else AWS_PROFILE, else "default".
[[nodiscard]] std::string profile_name(const Environment& environment,
                                       const std::string& configured);

// region: of the profile; "" when there is none.
[[nodiscard]] std::string profile_region(const Environment& environment,
                                         const std::string& configured_profile);

}  // namespace penstock::kinesis
