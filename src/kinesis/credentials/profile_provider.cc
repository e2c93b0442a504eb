#include "kinesis/credentials/profile_provider.h"

#include <charconv>

#include "kinesis/credentials/container_provider.h"
#include "kinesis/credentials/environment_provider.h"
#include "kinesis/credentials/instance_provider.h"
#include "kinesis/credentials/process_provider.h"
#include "kinesis/credentials/sts.h"
#include "kinesis/credentials/web_identity_provider.h"

namespace penstock::kinesis {
namespace {

constexpr milliseconds kProcessDeadline{30'000};

AssumeRole role_of(const Profile& profile) {
  AssumeRole role;
  role.role_arn = setting(profile, "role_arn");
  role.external_id = setting(profile, "external_id");
  role.session_name = setting(profile, "role_session_name");
  role.region = setting(profile, "region");
  const std::string duration = setting(profile, "duration_seconds");
  std::from_chars(duration.data(), duration.data() + duration.size(), role.duration_seconds);
  return role;
}

bool has_keys(const Profile& profile) {
  return !setting(profile, "aws_access_key_id").empty() ||
         !setting(profile, "aws_secret_access_key").empty();
}

CredentialProvider::Answer static_keys(const std::string& name, const Profile& profile) {
  Credentials found;
  found.access_key_id = setting(profile, "aws_access_key_id");
  found.secret_access_key = setting(profile, "aws_secret_access_key");
  found.session_token = setting(profile, "aws_session_token");
  found.account_id = setting(profile, "aws_account_id");
  found.provider = "profile " + name;
  if (found.empty()) {
    return run_error("profile " + name +
                     " has only one of aws_access_key_id and aws_secret_access_key");
  }
  return found;
}

}  // namespace

ProfileProvider::ProfileProvider(const CredentialContext& context, std::string profile)
    : context_(context), profile_(std::move(profile)) {}

std::string ProfileProvider::versions() const {
  return file_version(ProfileFiles::config_path(context_.environment)) + " " +
         file_version(ProfileFiles::credentials_path(context_.environment));
}

bool ProfileProvider::changed() { return versions_read_ != versions(); }

CredentialProvider::Answer ProfileProvider::fetch() {
  versions_read_ = versions();
  const auto files = ProfileFiles::load(context_.environment);
  if (!files) return failure(files.error());
  const std::string name = profile_name(context_.environment, profile_);
  if (files->find(name) == nullptr) {
    const bool was_named = !profile_.empty() || !environment_profile(context_.environment).empty();
    if (!was_named) return std::nullopt;
    return run_error("profile " + name + " is in neither " +
                     ProfileFiles::config_path(context_.environment) + " nor " +
                     ProfileFiles::credentials_path(context_.environment));
  }
  Seen seen;
  return resolve(*files, name, seen);
}

CredentialProvider::Answer ProfileProvider::resolve(const ProfileFiles& files,
                                                    const std::string& name, Seen& seen) {
  const Profile* profile = files.find(name);
  if (profile == nullptr) return run_error("source_profile " + name + " does not exist");
  if (!seen.insert(name).second) {
    return run_error("profile " + name + " leads back to itself by source_profile");
  }
  if (!setting(*profile, "role_arn").empty()) return assume(files, name, *profile, seen);
  if (has_keys(*profile)) return static_keys(name, *profile);
  if (const std::string command = setting(*profile, "credential_process"); !command.empty()) {
    auto found = run_credential_process(command, kProcessDeadline);
    if (!found) return run_error("profile " + name + ": " + found.error().message);
    found->provider = "profile " + name + ", process";
    return std::move(*found);
  }
  if (profile->contains("sso_session") || profile->contains("sso_start_url")) {
    return run_error("profile " + name +
                     " signs in by SSO, which needs a person: use a role or credential_process");
  }
  return std::nullopt;  // a profile with nothing but, say, a region
}

CredentialProvider::Answer ProfileProvider::assume(const ProfileFiles& files,
                                                   const std::string& name, const Profile& profile,
                                                   Seen& seen) {
  const std::string token_file = setting(profile, "web_identity_token_file");
  if (!token_file.empty()) {
    auto found = WebIdentityProvider::fetch_with(context_, role_of(profile), token_file);
    if (!found) return run_error("profile " + name + ": " + found.error().message);
    found->provider = "profile " + name + ", web identity";
    return std::move(*found);
  }
  auto base = source_of_role(files, name, profile, seen);
  if (!base) return base;
  if (!*base) return run_error("profile " + name + ": its source has no credentials");
  auto found = assume_role(context_, role_of(profile), **base);
  if (!found) return run_error("profile " + name + ": " + found.error().message);
  found->provider = "profile " + name + ", role";
  return std::move(*found);
}

CredentialProvider::Answer ProfileProvider::source_of_role(const ProfileFiles& files,
                                                           const std::string& name,
                                                           const Profile& profile, Seen& seen) {
  const std::string source_profile = setting(profile, "source_profile");
  if (source_profile == name) return static_keys(name, profile);
  if (!source_profile.empty()) return resolve(files, source_profile, seen);
  const std::string source = setting(profile, "credential_source");
  if (source == "Environment") return EnvironmentProvider(context_).fetch();
  if (source == "EcsContainer") return ContainerProvider(context_).fetch();
  if (source == "Ec2InstanceMetadata") return InstanceProvider(context_).fetch();
  return run_error("profile " + name +
                   " has role_arn: add source_profile, credential_source (Environment, "
                   "EcsContainer, Ec2InstanceMetadata) or web_identity_token_file");
}

}  // namespace penstock::kinesis
