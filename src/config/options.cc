#include "config/options.h"

namespace penstock::config {

const char* to_string(LogType type) {
  switch (type) {
    case LogType::application:
      return "application";
    case LogType::infrastructure:
      return "infrastructure";
    case LogType::audit:
      return "audit";
  }
  return "application";
}

const char* to_string(Aggregation value) {
  switch (value) {
    case Aggregation::none:
      return "none";
    case Aggregation::kpl:
      return "kpl";
    case Aggregation::lines:
      return "lines";
  }
  return "none";
}

const char* to_string(Reader value) {
  switch (value) {
    case Reader::channel_json:
      return "channel_json";
    case Reader::channel_string:
      return "channel_string";
    case Reader::channel_bytes:
      return "channel_bytes";
    case Reader::firehose:
      return "firehose";
    case Reader::kcl:
      return "kcl";
    case Reader::lambda:
      return "lambda";
    case Reader::flink:
      return "flink";
    case Reader::own:
      return "own";
  }
  return "own";
}

const char* to_string(Compression value) {
  switch (value) {
    case Compression::none:
      return "none";
    case Compression::gzip:
      return "gzip";
    case Compression::zstd:
      return "zstd";
  }
  return "none";
}

const char* to_string(Order value) { return value == Order::per_key ? "per_key" : "none"; }

const char* to_string(Oversized value) {
  switch (value) {
    case Oversized::split:
      return "split";
    case Oversized::truncate:
      return "truncate";
    case Oversized::dead_letter:
      return "dead_letter";
  }
  return "split";
}

const char* to_string(WireProtocol value) { return value == WireProtocol::json ? "json" : "cbor"; }

const char* to_string(EndpointMode value) {
  return value == EndpointMode::account ? "account" : "regional";
}

const char* to_string(TlsVersion version) { return version == TlsVersion::tls_1_3 ? "1.3" : "1.2"; }

const char* to_string(WhenFull value) {
  return value == WhenFull::drop_oldest ? "drop_oldest" : "block";
}

Identity identity_of(const StreamOptions& stream, const AwsOptions& aws) {
  Identity identity{aws.profile, aws.assume_role};
  if (!stream.aws) return identity;
  if (stream.aws->profile) identity.profile = *stream.aws->profile;
  if (stream.aws->assume_role) identity.assume_role = *stream.aws->assume_role;
  return identity;
}

std::string to_string(const Identity& identity) {
  std::string text = identity.profile.empty() ? "default" : "profile " + identity.profile;
  for (const AssumeRoleOptions& hop : identity.assume_role) text += " > " + hop.role_arn;
  return text;
}

const char* to_string(AckMode mode) { return mode == AckMode::stored ? "stored" : "delivered"; }

}  // namespace penstock::config
