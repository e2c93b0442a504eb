#include <gmock/gmock.h>
#include <signal.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "kinesis/credentials/chain.h"
#include "kinesis/credentials/container_provider.h"
#include "kinesis/credentials/credential_document.h"
#include "kinesis/credentials/process_provider.h"
#include "net/scripted_http_server.h"

namespace penstock::kinesis {
namespace {

using net::ScriptedHttpServer;
using Reply = ScriptedHttpServer::Reply;
using Request = ScriptedHttpServer::Request;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const char kDocument[] =
    R"({"Code":"Success","AccessKeyId":"ASIA1","SecretAccessKey":"s3cret","Token":"tok",)"
    R"("Expiration":"2030-01-02T03:04:05Z","AccountId":"111122223333"})";

std::string sts_answer(const std::string& id) {
  return "<R><Credentials><AccessKeyId>" + id +
         "</AccessKeyId><SecretAccessKey>s3cret</SecretAccessKey><SessionToken>tok</SessionToken>"
         "<Expiration>2030-01-02T03:04:05Z</Expiration></Credentials><AssumedRoleUser><Arn>"
         "arn:aws:sts::111122223333:assumed-role/r/penstock</Arn></AssumedRoleUser></R>";
}

Reply reply(std::string body, int status = 200) {
  Reply answer;
  answer.status = status;
  answer.body = std::move(body);
  return answer;
}

class Providers : public ::testing::Test {
 protected:
  Providers() {
    char path[] = "/tmp/penstock-providers-XXXXXX";
    directory_ = ::mkdtemp(path);
    // Nothing of the machine this runs on.
    variables_ = {
        {"HOME", directory_}, {"AWS_REGION", "eu-west-1"}, {"AWS_EC2_METADATA_DISABLED", "true"}};
  }
  ~Providers() override { std::filesystem::remove_all(directory_); }

  std::string write(const std::string& name, const std::string& text) {
    const std::string path = directory_ + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
    return path;
  }
  CredentialProvider::Answer fetch() { return chain().fetch(); }
  CredentialChain chain() {
    return CredentialChain(
        options_, [this](const char* name) { return variables_[name]; }, clock_);
  }

  std::string directory_;
  std::map<std::string, std::string> variables_;
  CredentialOptions options_;
  ManualClock clock_;
};

TEST_F(Providers, EnvironmentKeysWin) {
  variables_["AWS_ACCESS_KEY_ID"] = "AKIA1";
  variables_["AWS_SECRET_ACCESS_KEY"] = "secret";
  variables_["AWS_SESSION_TOKEN"] = "token";
  write(".aws/credentials", "[default]\naws_access_key_id=B\naws_secret_access_key=b\n");
  const auto found = fetch();
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ((*found)->access_key_id, "AKIA1");
  EXPECT_EQ((*found)->session_token, "token");
  EXPECT_EQ((*found)->provider, "environment");
  EXPECT_FALSE((*found)->expiry);
}

// Values come from Secrets that were made with `echo` and files that an editor ended in a line
// break.
TEST_F(Providers, WhiteSpaceAroundTheEnvironmentsKeysIsLeftOut) {
  variables_["AWS_ACCESS_KEY_ID"] = "AKIA1\n";
  variables_["AWS_SECRET_ACCESS_KEY"] = " secret\r\n";
  variables_["AWS_SESSION_TOKEN"] = "token\n\n";
  const auto found = fetch();
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ((*found)->access_key_id, "AKIA1");
  EXPECT_EQ((*found)->secret_access_key, "secret");
  EXPECT_EQ((*found)->session_token, "token");
}

TEST_F(Providers, KeysThatWouldBreakAHeaderAreRejectedWherever) {
  variables_["AWS_ACCESS_KEY_ID"] = "AKIA1\nX-Evil: 1";
  variables_["AWS_SECRET_ACCESS_KEY"] = "s3cret";
  EXPECT_THAT(fetch().error().message, AllOf(HasSubstr("access key id (environment)"),
                                             HasSubstr("line break"), Not(HasSubstr("Evil"))));
  variables_["AWS_ACCESS_KEY_ID"] = "\"AKIA1\"";
  EXPECT_THAT(fetch().error().message, HasSubstr("a quote"));
  variables_["AWS_ACCESS_KEY_ID"] = variables_["AWS_SECRET_ACCESS_KEY"] = "";
  write(".aws/credentials",
        "[default]\naws_access_key_id=A\naws_secret_access_key=b\naws_session_token=t\n  more\n");
  EXPECT_THAT(fetch().error().message,
              AllOf(HasSubstr("session token (profile default)"), HasSubstr("line break")));
  write(".aws/credentials", "");
  write(".aws/config",
        "[default]\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"P\","
        "\"SecretAccessKey\":\"p q\"}'\n");
  EXPECT_THAT(fetch().error().message, HasSubstr("a blank"));
}

TEST_F(Providers, HalfAPairInTheEnvironmentIsAnErrorAndNotTheNextProvider) {
  variables_["AWS_ACCESS_KEY_ID"] = "AKIA1";
  write(".aws/credentials", "[default]\naws_access_key_id=B\naws_secret_access_key=b\n");
  const auto found = fetch();
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().message, HasSubstr("AWS_SECRET_ACCESS_KEY"));
}

TEST_F(Providers, NothingConfiguredSaysWhatCouldBe) {
  const auto found = fetch();
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().message, HasSubstr("AWS_ACCESS_KEY_ID"));
}

