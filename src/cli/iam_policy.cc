// `penstock iam-policy`: the least the configured streams and roles need to be allowed.
#include "cli/iam_policy.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <set>

#include "cli/subcommands.h"
#include "config/loader.h"
#include "kinesis/control_json.h"
#include "kinesis/endpoint.h"

namespace penstock::cli {
namespace {

using kinesis::json_string;

struct PolicyOptions {
  std::string config_file;
  std::string account;
};

std::string arn_of(const config::StreamOptions& stream, const std::string& account) {
  if (!stream.arn.empty()) return stream.arn;
  const bool is_firehose = stream.kind == config::StreamKind::firehose;
  const std::string region = stream.region.empty() ? "*" : stream.region;
  return "arn:" + std::string(kinesis::partition_of(stream.region)) +
         (is_firehose ? ":firehose:" : ":kinesis:") + region + ":" +
         (account.empty() ? "*" : account) + (is_firehose ? ":deliverystream/" : ":stream/") +
         stream.name;
}

std::string json_list(const std::set<std::string>& items, const char* indent) {
  std::string text = "[";
  for (const std::string& item : items) {
    text += (text.size() > 1 ? ",\n" : "\n") + std::string(indent) + "  " + json_string(item);
  }
  return text + "\n" + indent + "]";
}

void add_statement(std::string& statements, const char* name, const std::set<std::string>& actions,
                   const std::set<std::string>& resources) {
  if (resources.empty()) return;
  if (!statements.empty()) statements += ",\n";
  statements +=
      "    {\n      \"Sid\": " + json_string(name) +
      ",\n      \"Effect\": \"Allow\",\n      \"Action\": " + json_list(actions, "      ") +
      ",\n      \"Resource\": " + json_list(resources, "      ") + "\n    }";
}

int print_policy(const PolicyOptions& options) {
  const auto loaded = config::load(options.config_file, config::Environment::of_process());
  if (!loaded) {
    report_error("the configuration has errors; see: penstock check" +
                 (options.config_file.empty() ? "" : " --config " + options.config_file));
    return kWrongUsage;
  }
  const config::Config& config = loaded->config;
  std::fputs(iam_policy(config, options.account).c_str(), stdout);
  if (!config.aws.assume_role.empty()) {
    std::fputs(
        "note: the statements on streams are for the last role of aws.assume_role, the one on "
        "sts:AssumeRole for whoever assumes each of them\n",
        stderr);
  }
  std::fputs(
      "note: streams encrypted with a key of your own also need kms:GenerateDataKey on that key\n",
      stderr);
  return std::fflush(stdout) == 0 ? kDone : kFailed;
}

}  // namespace

std::string iam_policy(const config::Config& config, const std::string& account) {
  std::set<std::string> streams, delivery_streams, roles;
  for (const config::StreamOptions& stream : config.streams) {
    (stream.kind == config::StreamKind::firehose ? delivery_streams : streams)
        .insert(arn_of(stream, account));
  }
  for (const config::AssumeRoleOptions& hop : config.aws.assume_role) roles.insert(hop.role_arn);

  std::string statements;
  add_statement(statements, "Deliver", {"kinesis:PutRecords"}, streams);
  // Delivery goes on without these, with limits as configured and no regard for shards.
  add_statement(statements, "Learn", {"kinesis:DescribeStreamSummary", "kinesis:ListShards"},
                streams);
  add_statement(statements, "DeliverToFirehose", {"firehose:PutRecordBatch"}, delivery_streams);
  // For `check --online` alone.
  add_statement(statements, "LearnOfFirehose", {"firehose:DescribeDeliveryStream"},
                delivery_streams);
  add_statement(statements, "AssumeRoles", {"sts:AssumeRole"}, roles);
  return "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n" + statements + "\n  ]\n}\n";
}

void register_iam_policy(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<PolicyOptions>();
  CLI::App* const command =
      app.add_subcommand("iam-policy", "Print the least-privilege IAM policy for a configuration");
  command
      ->add_option("--config", options->config_file,
                   "Configuration file (default /etc/penstock/penstock.yaml if it exists, else the "
                   "environment alone)")
      ->type_name("FILE");
  command
      ->add_option("--account", options->account,
                   "Account of streams that are given by name (default: any)")
      ->type_name("ID");
  command->footer(
      "Example:\n"
      "  penstock iam-policy --config penstock.yaml --account 111122223333 > policy.json");
  command->callback([options, &exit_code] { exit_code = print_policy(*options); });
}

}  // namespace penstock::cli
