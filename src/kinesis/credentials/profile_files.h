// The files of the AWS tools: ~/.aws/credentials with [name] and ~/.aws/config with
// [profile name], read and merged as the AWS CLI and boto3 do. All of penstock reads them here.
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
  // Missing files are empty ones. A file that the AWS CLI could not parse is an error that names
  // it, the line and the cure, never a value.
  [[nodiscard]] static Result<ProfileFiles, Error> load(const Environment& environment);
  [[nodiscard]] static Result<ProfileFiles, Error> parse(
      std::string_view config, std::string_view credentials,
      std::string_view config_path = "config", std::string_view credentials_path = "credentials");

  [[nodiscard]] const Profile* find(std::string_view name) const;

  // AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE (both may begin with ~/), or their places under
  // the home directory.
  [[nodiscard]] static std::string config_path(const Environment& environment);
  [[nodiscard]] static std::string credentials_path(const Environment& environment);

 private:
  std::map<std::string, Profile, std::less<>> profiles_;
};

// The value, "" when it is not there.
[[nodiscard]] std::string setting(const Profile& profile, std::string_view key);

// AWS_DEFAULT_PROFILE, else AWS_PROFILE (boto3's order); "" when neither is set.
[[nodiscard]] std::string environment_profile(const Environment& environment);

// `configured` when it is not empty, else the environment's, else "default".
[[nodiscard]] std::string profile_name(const Environment& environment,
                                       const std::string& configured);

// region: of the profile; "" when there is none.
[[nodiscard]] Result<std::string, Error> profile_region(const Environment& environment,
                                                        const std::string& configured_profile);

}  // namespace penstock::kinesis