TEST_F(Providers, SharedFilesAreReadAgainWhenTheyChange) {
  const std::string path =
      write(".aws/credentials", "[default]\naws_access_key_id=A\naws_secret_access_key=a\n");
  CredentialChain files = chain();
  EXPECT_EQ((*files.fetch())->access_key_id, "A");
  EXPECT_FALSE(files.changed());
  write(".aws/credentials.new", "[default]\naws_access_key_id=ROTATED\naws_secret_access_key=b\n");
  std::filesystem::rename(directory_ + "/.aws/credentials.new", path);
  EXPECT_TRUE(files.changed());
  EXPECT_EQ((*files.fetch())->access_key_id, "ROTATED");
  EXPECT_FALSE(files.changed());
}

TEST_F(Providers, ConfiguredProfileIsTakenBeforeTheEnvironmentAndMustExist) {
  variables_["AWS_ACCESS_KEY_ID"] = "AKIA1";
  variables_["AWS_SECRET_ACCESS_KEY"] = "secret";
  options_.profile = "audit";
  EXPECT_THAT(fetch().error().message, HasSubstr("profile audit"));
  write(".aws/config",
        "[profile audit]\naws_access_key_id=C\naws_secret_access_key=c\naws_session_token=t\n");
  const auto found = fetch();
  ASSERT_TRUE(found);
  EXPECT_EQ((*found)->access_key_id, "C");
  EXPECT_EQ((*found)->session_token, "t");
  EXPECT_EQ((*found)->provider, "profile audit");
}

TEST_F(Providers, ProcessOfAProfileIsRun) {
  write(".aws/config",
        "[default]\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"P\","
        "\"SecretAccessKey\":\"p\",\"SessionToken\":\"t\",\"Expiration\":"
        "\"2030-01-02T03:04:05Z\"}'\n");
  const auto found = fetch();
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ((*found)->access_key_id, "P");
  EXPECT_EQ((*found)->session_token, "t");
  EXPECT_EQ((*found)->expiry, WallTime(seconds(1893553445)));
}

