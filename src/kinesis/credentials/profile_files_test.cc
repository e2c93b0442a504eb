#include "kinesis/credentials/profile_files.h"

#include <gmock/gmock.h>
#include <simdjson.h>

#include <filesystem>
#include <fstream>

#include "base/test_data.h"

namespace penstock::kinesis {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// tests/data/aws_shared_files.json holds files, and what boto3 made of them.
TEST(ProfileFiles, EveryFileIsReadAsBoto3ReadsIt) {
  simdjson::dom::parser parser;
  const simdjson::dom::element recorded = parser.load(test_data() + "/aws_shared_files.json");
  size_t compared = 0;
  for (const simdjson::dom::element each : recorded["cases"].get_array()) {
    SCOPED_TRACE(std::string(each["name"].get_string().value()));
    ++compared;
    const auto files = ProfileFiles::parse(each["config"].get_string().value(),
                                           each["credentials"].get_string().value());
    simdjson::dom::object profiles;
    if (each["profiles"].get(profiles) != simdjson::SUCCESS) {
      EXPECT_FALSE(files);
      continue;
    }
    ASSERT_TRUE(files) << files.error().message;
    for (const auto [name, expected] : profiles) {
      const Profile* profile = files->find(name);
      ASSERT_NE(profile, nullptr) << name;
      const simdjson::dom::object values = expected.get_object();
      EXPECT_EQ(profile->size(), values.size()) << name;
      for (const auto [key, value] : values) {
        ASSERT_TRUE(profile->contains(key)) << name << "." << key;
        if (!value.is_null()) {
          EXPECT_EQ(setting(*profile, key), value.get_string().value()) << name << "." << key;
        }
      }
    }
    for (const char* name : {"default", "audit", "a", "b", "two words", "two", "y", "it's", "x"}) {
      EXPECT_EQ(files->find(name) != nullptr, profiles[name].error() == simdjson::SUCCESS) << name;
    }
  }
  EXPECT_GT(compared, 45u);
}

TEST(ProfileFiles, CommentsBehindValuesAreLeftOutButOfCommands) {
  const auto files = ProfileFiles::parse(
      "[default]\nregion = us-east-1  # here\noutput = a#b\nrole_arn = x ; y\n"
      "credential_process = one ; two # three\n",
      "");
  ASSERT_TRUE(files);
  const Profile& profile = *files->find("default");
  EXPECT_EQ(setting(profile, "region"), "us-east-1");
  EXPECT_EQ(setting(profile, "output"), "a#b");
  EXPECT_EQ(setting(profile, "role_arn"), "x");
  EXPECT_EQ(setting(profile, "credential_process"), "one ; two # three");
}

TEST(ProfileFiles, WhatCannotBeParsedNamesFileAndCureButNoSecret) {
  const auto marked = ProfileFiles::parse("", "\xef\xbb\xbf[default]\na=s3cret\n", "c", "/x/creds");
  ASSERT_FALSE(marked);
  EXPECT_THAT(marked.error().message, AllOf(HasSubstr("/x/creds"), HasSubstr("byte order mark"),
                                            HasSubstr("UTF-8"), Not(HasSubstr("s3cret"))));
  const auto wide = ProfileFiles::parse(std::string_view("[\0d\0]\0", 6), "", "/x/config");
  ASSERT_FALSE(wide);
  EXPECT_THAT(wide.error().message, AllOf(HasSubstr("/x/config"), HasSubstr("UTF-16")));
  const auto broken = ProfileFiles::parse("", "[default]\nwJalrXUtnFEMI\n", "c", "/x/creds");
  ASSERT_FALSE(broken);
  EXPECT_THAT(broken.error().message,
              AllOf(HasSubstr("/x/creds"), HasSubstr("line 2"), Not(HasSubstr("wJalr"))));
}

Environment environment_of(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const char* name) -> std::string {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  };
}

TEST(ProfileFiles, ProfileOfTheEnvironmentIsBoto3s) {
  EXPECT_EQ(profile_name(environment_of({}), ""), "default");
  EXPECT_EQ(profile_name(environment_of({{"AWS_PROFILE", "a"}}), ""), "a");
  EXPECT_EQ(profile_name(environment_of({{"AWS_PROFILE", "a"}, {"AWS_DEFAULT_PROFILE", "b"}}), ""),
            "b");
  EXPECT_EQ(profile_name(environment_of({{"AWS_PROFILE", "a\n"}, {"AWS_DEFAULT_PROFILE", ""}}), ""),
            "a");
  EXPECT_EQ(profile_name(environment_of({{"AWS_PROFILE", "a"}}), "c"), "c");
}

TEST(ProfileFiles, PathsMayBeginWithTheHomeDirectory) {
  const Environment environment = environment_of(
      {{"HOME", "/users/me"}, {"AWS_CONFIG_FILE", "~/aws.ini"}, {"AWS_PROFILE", "x"}});
  EXPECT_EQ(ProfileFiles::config_path(environment), "/users/me/aws.ini");
  EXPECT_EQ(ProfileFiles::credentials_path(environment), "/users/me/.aws/credentials");
  EXPECT_EQ(ProfileFiles::config_path(environment_of({{"AWS_CONFIG_FILE", "/x/y\n"}})), "/x/y");
}

}  // namespace
}  // namespace penstock::kinesis
