// A profile of the shared files: static keys, role_arn with source_profile, credential_source or a
// web identity token, and credential_process. The files are read again at each fetch.
#pragma once

#include <set>
#include <string>

#include "kinesis/credentials/profile_files.h"
#include "kinesis/credentials/provider.h"

namespace penstock::kinesis {

class ProfileProvider final : public CredentialProvider {
 public:
  // profile: "" takes AWS_PROFILE or "default".
  ProfileProvider(const CredentialContext& context, std::string profile);
  [[nodiscard]] Answer fetch() override;
  [[nodiscard]] bool changed() override;

 private:
  using Seen = std::set<std::string>;
  [[nodiscard]] Answer resolve(const ProfileFiles& files, const std::string& name, Seen& seen);
  [[nodiscard]] Answer assume(const ProfileFiles& files, const std::string& name,
                              const Profile& profile, Seen& seen);
  [[nodiscard]] Answer source_of_role(const ProfileFiles& files, const std::string& name,
                                      const Profile& profile, Seen& seen);
  [[nodiscard]] std::string versions() const;

  const CredentialContext& context_;
  const std::string profile_;
  std::string versions_read_;
};

}  // namespace penstock::kinesis
