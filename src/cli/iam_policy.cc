// `penstock iam-policy`: the least the configured streams and roles need to be allowed.
#include "cli/iam_policy.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <set>
#include <vector>

#include "cli/config_option.h"
#include "cli/subcommands.h"
#include "codec/json_writer.h"
#include "config/loader.h"
#include "kinesis/endpoint.h"

namespace penstock::cli {
namespace {

using codec::json_string;

struct PolicyOptions {
  std::string config_file;
  std::string account;
  bool reader = false;
};

// What is given by name lives in the account of the last role that is taken on.
std::string account_of(const config::Identity& identity, const std::string& given) {
  if (identity.assume_role.empty()) return given;
  const auto role = kinesis::parse_arn(identity.assume_role.back().role_arn);
  return role && !role->account_id.empty() ? role->account_id : given;
}

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

// What is wrong with the rest of the configuration, such as a certificate that does not exist yet,
// changes no policy. What is wrong with streams or `aws` does.
bool concerns_policy(const config::Problem& problem) {
  if (problem.message.starts_with("no region is known")) return false;  // "*" will do
  return problem.severity == config::Severity::error &&
         (problem.key.empty() || problem.key.starts_with("streams") ||
          problem.key.starts_with("aws.assume_role") || problem.key == "KINESIS_STREAM_NAME" ||
          problem.key == "LOGGINGNAMES");
}

std::vector<config::Identity> identities_of(const config::Config& config) {
  std::vector<config::Identity> identities;
  for (const config::StreamOptions& stream : config.streams) {
    config::Identity identity = config::identity_of(stream, config.aws);
    const auto known = std::find(identities.begin(), identities.end(), identity);
    if (known == identities.end()) identities.push_back(std::move(identity));
  }
  return identities;
}

std::string document_of(const std::string& statements) {
  return "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n" + statements + "\n  ]\n}\n";
}

std::string policy_of(const config::Config& config, const config::Identity& identity,
                      const std::string& account) {
  std::set<std::string> streams, delivery_streams, roles;
  for (const config::StreamOptions& stream : config.streams) {
    if (config::identity_of(stream, config.aws) != identity) continue;
    (stream.kind == config::StreamKind::firehose ? delivery_streams : streams)
        .insert(arn_of(stream, account_of(identity, account)));
  }
  for (const config::AssumeRoleOptions& hop : identity.assume_role) roles.insert(hop.role_arn);

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
  return document_of(statements);
}

void print_notes(const config::Config& config) {
  bool has_roles = false;
  for (const config::Identity& identity : identities_of(config)) {
    has_roles = has_roles || !identity.assume_role.empty();
  }
  if (has_roles) {
    std::fputs(
        "note: the statements on streams are for the last role of assume_role, the one on "
        "sts:AssumeRole for whoever assumes each of them\n",
        stderr);
  }
  std::fputs(
      "note: the statement Learn is optional: without it delivery keeps to the configured limits "
      "and knows no shards\n"
      "note: streams encrypted with a key of your own also need kms:GenerateDataKey on that key\n",
      stderr);
}

int print_policy(const PolicyOptions& options) {
  const auto reading =
      config::read_configuration(options.config_file, config::Environment::of_process());
  bool is_usable = reading.config.has_value() && !reading.config->streams.empty();
  for (const config::Problem& problem : reading.problems) {
    if (problem.severity != config::Severity::error) continue;
    const bool is_fatal = !is_usable || concerns_policy(problem);
    is_usable = is_usable && !is_fatal;
    std::fprintf(stderr, "%s: %s\n", is_fatal ? "error" : "warning", to_string(problem).c_str());
  }
  if (!is_usable) return kWrongUsage;
  if (options.reader) {
    std::fputs(reader_policy(*reading.config, options.account).c_str(), stdout);
    std::fputs("note: streams encrypted with a key of your own also need kms:Decrypt on that key\n",
               stderr);
    return std::fflush(stdout) == 0 ? kDone : kFailed;
  }
  std::fputs(iam_policy(*reading.config, options.account).c_str(), stdout);
  print_notes(*reading.config);
  return std::fflush(stdout) == 0 ? kDone : kFailed;
}

std::string indented(const std::string& text, const std::string& indent) {
  std::string out;
  for (const char c : text) {
    out += c;
    if (c == '\n') out += indent;
  }
  while (out.ends_with(' ') || out.ends_with('\n')) out.pop_back();
  return out;
}

}  // namespace

std::string iam_policy(const config::Config& config, const std::string& account) {
  const std::vector<config::Identity> identities = identities_of(config);
  if (identities.size() <= 1) {
    return policy_of(config, identities.empty() ? config::Identity() : identities.front(), account);
  }
  std::string out = "[";
  for (const config::Identity& identity : identities) {
    std::set<std::string> keys;
    for (const config::StreamOptions& stream : config.streams) {
      if (config::identity_of(stream, config.aws) == identity) keys.insert(stream.key);
    }
    out += std::string(out.size() > 1 ? "," : "") +
           "\n  {\n    \"identity\": " + json_string(to_string(identity)) +
           ",\n    \"streams\": " + json_list(keys, "    ") +
           ",\n    \"policy\": " + indented(policy_of(config, identity, account), "    ") + "\n  }";
  }
  return out + "\n]\n";
}

std::string reader_policy(const config::Config& config, const std::string& account) {
  std::set<std::string> streams;
  for (const config::StreamOptions& stream : config.streams) {
    if (stream.kind != config::StreamKind::kinesis) continue;
    const config::Identity identity = config::identity_of(stream, config.aws);
    streams.insert(arn_of(stream, account_of(identity, account)));
  }
  std::string statements;
  add_statement(statements, "Read",
                {"kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"}, streams);
  return document_of(statements);
}

void register_iam_policy(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<PolicyOptions>();
  CLI::App* const command =
      app.add_subcommand("iam-policy", "Print the least-privilege IAM policy for a configuration");
  add_config_option(*command, "--config", options->config_file);
  command
      ->add_option("--account", options->account,
                   "Account of streams that are given by name (default: any)")
      ->type_name("ID");
  command->add_flag("--reader", options->reader,
                    "Print the policy that tail and verify need to read the streams");
  command->footer(
      "If streams have their own `aws`, a list is printed, with a policy for each identity.\n"
      "Errors elsewhere in the configuration are printed as warnings.\n"
      "Examples:\n"
      "  penstock iam-policy --config penstock.yaml --account 111122223333 > policy.json\n"
      "  penstock iam-policy --reader --config penstock.yaml > reader.json");
  command->callback([options, &exit_code] { exit_code = print_policy(*options); });
}

}  // namespace penstock::cli
