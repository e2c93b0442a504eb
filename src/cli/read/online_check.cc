#include "cli/read/online_check.h"

#include <algorithm>
#include <string>

#include "cli/read/stream_access.h"
#include "cli/subcommands.h"
#include "codec/rfc3339.h"
#include "config/readers.h"
#include "config/values.h"
#include "daemon/credentials.h"
#include "kinesis/endpoint.h"
#include "kinesis_format/put_records_limits.h"

namespace penstock::cli {
namespace {

// Signatures are refused from 5 minutes on; well before that somebody should look.
constexpr seconds kSkewTold{60};

std::string time_text(WallTime time) {
  const codec::EventTime event_time = codec::event_time_of(unix_nanoseconds(time));
  if (!codec::has_rfc3339(event_time)) return "never";
  uint8_t text[codec::kRfc3339Size];
  codec::write_rfc3339(text, event_time);
  return std::string(reinterpret_cast<const char*>(text), 19) + "Z";
}

void print(std::FILE* out, const std::string& name, const std::string& text) {
  std::fprintf(out, "%-12s %s\n", name.c_str(), text.c_str());
}

bool check_credentials(const config::Identity& identity, const config::Config& config,
                       std::FILE* out) {
  kinesis::CredentialChain chain(daemon::make_credential_options(identity, config),
                                 kinesis::process_environment(), Clock::system());
  const config::Identity common{config.aws.profile, config.aws.assume_role};
  const std::string whose = identity == common ? "" : " of " + to_string(identity);
  const auto found = chain.fetch();
  if (!found) {
    report_error("credentials" + whose + ": " + found.error().message);
    return false;
  }
  const kinesis::Credentials& keys = **found;
  print(out, "credentials" + whose,
        keys.provider + (keys.account_id.empty() ? std::string() : ", account " + keys.account_id) +
            (keys.expiry ? ", until " + time_text(*keys.expiry) : ", do not expire"));
  return true;
}

// The identities of the streams, each once.
std::vector<config::Identity> identities_of(const config::Config& config) {
  std::vector<config::Identity> identities;
  for (const config::StreamOptions& stream : config.streams) {
    config::Identity identity = config::identity_of(stream, config.aws);
    if (std::find(identities.begin(), identities.end(), identity) == identities.end()) {
      identities.push_back(std::move(identity));
    }
  }
  return identities;
}

// Somebody waits for the answer, and every stream has its own.
constexpr milliseconds kPatience(5'000);

std::string in_kib(size_t bytes) { return config::show_size(bytes); }

// What the configuration makes of the stream's limits.
std::string limits_text(const config::StreamOptions& stream,
                        const kinesis::StreamSummary& summary) {
  const size_t stream_max = summary.record_bytes_max != 0 ? summary.record_bytes_max
                                                          : kinesis_format::kRecordBytesDefault;
  std::string text = "records up to " + in_kib(std::min<size_t>(stream.max_record, stream_max));
  if (stream.max_record > stream_max) {
    text += " (max_record " + in_kib(stream.max_record) + ", the stream takes " +
            in_kib(stream_max) + ")";
  } else if (stream.max_record < stream_max) {
    text += " (max_record; the stream would take " + in_kib(stream_max) + ")";
  }
  if (!summary.on_demand && summary.open_shard_count > 0) {
    text += ", at most " + std::to_string(summary.open_shard_count) + " MB/s and " +
            std::to_string(summary.open_shard_count * 1000) + " records/s";
  }
  return text + ", aggregation " + to_string(stream.aggregation) + ", compression " +
         to_string(stream.compression);
}

bool is_fatal(kinesis::PutError error) {
  // Delivery needs PutRecords alone; to describe a stream may be forbidden.
  return error != kinesis::PutError::access_denied && error != kinesis::PutError::throttled;
}

void report_skew(StreamAccess& access, std::FILE* out) {
  const auto difference = access.client().clock_difference();
  if (!difference) return;
  const auto by = std::chrono::duration_cast<seconds>(*difference);
  const bool is_off = by > kSkewTold || by < -kSkewTold;
  print(out, "clock",
        is_off ? "off by " + std::to_string(by.count()) +
                     " s against the service: set it (signatures are corrected meanwhile)"
               : "agrees with the service");
}

// Whom to ask for what, by the service's code for why records may not be put.
std::string cure_for(const kinesis::ServiceError& error, const kinesis::StreamSummary& summary) {
  if (error.code.starts_with("KMS")) {
    return "allow kms:GenerateDataKey on the stream's key " + summary.key_id +
           ", and see that the key is enabled";
  }
  switch (error.error) {
    case kinesis::PutError::access_denied:
      return "allow kinesis:PutRecords on it; penstock iam-policy prints the policy";
    case kinesis::PutError::not_found:
      return "create the stream, or correct its name and region";
    case kinesis::PutError::credentials:
      return "renew the credentials";
    case kinesis::PutError::throttled:
      return "try again in a second";
    default:
      return "see the error's page in the service's API reference";
  }
}

bool is_own_kms_key(const std::string& key_id) {
  return !key_id.empty() && !key_id.ends_with("alias/aws/kinesis");
}

// Asks for the right to write without writing. Nothing is asked of a service that does not show
// that it knows how: it would take the record.
bool check_may_write(StreamAccess& access, const kinesis::StreamSummary& summary,
                     const std::string& where, std::FILE* out) {
  if (!summary.knows_dry_run) {
    print(out, "", "write not tested: the service does not show that it supports DryRun");
    return true;
  }
  const auto allowed = access.client().try_put_records(access.id());
  if (!allowed) {
    report_error("stream " + where + ": no records may be put: " + allowed.error().text + "; " +
                 cure_for(allowed.error(), summary));
    return false;
  }
  std::string text = "write allowed (dry run)";
  if (is_own_kms_key(summary.key_id)) {
    text += "; rights on the key " + summary.key_id +
            " (kms:GenerateDataKey) were not tried: " + "a dry run does not look at them";
  }
  print(out, "", text);
  return true;
}

// What the stream's mode makes impossible.
bool check_mode(const config::StreamOptions& stream, const kinesis::StreamSummary& summary,
                const std::string& where, std::FILE* out) {
  bool is_fine = true;
  const auto complain = [&](const std::string& what) {
    report_error("stream " + where + ": " + what);
    is_fine = false;
  };
  if (summary.distribution == kinesis::RecordDistribution::automatic) {
    print(out, "", "records are distributed by the service (AUTO): partition keys mean nothing");
    if (stream.order == config::Order::per_key) {
      complain(
          "order per_key cannot be kept while the stream's RecordDistributionStrategy is "
          "AUTO; set it to USER_PARTITION_KEY, or remove order");
    }
    if (stream.aggregation == config::Aggregation::kpl) {
      print(out, "",
            "aggregation kpl is not used meanwhile, since KCL consumers would drop aggregates: "
            "each event is a record of its own (set USER_PARTITION_KEY, or use lines)");
    }
  }
  for (const config::Reader reader : stream.readers) {
    if (!config::is_channel(reader)) continue;
    if (!summary.on_demand) {
      complain("a channel reads on-demand streams only, and this one is provisioned; use Firehose");
    } else if (summary.encrypted && !is_own_kms_key(summary.key_id)) {
      complain(
          "a stream encrypted with alias/aws/kinesis can have no channel; encrypt it with a "
          "customer managed key");
    }
  }
  return is_fine;
}

bool check_stream(const config::StreamOptions& stream, const config::Config& config,
                  bool tell_clock, std::FILE* out) {
  auto access = StreamAccess::open(stream, config, kPatience);
  if (!access) {
    report_error("stream " + stream.key + ": " + access.error().message);
    return false;
  }
  const std::string label = "stream";
  const std::string where = stream.key + " = " + stream.name + " at " + (*access)->endpoint().host;
  if (stream.kind == config::StreamKind::firehose) {
    const auto status = (*access)->client().describe_delivery_stream(stream.name);
    if (!status && is_fatal(status.error().error)) {
      report_error("stream " + where + ": " + status.error().text);
      return false;
    }
    print(out, label, where + ": " + (status ? *status : "may not be described"));
    return true;
  }
  const auto summary = (*access)->client().describe_stream((*access)->id());
  if (tell_clock) report_skew(**access, out);
  if (!summary) {
    if (is_fatal(summary.error().error)) {
      report_error("stream " + where + ": " + summary.error().text);
      return false;
    }
    print(
        out, label,
        where + ": may not be described, limits stay as configured (" + summary.error().text + ")");
    print(out, "",
          "write not tested: only a stream that may be described shows that asking writes nothing");
    return true;
  }
  const std::string shards =
      summary->open_shard_count == 0
          ? std::string()
          : ", " + std::to_string(summary->open_shard_count) + " open shards";
  // Keys themselves rarely tell whose they are.
  const auto arn = kinesis::parse_arn(summary->arn);
  print(out, label,
        where + ": " + summary->status +
            (arn && !arn->account_id.empty() ? ", account " + arn->account_id : "") +
            (summary->on_demand ? ", on-demand" : ", provisioned") + shards + ", kept " +
            std::to_string(summary->retention_hours) + " h" +
            (summary->encrypted ? ", encrypted (kms:GenerateDataKey is needed)" : ""));
  print(out, "", limits_text(stream, *summary));
  if (summary->status != "ACTIVE" && summary->status != "UPDATING") {
    report_error("stream " + where + " is " + summary->status + ": it takes no records");
    return false;
  }
  const bool fits = check_mode(stream, *summary, where, out);
  return check_may_write(**access, *summary, where, out) && fits;
}

}  // namespace

// A stream whose identity has no credentials is not asked: it would only say so again.
bool check_online(const config::Config& config, std::FILE* out) {
  bool all_well = true;
  bool tell_clock = true;
  for (const config::Identity& identity : identities_of(config)) {
    if (!check_credentials(identity, config, out)) {
      all_well = false;
      continue;
    }
    for (const config::StreamOptions& stream : config.streams) {
      if (config::identity_of(stream, config.aws) != identity) continue;
      all_well = check_stream(stream, config, std::exchange(tell_clock, false), out) && all_well;
    }
  }
  return all_well;
}

}  // namespace penstock::cli
