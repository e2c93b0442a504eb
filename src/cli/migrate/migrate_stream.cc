#include "cli/migrate/migrate_stream.h"

#include <algorithm>

namespace penstock::cli {
namespace {

constexpr auto kNeverGivesUp =
    "rejected records are retried for as long as it takes; nothing is dropped for its age or the "
    "number of retries";

constexpr Rule kBufferRules[] = {
    {"chunk_limit_size", Verdict::exact, "not needed: chunks are stored as received"},
    {"buffer_chunk_limit", Verdict::exact, "not needed: chunks are stored as received"},
    {"chunk_limit_records", Verdict::exact, "not needed: chunks are stored as received"},
    {"chunk_full_threshold", Verdict::exact, "not needed: chunks are stored as received"},
    {"buffer_type", Verdict::safer, "spool.directory: events are on disk"},
    {"flush_mode", Verdict::exact, "not needed: an idle stream sends at once"},
    {"flush_at_shutdown", Verdict::safer, "what cannot be sent at shutdown stays on disk"},
    {"flush_thread_count", Verdict::exact, "not needed: 16 requests at a time for each stream"},
    {"num_threads", Verdict::exact, "not needed: 16 requests at a time for each stream"},
    {"flush_thread_interval", Verdict::exact, "not needed: an idle stream sends at once"},
    {"flush_thread_burst_interval", Verdict::exact, "not needed: an idle stream sends at once"},
    {"delayed_commit_timeout", Verdict::exact, "not needed"},
    {"compress", Verdict::exact, "not needed: the spool stores chunks as received"},
    {"timekey", Verdict::exact, "not needed: chunks are not cut by time"},
    {"timekey_wait", Verdict::exact, "not needed: chunks are not cut by time"},
    {"retry_type", Verdict::safer, kNeverGivesUp},
    {"retry_wait", Verdict::safer, kNeverGivesUp},
    {"retry_max_interval", Verdict::safer, kNeverGivesUp},
    {"max_retry_wait", Verdict::safer, kNeverGivesUp},
    {"retry_timeout", Verdict::safer, kNeverGivesUp},
    {"retry_max_times", Verdict::safer, kNeverGivesUp},
    {"retry_limit", Verdict::safer, kNeverGivesUp},
    {"retry_forever", Verdict::exact, kNeverGivesUp},
    {"disable_retry_limit", Verdict::exact, kNeverGivesUp},
    {"retry_exponential_backoff_base", Verdict::safer, kNeverGivesUp},
    {"retry_randomize", Verdict::safer, kNeverGivesUp},
    {"disable_chunk_backup", Verdict::safer, "what cannot be delivered becomes a dead letter"},
};

void migrate_target(FluentSection& output, Account& account, bool is_firehose, MigratedStream& to) {
  const char* const key = is_firehose ? "delivery_stream_name" : "stream_name";
  to.name = account.take(output, key).value_or("");
  const bool has_placeholder = to.name.find("$${") != std::string::npos;
  if (to.name.empty()) {
    account.add(Verdict::impossible, output.place, title_of(output) + ": " + key,
                "the output names no stream: set streams.KEY.name");
  } else if (has_placeholder) {
    account.say(output, key, Verdict::impossible,
                "the name of a stream is fixed: write a stream and a route for each value of the "
                "placeholder");
    std::erase_if(to.name, [](char c) { return c == '$' || c == '{' || c == '}'; });
  } else {
    account.say(output, key, Verdict::exact, is_firehose ? "firehose" : "name");
  }
  to.options.text(is_firehose ? "firehose" : "name", to.name);
  for (const char* option : {"region", "endpoint"}) {
    if (const auto value = account.exact(output, option, option)) to.options.text(option, *value);
  }
}

YamlMap role_of(FluentSection& section, Account& account) {
  YamlMap role;
  if (const auto arn = account.exact(section, "role_arn", "aws.assume_role")) {
    role.text("role_arn", *arn);
  }
  if (const auto id = account.exact(section, "external_id", "aws.assume_role")) {
    role.text("external_id", *id);
  }
  if (const auto name = account.exact(section, "role_session_name", "aws.assume_role")) {
    role.text("session_name", *name);
  }
  constexpr Rule kRules[] = {
      {"duration_seconds", Verdict::exact,
       "not needed: credentials are renewed before they expire"},
      {"policy", Verdict::impossible, "no session policy is sent: narrow the role's own policy"},
      {"sts_http_proxy", Verdict::step, "set HTTPS_PROXY in penstock's environment"},
      {"sts_endpoint_url", Verdict::step, "set AWS_ENDPOINT_URL_STS in penstock's environment"},
  };
  account.apply(section, kRules);
  return role;
}

void migrate_credentials(FluentSection& output, Account& account, MigratedStream& to) {
  YamlMap aws;
  if (FluentSection* shared = output.find_section("shared_credentials")) {
    shared->seen = true;
    if (const auto name = account.exact(*shared, "profile_name", "aws.profile")) {
      aws.text("profile", *name);
    }
    account.say(*shared, "path", Verdict::step,
                "set AWS_SHARED_CREDENTIALS_FILE in penstock's environment");
  }
  if (FluentSection* role = output.find_section("assume_role_credentials")) {
    std::vector<YamlMap> chain;
    chain.push_back(role_of(*role, account));
    aws.list("assume_role", std::move(chain));
  }
  if (FluentSection* web = output.find_section("web_identity_credentials")) {
    account.add_section(Verdict::step, *web,
                        "set AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE in the environment; on "
                        "EKS and ROSA the service account's annotation does");
  }
  if (FluentSection* process = output.find_section("process_credentials")) {
    account.add_section(
        Verdict::step, *process,
        "write it as credential_process of a profile, and name that in aws.profile");
  }
  for (const char* name : {"instance_profile_credentials", "ecs_credentials"}) {
    if (FluentSection* found = output.find_section(name)) {
      account.add_section(Verdict::exact, *found,
                          "found automatically if nothing else is configured");
    }
  }
  constexpr Rule kRules[] = {
      {"aws_key_id", Verdict::step, "set AWS_ACCESS_KEY_ID in penstock's environment"},
      {"aws_sec_key", Verdict::step, "set AWS_SECRET_ACCESS_KEY in penstock's environment"},
      {"aws_ses_token", Verdict::step, "set AWS_SESSION_TOKEN in penstock's environment"},
      {"http_proxy", Verdict::step,
       "set HTTPS_PROXY in penstock's environment: it holds for all streams"},
      {"ssl_verify_peer", Verdict::safer, "certificates are always verified; see aws.ca_bundle"},
      {"ssl_ca_bundle", Verdict::step, "set aws.ca_bundle"},
      {"ssl_ca_directory", Verdict::step, "set aws.ca_bundle to one file with the certificates"},
  };
  account.apply(output, kRules);
  to.options.map("aws", std::move(aws));
}

void migrate_keys(FluentSection& output, Account& account, MigratedStream& to) {
  if (const auto field = account.exact(output, "partition_key", "partition_key: field")) {
    to.options.text("partition_key", "field:" + *field);
  }
  account.say(output, "fixed_partition_key", Verdict::safer,
              "one key for all puts every record into one shard: random keys use all shards, "
              "without an order among records");
}

// The json formatter ends each record with a line feed. kinesis_firehose takes it off and appends
// one of its own unless told not to; data_key bypasses the formatter.
void migrate_newline(FluentSection& output, Account& account, bool is_firehose,
                     MigratedStream& to) {
  const bool chomps = account.is_true(output, "chomp_record");
  const bool appends = account.is_true(output, "append_new_line", is_firehose);
  const bool has_data_key = output.find("data_key") != nullptr;
  if (is_firehose) {
    const bool is_same = appends || (!chomps && !has_data_key);
    const auto verdict = is_same ? Verdict::exact : Verdict::impossible;
    const char* const text = "each record for Firehose ends with a line feed";
    account.say(output, "chomp_record", verdict, text);
    account.say(output, "append_new_line", verdict, text);
    return;
  }
  const bool newline = !chomps && !has_data_key;
  account.say(output, "chomp_record", Verdict::exact, newline ? "newline: true" : "newline: false");
  if (!newline) return;
  to.options.raw("newline", "true");
  account.add(Verdict::exact, output.place, title_of(output) + ": a line feed ends each record",
              "newline: true; remove it if the consumers do not need it");
}

// The bytes of a record: what its consumers read.
void migrate_record(FluentSection& output, Account& account, bool is_firehose, MigratedStream& to) {
  if (const auto data_key = account.exact(output, "data_key", "data_key")) {
    to.options.text("data_key", *data_key);
  }
  migrate_newline(output, account, is_firehose, to);
  if (const auto size = account.take(output, "max_record_size")) {
    to.options.raw("max_record", yaml_scalar(*size));
    account.say(output, "max_record_size", Verdict::safer,
                to.options.has("data_key")
                    ? "max_record; a larger event becomes a dead letter (oversized: dead_letter)"
                    : "max_record; a larger event is split, not dropped (oversized: split)");
  }
  if (const auto compression = account.take(output, "compression")) {
    const bool is_gzip = *compression == "gzip";
    to.options.raw("compression", "gzip");
    account.say(output, "compression", is_gzip ? Verdict::exact : Verdict::impossible,
                is_gzip ? "compression: gzip"
                        : "gzip and zstd are available: change the consumers that inflate " +
                              *compression + "; the YAML has compression: gzip");
  }
  FluentSection* const format = output.find_section("format");
  if (format == nullptr) return;
  format->seen = true;
  const std::string type = format->type();
  if (type.empty() || type == "json") {
    account.add(Verdict::exact, format->place, "<" + title_of(*format) + ">", "JSON, as always");
  } else {
    account.add_section(Verdict::impossible, *format,
                        type == "single_value"
                            ? "use data_key to send the text of one field"
                            : "records are JSON objects: consumers must read JSON");
  }
}

// Fluentd's time_type and time_format as inject.time_format.
void migrate_time(FluentSection& section, Account& account, YamlMap& inject) {
  const auto key = account.exact(section, "time_key", "inject.time");
  if (!key) return;
  inject.text("time", *key);
  const std::string type = account.take(section, "time_type").value_or("float");
  // Without a format Fluentd writes ISO 8601.
  const std::string format = account.take(section, "time_format").value_or("%Y-%m-%dT%H:%M:%SZ");
  account.say(section, "time_format", Verdict::exact, "inject.time_format");
  const bool is_utc =
      account.is_true(section, "utc") || !account.is_true(section, "localtime", true);
  for (const char* zone : {"utc", "localtime"}) {
    account.say(section, zone, is_utc ? Verdict::exact : Verdict::impossible,
                "times are written in UTC");
  }
  account.say(section, "timezone", Verdict::impossible, "times are written in UTC");
  if (type == "unixtime" || type == "unixtime_millis") {
    const std::string name = type == "unixtime" ? "unix" : "unix_ms";
    inject.raw("time_format", name);
    account.say(section, "time_type", Verdict::exact, "inject.time_format: " + name);
  } else if (type == "string") {
    inject.text("time_format", format);
    account.say(section, "time_type", is_utc ? Verdict::exact : Verdict::impossible,
                is_utc ? "inject.time_format"
                       : "inject.time_format, in UTC; Fluentd writes local time: change the "
                         "consumers, unless its host is in UTC");
  } else {
    inject.raw("time_format", "unix_ms");
    account.add(Verdict::impossible, section.place, title_of(section) + ": time_type " + type,
                "this type is not available: inject.time_format: unix_ms gives milliseconds as an "
                "integer");
  }
}

void migrate_inject(FluentSection& output, Account& account, const YamlMap& fields,
                    MigratedStream& to) {
  FluentSection* const section = output.find_section("inject");
  if (to.options.has("data_key")) {
    // The plugin sends the text of one field, and so does penstock.
    constexpr auto kNotSent = "not needed: data_key sends the text of one field alone";
    if (section != nullptr) account.add_section(Verdict::exact, *section, kNotSent);
    if (!fields.entries.empty()) {
      account.add(Verdict::exact, output.place, title_of(output) + ": fields of filters", kNotSent);
    }
    return;
  }
  YamlMap inject;
  if (section != nullptr) {
    section->seen = true;
    migrate_time(*section, account, inject);
    if (const auto key = account.exact(*section, "tag_key", "inject.tag")) inject.text("tag", *key);
    constexpr Rule kRules[] = {
        {"hostname_key", Verdict::impossible,
         "the forwarder's host is not added: use inject.fields, or the record's own node name"},
        {"hostname", Verdict::impossible, "use inject.fields"},
        {"worker_id_key", Verdict::impossible, "there are no workers"},
    };
    account.apply(*section, kRules);
  }
  // The names of version 2 and of Fluentd before 0.14.
  if (account.is_true(output, "include_time_key") && !inject.has("time")) {
    inject.text("time", account.take(output, "time_key").value_or("time"));
    account.say(
        output, "include_time_key", Verdict::step,
        "inject.time, as RFC 3339: set inject.time_format if consumers expect another form");
  }
  if (account.is_true(output, "include_tag_key") && !inject.has("tag")) {
    inject.text("tag", account.take(output, "tag_key").value_or("tag"));
    account.say(output, "include_tag_key", Verdict::exact, "inject.tag");
  }
  inject.map("fields", fields);
  to.options.map("inject", std::move(inject));
}

void migrate_buffer(FluentSection& output, Account& account, MigratedStream& to) {
  FluentSection* const buffer = output.find_section("buffer");
  YamlMap flush;
  FluentSection& at = buffer != nullptr ? *buffer : output;
  if (buffer != nullptr) {
    buffer->seen = true;
    (void)buffer->type();  // whatever it is: the spool is on disk
    account.add(Verdict::safer, buffer->place, "<" + title_of(*buffer) + ">",
                "spool.directory: an event is acknowledged when it is on disk");
  }
  for (const char* key : {"path", "buffer_path"}) {
    account.say(at, key, Verdict::exact, "spool.directory: one directory holds all streams");
  }
  if (const auto interval =
          account.exact(at, "flush_interval",
                        "flush.interval; without aggregation an idle stream sends at once")) {
    flush.raw("interval", yaml_scalar(*interval));
  }
  if (const auto size = account.exact(output, "batch_request_max_size", "flush.size")) {
    flush.raw("size", yaml_scalar(*size));
  }
  for (const char* key : {"total_limit_size", "queue_limit_length"}) {
    if (const auto size = account.take(at, key); size && key[0] == 't') to.total_limit_size = *size;
    account.say(at, key, Verdict::exact, "streams.KEY.max_size");
  }
  const std::string overflow = account.take(at, "overflow_action").value_or("");
  to.drops_oldest = overflow == "drop_oldest_chunk";
  if (to.drops_oldest) {
    to.overflow_place = at.find("overflow_action")->place;
  } else {
    account.say(at, "overflow_action", overflow == "block" ? Verdict::exact : Verdict::safer,
                "spool.when_full: block; senders are slowed down");
  }
  account.apply(at, kBufferRules);
  if (FluentSection* secondary = output.find_section("secondary")) {
    account.add_section(Verdict::safer, *secondary,
                        "dead_letters: only records that Kinesis rejects, never for their age");
  }
  to.options.map("flush", std::move(flush));
}

}  // namespace

bool is_kinesis_type(std::string_view type) {
  return type == "kinesis_streams" || type == "kinesis_streams_aggregated" ||
         type == "kinesis_firehose" || type == "kinesis_producer" || type == "kinesis";
}

MigratedStream migrate_stream(FluentSection& output, Account& account, const YamlMap& fields) {
  output.seen = true;
  const std::string type = output.type();
  const bool is_firehose = type == "kinesis_firehose";
  MigratedStream to;
  migrate_target(output, account, is_firehose, to);
  if (type == "kinesis_streams_aggregated" || type == "kinesis_producer") {
    to.options.raw("aggregation", "kpl");
    account.add(Verdict::exact, output.place, title_of(output), "aggregation: kpl");
  }
  migrate_keys(output, account, to);
  migrate_record(output, account, is_firehose, to);
  if (const auto size = account.take(output, "log_truncate_max_size")) {
    account.say(output, "log_truncate_max_size", Verdict::exact,
                "not needed: no log line contains a record");
  }
  migrate_inject(output, account, fields, to);
  migrate_buffer(output, account, to);
  migrate_credentials(output, account, to);
  constexpr Rule kRules[] = {
      {"retries_on_batch_request", Verdict::safer, kNeverGivesUp},
      {"drop_failed_records_after_batch_request_retries", Verdict::safer, kNeverGivesUp},
      {"monitor_num_of_batch_request_retries", Verdict::exact,
       "penstock_put_requests_total and penstock_put_records_total"},
      {"reset_backoff_if_success", Verdict::exact, "not needed: each record has its own back-off"},
      {"batch_request_max_count", Verdict::exact, "not needed: 500 records, or flush.size"},
      {"http_open_timeout", Verdict::exact, "not needed"},
      {"http_read_timeout", Verdict::exact, "not needed"},
      {"debug", Verdict::exact, "not needed: penstock run --log-level debug"},
      {"reduce_max_size_error_message", Verdict::exact, "not needed: records are not logged"},
  };
  account.apply(output, kRules);
  return to;
}

}  // namespace penstock::cli
