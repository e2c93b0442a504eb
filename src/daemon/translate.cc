#include "daemon/translate.h"

#include <algorithm>

namespace penstock::daemon {
namespace {

route::LogType log_type_of(config::LogType type) {
  switch (type) {
    case config::LogType::application:
      return route::LogType::application;
    case config::LogType::infrastructure:
      return route::LogType::infrastructure;
    case config::LogType::audit:
      return route::LogType::audit;
  }
  return route::LogType::application;
}

route::PartitionKey partition_key_of(const config::PartitionKeyOptions& options) {
  switch (options.kind) {
    case config::PartitionKeyKind::random:
      return route::PartitionKey::random();
    case config::PartitionKeyKind::tag:
      return route::PartitionKey::tag();
    case config::PartitionKeyKind::field:
      return route::PartitionKey::field(options.field);
  }
  return route::PartitionKey::random();
}

delivery::Oversized oversized_of(config::Oversized value) {
  switch (value) {
    case config::Oversized::split:
      return delivery::Oversized::split;
    case config::Oversized::truncate:
      return delivery::Oversized::truncate;
    case config::Oversized::dead_letter:
      return delivery::Oversized::dead_letter;
  }
  return delivery::Oversized::split;
}

kinesis_format::Aggregation aggregation_of(config::Aggregation value) {
  switch (value) {
    case config::Aggregation::none:
      return kinesis_format::Aggregation::none;
    case config::Aggregation::kpl:
      return kinesis_format::Aggregation::kpl;
    case config::Aggregation::lines:
      return kinesis_format::Aggregation::lines;
  }
  return kinesis_format::Aggregation::none;
}

codec::Compression compression_of(config::Compression value) {
  switch (value) {
    case config::Compression::none:
      return codec::Compression::none;
    case config::Compression::gzip:
      return codec::Compression::gzip;
    case config::Compression::zstd:
      return codec::Compression::zstd;
  }
  return codec::Compression::none;
}

kinesis_format::Inject inject_of(const config::InjectOptions& options) {
  kinesis_format::Inject inject;
  inject.time = options.time;
  inject.tag = options.tag;
  inject.id = options.id;
  if (auto format = codec::TimeFormat::parse(options.time_format)) inject.time_format = *format;
  for (const config::FixedField& field : options.fields) {
    inject.fields.emplace_back(field.name, field.text);
  }
  return inject;
}

}  // namespace

std::string condition_text(const config::RouteOptions& route) {
  std::string text;
  const auto add = [&](const std::string& condition) {
    if (!text.empty()) text += ", ";
    text += condition;
  };
  if (!route.source.empty()) add("source: " + route.source);
  if (!route.tag.empty()) add("tag: " + route.tag);
  if (route.log_type) add(std::string("log_type: ") + config::to_string(*route.log_type));
  for (const config::FieldCondition& condition : route.where) {
    std::string path;
    for (const std::string& key : condition.path) path += (path.empty() ? "" : ".") + key;
    add("where: " + path + ": " + condition.pattern);
  }
  return text;
}

Result<std::shared_ptr<const route::Router>, Error> make_router(const config::Config& config) {
  route::Router::Options options;
  for (const config::RouteOptions& route : config.routes) {
    route::Route made;
    made.source = route.source;
    if (!route.tag.empty()) {
      auto pattern = route::TagPattern::compile(route.tag);
      if (!pattern) return failure(pattern.error());
      made.tag = std::move(*pattern);
    }
    if (route.log_type) made.log_type = log_type_of(*route.log_type);
    for (const config::FieldCondition& condition : route.where) {
      made.where.push_back({condition.path, route::Glob(condition.pattern)});
    }
    made.stream = route.stream;
    made.condition = condition_text(route);
    options.routes.push_back(std::move(made));
  }
  options.drop_unrouted = config.drop_unrouted;
  if (config.own_logs.ignore) {
    options.own_namespace = config.own_logs.pod_namespace;
    options.own_workload = config.own_logs.workload;
  }
  return std::make_shared<const route::Router>(std::move(options));
}

Result<std::shared_ptr<const net::TlsContext>, Error> make_tls(
    const std::optional<config::TlsServerOptions>& options) {
  if (!options) return std::shared_ptr<const net::TlsContext>();
  return net::TlsContext::load({options->cert, options->key, options->client_ca,
                                options->min_version == config::TlsVersion::tls_1_3,
                                options->ciphers});
}

delivery::SenderOptions make_sender_options(const config::StreamOptions& stream,
                                            uint64_t delivery_memory) {
  delivery::SenderOptions options;
  options.stream = stream.key;
  options.packer.inject = inject_of(stream.inject);
  options.packer.form.data_key = stream.data_key;
  // Firehose requests put one behind each record themselves.
  options.packer.form.line_feed = stream.newline && stream.kind != config::StreamKind::firehose;
  options.packer.partition_key = partition_key_of(stream.partition_key);
  options.packer.keys_are_random = stream.partition_key.kind == config::PartitionKeyKind::random;
  options.packer.oversized = oversized_of(stream.oversized.value_or(config::Oversized::split));
  options.packer.aggregation = aggregation_of(stream.aggregation);
  options.packer.compression = compression_of(stream.compression);
  // Random keys have no two events in order.
  options.packer.keep_order =
      stream.order == config::Order::per_key && !options.packer.keys_are_random;
  options.flush_interval = stream.flush.interval;
  options.flush_bytes = stream.flush.size;

  kinesis_format::RequestBuilder::Options& request = options.request;
  const bool is_firehose = stream.kind == config::StreamKind::firehose;
  // A request is in memory while it is built, while it is under way, and for a moment twice when
  // its buffer grows.
  const uint64_t request_max = std::max<uint64_t>(delivery_memory / 3, 1_MiB + 64_KiB);
  request.service =
      is_firehose ? kinesis_format::Service::firehose : kinesis_format::Service::kinesis;
  request.protocol = is_firehose || stream.protocol == config::WireProtocol::json
                         ? kinesis_format::Protocol::json
                         : kinesis_format::Protocol::cbor;
  request.stream_name = stream.name;
  // The ARN alone would do for AWS; emulators know only the name.
  request.stream_arn = stream.endpoint.empty() ? stream.arn : "";
  request.records_max =
      is_firehose ? kinesis_format::kFirehoseCountMax : kinesis_format::kPutRecordsCountMax;
  request.request_bytes_max = std::min<uint64_t>(
      {is_firehose ? kinesis_format::kFirehoseBytesMax : kinesis_format::kPutRecordsBytesMax,
       std::max<uint64_t>(stream.flush.size, stream.max_record + 64_KiB), request_max});
  request.record_bytes_max =
      std::min<uint64_t>(is_firehose ? kinesis_format::kFirehoseRecordBytesMax : stream.max_record,
                         request.request_bytes_max - kinesis_format::kRequestBytesMargin);
  request.line_feed = is_firehose;
  options.request_bytes_max = request_max;
  options.queue_bytes_max = std::max<uint64_t>(delivery_memory / 4, 1_MiB);
  options.packer.aggregates.bytes_max = std::clamp<uint64_t>(delivery_memory / 8, 512_KiB, 4_MiB);
  return options;
}

kinesis::EndpointOptions make_endpoint_options(const config::StreamOptions& stream,
                                               const config::AwsOptions& aws) {
  kinesis::EndpointOptions options;
  options.service = stream.kind == config::StreamKind::firehose ? "firehose" : "kinesis";
  options.region = stream.region;
  options.override_url = stream.endpoint;
  options.fips = aws.fips;
  options.dual_stack = aws.dual_stack;
  options.mode = stream.endpoint_mode == config::EndpointMode::account
                     ? kinesis::EndpointMode::account
                     : kinesis::EndpointMode::regional;
  if (!stream.arn.empty()) {
    if (const auto arn = kinesis::parse_arn(stream.arn)) options.account_id = arn->account_id;
  }
  return options;
}

spool::SpoolOptions make_spool_options(const config::Config& config, uint64_t memory_bytes,
                                       uint64_t cache_bytes) {
  spool::SpoolOptions options;
  options.directory = config.spool.directory;
  options.bytes_max = config.spool.directory.empty() ? std::min(config.spool.max_size, memory_bytes)
                                                     : config.spool.max_size;
  options.when_full = config.spool.when_full == config::WhenFull::drop_oldest
                          ? spool::WhenFull::drop_oldest
                          : spool::WhenFull::block;
  options.ack =
      config.ack == config::AckMode::stored ? spool::AckMode::stored : spool::AckMode::delivered;
  options.repeat_window = std::chrono::duration_cast<seconds>(config.dedup_window);
  options.cache_bytes_max = cache_bytes;
  options.dead_letter_directory = config.dead_letters.directory;
  options.dead_letter_bytes_max = config.dead_letters.max_size;
  options.dead_letters_when_full = config.dead_letters.when_full == config::WhenFull::drop_oldest
                                       ? spool::WhenFull::drop_oldest
                                       : spool::WhenFull::block;
  return options;
}

spool::StreamOptions make_log_options(const config::StreamOptions& stream) {
  const char* kind = stream.kind == config::StreamKind::firehose ? "firehose:" : "kinesis:";
  return {.stream = stream.key,
          .target = kind + stream.region + ":" + (stream.arn.empty() ? stream.name : stream.arn),
          .settings = settings_text(stream),
          .bytes_max = stream.max_size};
}

std::string endpoint_name(const kinesis::Endpoint& endpoint) {
  const std::string::size_type behind_scheme = endpoint.url.find("://");
  if (behind_scheme == std::string::npos) return endpoint.host;
  const std::string::size_type from = behind_scheme + 3;
  const std::string place = endpoint.url.substr(from, endpoint.url.find('/', from) - from);
  const bool has_port = place.find(':', place.rfind(']') + 1) != std::string::npos;
  return has_port ? place : place + (endpoint.url.starts_with("https") ? ":443" : ":80");
}

std::string target_name(const config::StreamOptions& stream) {
  return stream.name + (stream.region.empty() ? "" : " (" + stream.region + ")");
}

}  // namespace penstock::daemon
