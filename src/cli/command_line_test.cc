#include "cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "cli/subcommands.h"

namespace penstock::cli {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

struct Outcome {
  int exit_code;
  std::string out;
  std::string errors;
};

Outcome penstock(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "penstock");
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int exit_code = run_command_line(static_cast<int>(arguments.size()), arguments.data());
  return {exit_code, testing::internal::GetCapturedStdout(),
          testing::internal::GetCapturedStderr()};
}

std::string written(const std::string& name, const std::string& content) {
  const std::string path = testing::TempDir() + "command_line_test-" + name;
  std::ofstream(path, std::ios::trunc) << content;
  return path;
}

size_t lines_in(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

TEST(CommandLine, WithoutACommandIsWrongUsage) {
  const Outcome outcome = penstock({});
  EXPECT_EQ(outcome.exit_code, kWrongUsage);
  EXPECT_THAT(outcome.errors, AllOf(StartsWith("penstock: "), HasSubstr("penstock --help")));
  EXPECT_EQ(lines_in(outcome.errors), 1);
  EXPECT_THAT(outcome.out, IsEmpty());
}

TEST(CommandLine, WhatIsNearlyRightIsSuggested) {
  const auto error = [](const std::vector<const char*>& arguments) {
    return penstock(arguments).errors;
  };
  EXPECT_EQ(error({"check", "x", "--cofnig"}),
            "penstock: unknown option --cofnig; did you mean --config? (see: penstock check "
            "--help)\n");
  EXPECT_THAT(error({"chekc"}), HasSubstr("unknown command 'chekc'; did you mean check?"));
  EXPECT_THAT(error({"dead-letter", "lss", "x"}), HasSubstr("'lss'; did you mean ls?"));
  EXPECT_THAT(error({"forward"}), HasSubstr("unknown command 'forward' (see"));
  EXPECT_THAT(error({"tail", "--sream=x"}), HasSubstr("--sream; did you mean --stream?"));
}

TEST(CommandLine, CheckAsJsonIsOneDocumentWithEachProblem) {
  const std::string file = written("json.yaml", "streams: {a: {nme: s}}\n");
  const Outcome outcome = penstock({"check", file.c_str(), "--format", "json"});
  EXPECT_EQ(outcome.exit_code, kWrongUsage);
  EXPECT_THAT(outcome.errors, IsEmpty());
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("\"ok\": false"), HasSubstr("\"severity\": \"error\""),
                                 HasSubstr("streams.a.nme"), HasSubstr("\"line\": 1")));
}

// From the declarations: whatever is added to a command is in them.
TEST(CommandLine, CompletionAndManualNameEveryCommandAndOption) {
  const std::string bash = penstock({"completion", "bash"}).out;
  const std::string fish = penstock({"completion", "fish"}).out;
  const std::string manual = penstock({"man"}).out;
  for (const char* word : {"dead-letter", "replay", "--bearer-token-file", "--online", "top"}) {
    EXPECT_THAT(bash, HasSubstr(word));
  }
  EXPECT_THAT(fish, HasSubstr("-l bearer-token-file -r"));
  EXPECT_THAT(manual, HasSubstr(".SS penstock dead\\-letter replay\n"));
  EXPECT_THAT(manual, HasSubstr(".B \\-\\-bearer\\-token\\-file"));
  EXPECT_EQ(penstock({"completion", "csh"}).exit_code, kWrongUsage);
}

TEST(CommandLine, AnUnknownCommandOrOptionIsNamedInOneLine) {
  for (const std::vector<const char*>& arguments : {std::vector<const char*>{"forward"},
                                                    {"check", "--cofnig", "x"},
                                                    {"check", "--config"},
                                                    {"--log-level", "loud", "version"},
                                                    {"version", "extra"}}) {
    const Outcome outcome = penstock(arguments);
    EXPECT_EQ(outcome.exit_code, kWrongUsage) << arguments[0];
    EXPECT_EQ(lines_in(outcome.errors), 1) << outcome.errors;
    EXPECT_THAT(outcome.out, IsEmpty());
  }
  EXPECT_THAT(penstock({"forward"}).errors, HasSubstr("unknown command 'forward'"));
  EXPECT_THAT(penstock({"check", "--cofnig", "x"}).errors,
              AllOf(HasSubstr("--cofnig"), HasSubstr("penstock check --help")));
  EXPECT_THAT(penstock({"--log-level", "loud", "version"}).errors,
              HasSubstr("use debug, info, warn or error"));
}

TEST(CommandLine, HelpHasExamples) {
  const Outcome outcome = penstock({"--help"});
  EXPECT_EQ(outcome.exit_code, kDone);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("Examples:"), HasSubstr("check"), HasSubstr("version")));
  EXPECT_THAT(penstock({"check", "--help"}).out, HasSubstr("Example:"));
  EXPECT_THAT(penstock({"send", "--help"}).out, Not(HasSubstr("penstock run --config")));
}