// "Never", as some agents say it: beyond what a WallTime can hold.
TEST_F(Providers, AnExpirationInTheYear9999LiesInTheFuture) {
  write(".aws/config",
        "[default]\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"P\","
        "\"SecretAccessKey\":\"p\",\"Expiration\":\"9999-12-31T23:59:59Z\"}'\n");
  const auto found = fetch();
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_TRUE((*found)->expiry);
  EXPECT_GT(*(*found)->expiry, WallTime(seconds(7'000'000'000)));
}

TEST_F(Providers, ExpirationsOfProcessesAreTakenAsBoto3TakesThem) {
  const WallTime expected(seconds(1893553445));  // 2030-01-02T03:04:05Z
  for (const char* text :
       {"2030-01-02T03:04:05Z", "2030-01-02T03:04:05UTC", "2030-01-02T03:04:05 UTC",
        "2030-01-02T03:04:05+0000", "2030-01-02 03:04:05+00:00", "2030-01-02T03:04:05+00",
        "2030-01-02T03:04:05", "2030-01-02T03:04:05.123456", "2030-01-02T03:04:05.123456789Z",
        "20300102T030405Z", "2030-01-02T04:04:05+0100", "2030-01-01T19:04:05-08:00",
        " 2030-01-02T03:04:05 GMT\n"}) {
    const auto expiry = parse_expiration(text, "x");
    ASSERT_TRUE(expiry) << text;
    EXPECT_EQ(*expiry, expected) << text;
  }
  EXPECT_EQ(*parse_expiration("2030-01-02T03:04Z", "x"), WallTime(seconds(1893553440)));
  EXPECT_EQ(*parse_expiration("2030-01-02", "x"), WallTime(seconds(1893542400)));
  for (const char* text : {"", "soon", "2030-13-02T03:04:05Z", "1893553445",
                           "2030-01-02T03:04:05+9", "2030-01-02T", "2030-01-02T03:04:05EST", "2030",
                           "T", "+", "Z", "20300102T03040", "2030-01-02T25:04:05Z"}) {
    EXPECT_FALSE(parse_expiration(text, "x")) << text;
  }
}

TEST_F(Providers, ProcessesMustNameTheVersionOfTheirFormat) {
  const std::string keys = R"("AccessKeyId":"P","SecretAccessKey":"p"})";
  EXPECT_TRUE(run_credential_process("echo '{\"Version\":1," + keys + "'", seconds(10)));
  EXPECT_FALSE(run_credential_process("echo '{\"Version\":2," + keys + "'", seconds(10)));
  EXPECT_THAT(run_credential_process("echo '{" + keys + "'", seconds(10)).error().message,
              HasSubstr("Version"));
}

TEST_F(Providers, OutputCountsOnceTheProcessHasEndedThoughAChildKeepsItsPipe) {
  const auto started = std::chrono::steady_clock::now();
  const auto found = run_credential_process(
      "sleep 1000 & echo $! >" + directory_ +
          "/child; echo '{\"Version\":1,\"AccessKeyId\":\"P\",\"SecretAccessKey\":\"p\"}'",
      seconds(20));
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->access_key_id, "P");
  EXPECT_LT(std::chrono::steady_clock::now() - started, seconds(15));
  pid_t child = 0;
  std::ifstream(directory_ + "/child") >> child;
  ASSERT_GT(child, 1);
  EXPECT_EQ(::kill(child, SIGKILL), 0);  // it still ran: only our wait for it is over
}

TEST_F(Providers, OutputLargerThanAPipeIsReadWhole) {
  const auto found = run_credential_process(
      "echo '{\"Version\":1,\"AccessKeyId\":\"P\",\"SecretAccessKey\":\"p\",\"SessionToken\":\"'"
      "$(head -c 60000 /dev/zero | tr '\\0' x)'\"}'",
      seconds(20));
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->session_token.size(), 60000u);
}

TEST_F(Providers, ProcessesThatFailHangOrBabbleAreEnded) {
  EXPECT_THAT(run_credential_process("exit 3", seconds(10)).error().message,
              HasSubstr("exit code 3"));
  EXPECT_THAT(run_credential_process("sleep 1000 & sleep 1000", milliseconds(50)).error().message,
              HasSubstr("in time"));
  EXPECT_THAT(run_credential_process("yes secret", seconds(10)).error().message,
              AllOf(HasSubstr("too much"), Not(HasSubstr("secret"))));
  EXPECT_FALSE(run_credential_process("echo nonsense", seconds(10)));
}

TEST_F(Providers, SourceProfileSignsForTheRole) {
  ScriptedHttpServer sts([](const Request&) { return reply(sts_answer("ASIAROLE")); });
  variables_["AWS_ENDPOINT_URL_STS"] = sts.url();
  write(".aws/config",
        "[default]\nrole_arn = arn:aws:iam::111122223333:role/logs\nsource_profile = base\n"
        "external_id = x/y z\nrole_session_name=me\nduration_seconds=900\nregion=eu-north-1\n");
  write(".aws/credentials", "[base]\naws_access_key_id=BASE\naws_secret_access_key=b\n");
  const auto found = fetch();
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ((*found)->access_key_id, "ASIAROLE");
  EXPECT_EQ((*found)->account_id, "111122223333");
  EXPECT_EQ((*found)->provider, "profile default, role");
  ASSERT_TRUE((*found)->expiry);
  const Request seen = sts.requests().at(0);
  EXPECT_EQ(seen.body,
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%"
            "2Flogs&RoleSessionName=me&DurationSeconds=900&ExternalId=x%2Fy%20z");
  EXPECT_THAT(seen.headers.at("authorization"),
              AllOf(StartsWith("AWS4-HMAC-SHA256 Credential=BASE/"),
                    HasSubstr("/eu-north-1/sts/aws4_request")));
}

TEST_F(Providers, ProfilesInACircleAreNoticed) {
  write(".aws/config",
        "[default]\nrole_arn=arn:aws:iam::1:role/a\nsource_profile=other\n"
        "[profile other]\nrole_arn=arn:aws:iam::1:role/b\nsource_profile=default\n");
  EXPECT_THAT(fetch().error().message, HasSubstr("itself"));
}

TEST_F(Providers, ProfileThatIsItsOwnSourceUsesItsKeys) {
  ScriptedHttpServer sts([](const Request&) { return reply(sts_answer("ASIASELF")); });
  variables_["AWS_ENDPOINT_URL_STS"] = sts.url();
  write(".aws/credentials",
        "[default]\naws_access_key_id=SELF\naws_secret_access_key=b\n"
        "role_arn=arn:aws:iam::1:role/a\nsource_profile=default\n");
  const auto found = fetch();
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_THAT(sts.requests().at(0).headers.at("authorization"), HasSubstr("Credential=SELF/"));
}

TEST_F(Providers, WebIdentityReadsItsTokenFileForEachCallAndDoesNotSign) {
  int calls = 0;
  ScriptedHttpServer sts(
      [&](const Request&) { return reply(sts_answer("ASIAWEB" + std::to_string(++calls))); });
  variables_["AWS_ENDPOINT_URL_STS"] = sts.url();
  variables_["AWS_ROLE_ARN"] = "arn:aws:iam::111122223333:role/logs";
  variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = write("token", "jwt-1\n");
  CredentialChain web = chain();
  const auto first = web.fetch();
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ((*first)->provider, "web identity");
  write("token", "jwt-2\n");
  EXPECT_EQ((*web.fetch())->access_key_id, "ASIAWEB2");
  EXPECT_THAT(sts.requests().at(0).body, AllOf(HasSubstr("Action=AssumeRoleWithWebIdentity&"),
                                               HasSubstr("&WebIdentityToken=jwt-1")));
  EXPECT_THAT(sts.requests().at(1).body, HasSubstr("&WebIdentityToken=jwt-2"));
  EXPECT_FALSE(sts.requests().at(0).headers.contains("authorization"));
}

TEST_F(Providers, StsRefusalsSayWhyAndFaultsAreTriedAgain) {
  int calls = 0;
  ScriptedHttpServer sts([&](const Request&) {
    if (++calls == 1) return reply("<ErrorResponse/>", 503);
    return reply(
        "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User "
        "may not</Message></Error></ErrorResponse>",
        403);
  });
  variables_["AWS_ENDPOINT_URL_STS"] = sts.url();
  variables_["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/r";
  variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = write("token", "secret-jwt");
  const auto found = fetch();
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().message, AllOf(HasSubstr("AccessDenied"), HasSubstr("User may not"),
                                           Not(HasSubstr("secret-jwt"))));
  EXPECT_EQ(calls, 2);
}

TEST_F(Providers, AssumeRoleHopsGoOnTopOfTheChain) {
  int calls = 0;
  ScriptedHttpServer sts(
      [&](const Request&) { return reply(sts_answer("HOP" + std::to_string(++calls))); });
  variables_["AWS_ENDPOINT_URL_STS"] = sts.url();
  variables_["AWS_ACCESS_KEY_ID"] = "AKIA1";
  variables_["AWS_SECRET_ACCESS_KEY"] = "secret";
  options_.assume_role.resize(2);
  options_.assume_role[0].role_arn = "arn:aws:iam::1:role/first";
  options_.assume_role[1].role_arn = "arn:aws:iam::2:role/second";
  options_.assume_role[1].external_id = "shared";
  const auto found = fetch();
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ((*found)->access_key_id, "HOP2");
  EXPECT_EQ((*found)->provider,
            "environment > arn:aws:iam::1:role/first > arn:aws:iam::2:role/second");
  EXPECT_THAT(sts.requests().at(0).headers.at("authorization"), HasSubstr("Credential=AKIA1/"));
  EXPECT_THAT(sts.requests().at(1).headers.at("authorization"), HasSubstr("Credential=HOP1/"));
  EXPECT_EQ(sts.requests().at(1).headers.at("x-amz-security-token"), "tok");
  EXPECT_THAT(sts.requests().at(1).body, HasSubstr("ExternalId=shared"));
}

TEST_F(Providers, ContainerAgentIsAskedWithTheTokenOfItsFile) {
  ScriptedHttpServer agent([](const Request&) { return reply(kDocument); });
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = agent.url("/v1/credentials");
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "ignored";
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = write("token", "from-file\n");
  const auto found = fetch();
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ((*found)->access_key_id, "ASIA1");
  EXPECT_EQ((*found)->session_token, "tok");
  EXPECT_EQ((*found)->account_id, "111122223333");
  EXPECT_EQ((*found)->provider, "container");
  EXPECT_EQ(agent.requests().at(0).headers.at("authorization"), "from-file");
  EXPECT_EQ(agent.requests().at(0).target, "/v1/credentials");
}

TEST_F(Providers, ContainerTokensWithLineBreaksAndFaultyAgentsAreRefused) {
  ScriptedHttpServer agent([](const Request&) { return reply("busy", 500); });
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = agent.url();
  EXPECT_THAT(fetch().error().message, HasSubstr("HTTP 500"));
  EXPECT_EQ(agent.requests().size(), 3u);
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "a\r\nX-Evil: 1";
  EXPECT_THAT(fetch().error().message, HasSubstr("line break"));
}

TEST_F(Providers, PlainHttpIsForContainerAgentsOnly) {
  for (const char* url :
       {"http://169.254.170.2/x", "http://169.254.170.23/v1/credentials",
        "http://[fd00:ec2::23]/v1", "http://127.0.0.1:8080/", "https://anywhere.example/"}) {
    EXPECT_TRUE(ContainerProvider::is_trusted(url)) << url;
  }
  for (const char* url : {"http://169.254.169.254/", "http://evil.example/", "ftp://127.0.0.1/",
                          "http://127.0.0.1.evil.example/", "http://127.0.0.1@evil.example/",
                          "http://169.254.170.2.evil/"}) {
    EXPECT_FALSE(ContainerProvider::is_trusted(url)) << url;
  }
}

// The metadata service, version 2, with a token that can be made stale.
class Metadata {
 public:
  Metadata() : server([this](const Request& request) { return answer(request); }) {}

  Reply answer(const Request& request) {
    if (refusal != 0 && request.target == "/latest/api/token") return reply("", refusal);
    if (request.target == "/latest/api/token") {
      if (request.method != "PUT" ||
          !request.headers.contains("x-aws-ec2-metadata-token-ttl-seconds")) {
        return reply("", 400);
      }
      return reply("token-" + std::to_string(++tokens));
    }
    const auto token = request.headers.find("x-aws-ec2-metadata-token");
    const bool is_version_1 = token == request.headers.end() && takes_version_1;
    if (!is_version_1 &&
        (token == request.headers.end() || token->second != "token-" + std::to_string(tokens))) {
      return reply("", 401);
    }
    if (request.target == "/latest/meta-data/iam/security-credentials/") {
      return has_role ? reply("my-role\n") : reply("", 404);
    }
    if (request.target == "/latest/meta-data/iam/security-credentials/my-role") {
      return reply(kDocument);
    }
    return reply("", 404);
  }

  int tokens = 0;
  int refusal = 0;  // the status of every PUT for a token
  bool takes_version_1 = false;
  bool has_role = true;
  ScriptedHttpServer server;
};

TEST_F(Providers, InstanceMetadataIsAskedWithASessionToken) {
  Metadata metadata;
  variables_["AWS_EC2_METADATA_DISABLED"] = "";
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = metadata.server.url("/");
  CredentialChain instance = chain();
  const auto found = instance.fetch();
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ((*found)->access_key_id, "ASIA1");
  EXPECT_EQ((*found)->provider, "instance metadata");
  EXPECT_TRUE(instance.fetch());
  EXPECT_EQ(metadata.tokens, 1);
  metadata.tokens = 7;  // it has forgotten ours
  EXPECT_TRUE(instance.fetch());
  EXPECT_EQ(metadata.tokens, 8);
}

TEST_F(Providers, MetadataServicesThatRefuseTheTokenAreAskedWithoutOneAsTheSdksDo) {
  for (const int status : {403, 404, 405}) {
    SCOPED_TRACE(status);
    Metadata metadata;
    metadata.refusal = status;
    metadata.takes_version_1 = true;
    variables_["AWS_EC2_METADATA_DISABLED"] = "";
    variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = metadata.server.url();
    const auto found = fetch();
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ((*found)->access_key_id, "ASIA1");

    metadata.takes_version_1 = false;
    EXPECT_THAT(fetch().error().message, HasSubstr("hop limit must be at least 2"));

    metadata.takes_version_1 = true;
    variables_["AWS_EC2_METADATA_V1_DISABLED"] = "true";
    EXPECT_THAT(fetch().error().message, AllOf(HasSubstr("HTTP " + std::to_string(status)),
                                               HasSubstr("AWS_EC2_METADATA_V1_DISABLED")));
    variables_["AWS_EC2_METADATA_V1_DISABLED"] = "";
  }
  Metadata broken;
  broken.refusal = 500;
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = broken.server.url();
  EXPECT_THAT(fetch().error().message, HasSubstr("HTTP 500"));
}

TEST_F(Providers, InstanceWithoutARoleAndSilentMetadataSayWhatToDo) {
  Metadata metadata;
  metadata.has_role = false;
  variables_["AWS_EC2_METADATA_DISABLED"] = "";
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = metadata.server.url();
  EXPECT_THAT(fetch().error().message, HasSubstr("no role"));

  ScriptedHttpServer silent([](const Request&) {
    Reply nothing;
    nothing.action = Reply::Action::close;
    return nothing;
  });
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = silent.url();
  EXPECT_THAT(fetch().error().message, HasSubstr("hop limit"));
}

}  // namespace
}  // namespace penstock::kinesis
