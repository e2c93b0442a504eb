#include "daemon/preflight.h"

#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "config/loader.h"

namespace penstock::daemon {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Preflight : public ::testing::Test {
 protected:
  Preflight() {
    std::string pattern = ::testing::TempDir() + "penstock-preflight-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~Preflight() override { std::filesystem::remove_all(directory_); }
  std::string write(const std::string& name, const std::string& text) {
    const std::string path = directory_ + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
    return path;
  }
  config::Environment environment() const {
    return {{"HOME", directory_}, {"AWS_REGION", "us-east-1"}};
  }
  config::Config loaded(const std::string& lines) {
    const auto result = config::load_text(
        "sources: [forward: {listen: \"127.0.0.1:0\"}]\nadmin: {listen: \"127.0.0.1:0\"}\n"
        "routes: [{stream: a}]\n" +
            lines,
        "t.yaml", environment());
    EXPECT_TRUE(result) << (result ? "" : to_string(result.error().front()));
    return result ? result->config : config::Config();
  }
  static std::string told(const std::vector<config::Problem>& problems) {
    std::string all;
    for (const config::Problem& problem : problems) all += to_string(problem) + "\n";
    return all;
  }
  std::string directory_;
};

TEST_F(Preflight, AConfigurationThatWorksRaisesNothing) {
  const config::Config config =
      loaded("streams: {a: {name: s}}\nspool: {directory: " + directory_ + "/spool}\n");
  EXPECT_EQ(told(check_settings(config, environment())), "");
  EXPECT_EQ(told(check_surroundings(config, environment())), "");
}

TEST_F(Preflight, NamedProfilesMustBeThere) {
  const config::Config config =
      loaded("streams: {a: {name: s, aws: {profile: audit}}}\naws: {profile: hub}\n");
  EXPECT_THAT(told(check_settings(config, environment())),
              AllOf(HasSubstr("aws.profile: profile 'hub' is in neither"),
                    HasSubstr("streams.a.aws.profile: profile 'audit' is in neither")));
  write(".aws/config", "[profile hub]\nregion=x\n[profile audit]\nregion=y\n");
  EXPECT_EQ(told(check_settings(config, environment())), "");
  write(".aws/config", "\xef\xbb\xbf[profile hub]\n");
  EXPECT_THAT(told(check_settings(config, environment())), HasSubstr("byte order mark"));
}

TEST_F(Preflight, SharedFilesThatDoNotParseStopTheChain) {
  const config::Config config = loaded("streams: {a: {name: s}}\n");
  write(".aws/credentials", "[default\nkey\n");
  EXPECT_EQ(told(check_settings(config, environment())), "");
  EXPECT_THAT(told(check_surroundings(config, environment())), HasSubstr("cannot be parsed"));
  config::Environment with_keys{{"HOME", directory_}, {"AWS_ACCESS_KEY_ID", "A"}};
  EXPECT_EQ(told(check_surroundings(config, with_keys)), "");
}

TEST_F(Preflight, EndpointsAreResolvedAsRunWill) {
  const auto problems = [&](const std::string& options) {
    return told(
        check_settings(loaded("streams: {a: {name: s, " + options + "}}\n"), environment()));
  };
  EXPECT_THAT(problems("endpoint: \"http://me:secret@x\""),
              AllOf(HasSubstr("streams.a: endpoint"), ::testing::Not(HasSubstr("secret"))));
  EXPECT_THAT(problems("endpoint: \"http://127.0.0.1:99999\""), HasSubstr("port"));
  EXPECT_THAT(problems("endpoint_mode: account"), HasSubstr("give the stream by arn"));
  EXPECT_EQ(problems("endpoint: \"http://127.0.0.1:4567\""), "");
}

TEST_F(Preflight, AddressesOfOtherMachinesAreTold) {
  config::Config config = loaded("streams: {a: {name: s}}\n");
  config.forward[0].listen = {"203.0.113.7", 24224};
  config.admin_listen = {"no-such-host.invalid", 9880};
  EXPECT_THAT(told(check_surroundings(config, environment())),
              AllOf(HasSubstr("source forward, listen: this machine cannot listen on 203.0.113.7"),
                    HasSubstr("admin.listen: 'no-such-host.invalid' is not an address")));
}

TEST_F(Preflight, DirectoriesThatCannotBeAreTold) {
  EXPECT_EQ(directory_complaint(directory_), "");
  EXPECT_EQ(directory_complaint(directory_ + "/new"), "");
  EXPECT_EQ(directory_complaint(directory_ + "/new/"), "");
  EXPECT_THAT(directory_complaint(directory_ + "/new/deep"), HasSubstr("No such file"));
  const std::string file = write("file", "");
  EXPECT_THAT(directory_complaint(file), HasSubstr("is not a directory"));
  EXPECT_NE(directory_complaint(file + "/spool"), "");
  if (::geteuid() == 0) return;  // root may write everywhere
  ::chmod(directory_.c_str(), 0500);
  EXPECT_THAT(directory_complaint(directory_), HasSubstr("cannot be written"));
  EXPECT_THAT(directory_complaint(directory_ + "/new"), HasSubstr("cannot be made in"));
  ::chmod(directory_.c_str(), 0700);
}

}  // namespace
}  // namespace penstock::daemon