TEST(CommandLine, GlobalOptionsMayFollowTheCommand) {
  EXPECT_EQ(penstock({"version", "--log-level", "warn", "--log-format", "logfmt"}).exit_code,
            kDone);
}

TEST(Version, NamesCommitCompilerAndLibraries) {
  const Outcome outcome = penstock({"version"});
  EXPECT_EQ(outcome.exit_code, kDone);
  EXPECT_THAT(outcome.out,
              AllOf(StartsWith("penstock 0."), HasSubstr("commit "), HasSubstr("compiler "),
                    HasSubstr("OpenSSL 3."), HasSubstr("libcurl 7."), HasSubstr("yaml-cpp 0.")));
  EXPECT_THAT(penstock({"--version"}).out, StartsWith("penstock 0."));
}

TEST(Check, AGoodFileIsSummedUpOnStdout) {
  const std::string path = written("good.yaml", R"(
sources: [{forward: {listen: "127.0.0.1:24224"}}]
routes: [{log_type: audit, stream: audit}, {stream: audit}]
streams: {audit: {name: my-audit, region: us-east-1}}
spool: {directory: /var/lib/penstock}
)");
  const Outcome outcome = penstock({"check", "--config", path.c_str()});
  EXPECT_EQ(outcome.exit_code, kDone);
  EXPECT_THAT(outcome.errors, IsEmpty());
  EXPECT_THAT(outcome.out,
              AllOf(StartsWith(path + ": ok\n"), HasSubstr("route log_type: audit: to audit\n"),
                    HasSubstr("stream audit: my-audit in us-east-1, ")));
}

TEST(Check, WarningsAreToldAndDoNotFail) {
  const std::string path = written("warned.yaml", R"(
sources: [forward]
streams: {audit: {name: my-audit, region: us-east-1}}
)");
  const Outcome outcome = penstock({"check", "--config", path.c_str()});
  EXPECT_EQ(outcome.exit_code, kDone);
  EXPECT_THAT(outcome.errors,
              AllOf(StartsWith("warning: " + path), HasSubstr("dropped and counted")));
}

TEST(Check, EveryProblemIsToldWithFileLineKeyAndCure) {
  const std::string path = written("bad.yaml", R"(sources: [forward]
streams: {audit: {nam: x, region: us-east-1}}
memory_limit: 1k
)");
  const Outcome outcome = penstock({"check", "--config", path.c_str()});
  EXPECT_EQ(outcome.exit_code, kWrongUsage);
  EXPECT_THAT(outcome.out, IsEmpty());
  EXPECT_THAT(outcome.errors,
              AllOf(HasSubstr("error: " + path +
                              ":2: streams.audit.nam: unknown key (cure: did you mean 'name'?)\n"),
                    HasSubstr("error: " + path + ":3: memory_limit: 1KiB is too little")));
}

TEST(Check, APatternThatTheRouterRefusesIsTold) {
  std::string tag = "a";
  for (int i = 0; i < 2000; ++i) tag += ".b" + std::to_string(i);
  const std::string path = written("pattern.yaml", "sources: [forward]\nroutes: [{tag: \"" + tag +
                                                       "\", stream: a}]\nstreams: {a: {name: s, "
                                                       "region: r-1}}\n");
  const Outcome outcome = penstock({"check", "--config", path.c_str()});
  EXPECT_EQ(outcome.exit_code, kWrongUsage);
  EXPECT_THAT(outcome.errors, HasSubstr("error: " + path + ": routes: "));
}

TEST(Check, AMissingFileIsWrongUsage) {
  const Outcome outcome = penstock({"check", "--config", "/none/penstock.yaml"});
  EXPECT_EQ(outcome.exit_code, kWrongUsage);
  EXPECT_THAT(outcome.errors, HasSubstr("cannot read /none/penstock.yaml: No such file"));
}

TEST(Check, ACertificateThatDoesNotLoadIsTold) {
  const std::string cert =
      written("tls.crt", "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n");
  const std::string key =
      written("tls.key", "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n");
  const std::string path =
      written("tls.yaml", "sources: [{forward: {tls: {cert: " + cert + ", key: " + key +
                              "}}}]\nstreams: {a: {name: s, region: r-1}}\n");
  const Outcome outcome = penstock({"check", "--config", path.c_str()});
  EXPECT_EQ(outcome.exit_code, kWrongUsage);
  EXPECT_THAT(outcome.errors,
              AllOf(HasSubstr("sources[0].forward.tls.cert"), HasSubstr("tls.crt")));
}

}  // namespace
}  // namespace penstock::cli
