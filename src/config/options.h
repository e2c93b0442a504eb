// The whole configuration as plain values: what penstock.yaml (or the environment alone) says after
// defaults are filled in, sizes are bytes, durations are chrono and `${NAME}` is expanded. Every
// default stands here and nowhere else; schema.cc reads them from a default-made Config.
//
// Only daemon/, admin/ and cli/ see these structs: every other folder takes its own small Options.
//
// Ownership: values throughout. Thread: any; a loaded Config is not changed.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/listen_address.h"

namespace penstock::config {

using std::chrono::milliseconds;

// A file whose first line is the value. Holds the path only, never the secret (secret_ref.h reads).
struct SecretRef {
  std::string path;
  bool operator==(const SecretRef&) const = default;
};

using net::ListenAddress;

enum class TlsVersion : uint8_t { tls_1_2, tls_1_3 };
[[nodiscard]] const char* to_string(TlsVersion version);

struct TlsServerOptions {
  std::string cert;       // PEM chain
  std::string key;        // PEM
  std::string client_ca;  // PEM; not empty: client certificates are required
  TlsVersion min_version = TlsVersion::tls_1_2;
  std::string ciphers;  // OpenSSL's names, joined by ':'; empty: the program's own choice
  bool operator==(const TlsServerOptions&) const = default;
};

// A name with a password file: Forward users, HTTP basic.
struct UserOptions {
  std::string name;
  SecretRef password_file;
  bool operator==(const UserOptions&) const = default;
};

// What every source has.
struct SourceOptions {
  std::string name;  // unique; label in metrics and `source:` in routes
  ListenAddress listen;
  std::optional<TlsServerOptions> tls;
  uint32_t max_connections = 1024;
  bool proxy_protocol = false;
  bool operator==(const SourceOptions&) const = default;
};

struct ForwardOptions : SourceOptions {
  ForwardOptions() { listen.port = 24224; }
  std::vector<SecretRef> shared_key_files;  // empty: no handshake; several while rotating
  std::vector<UserOptions> users;
  uint64_t max_message = 64ull << 20;  // after decompression
  milliseconds max_connection_age{0};  // 0: off
  bool operator==(const ForwardOptions&) const = default;
};

struct HttpAuthOptions {
  std::vector<SecretRef> bearer_token_files;
  std::vector<UserOptions> basic;
  std::vector<std::string> service_accounts;  // "namespace/name"
  bool operator==(const HttpAuthOptions&) const = default;
};

struct HttpOptions : SourceOptions {
  HttpOptions() { listen.port = 8443; }
  std::optional<HttpAuthOptions> auth;
  uint64_t max_body = 64ull << 20;  // after decompression
  milliseconds ack_timeout{25'000};
  bool operator==(const HttpOptions&) const = default;
};

struct SyslogOptions : SourceOptions {
  SyslogOptions() { listen.port = 6514; }
  bool udp = false;
  uint64_t max_message = 1ull << 20;
  bool unwrap_json = false;
  bool operator==(const SyslogOptions&) const = default;
};

enum class LogType : uint8_t { application, infrastructure, audit };
[[nodiscard]] const char* to_string(LogType type);

// One entry of `where:`. `kubernetes."app.io/name"` is the path {kubernetes, app.io/name}.
struct FieldCondition {
  std::vector<std::string> path;
  std::string pattern;  // exact, or a glob with * and ?
  bool operator==(const FieldCondition&) const = default;
};

// All conditions given must hold; a route without any takes everything.
struct RouteOptions {
  std::string source;  // empty: any
  std::string tag;     // Fluentd pattern(s), separated by spaces; empty: any
  std::optional<LogType> log_type;
  std::vector<FieldCondition> where;
  std::string stream;  // a key of `streams`
  bool operator==(const RouteOptions&) const = default;
};

enum class StreamKind : uint8_t { kinesis, firehose };
enum class EndpointMode : uint8_t { regional, account };
enum class Aggregation : uint8_t { none, kpl, lines };
enum class Compression : uint8_t { none, gzip, zstd };
enum class PartitionKeyKind : uint8_t { random, tag, field };
enum class Order : uint8_t { none, per_key };
enum class Oversized : uint8_t { split, truncate, dead_letter };
enum class WireProtocol : uint8_t { cbor, json };
// What reads a stream: doc/consuming.md.
enum class Reader : uint8_t {
  channel_json,
  channel_string,
  channel_bytes,
  firehose,
  kcl,
  lambda,
  flink,
  own,
};
[[nodiscard]] const char* to_string(Aggregation value);
[[nodiscard]] const char* to_string(Compression value);
[[nodiscard]] const char* to_string(Order value);
[[nodiscard]] const char* to_string(Oversized value);
[[nodiscard]] const char* to_string(WireProtocol value);
[[nodiscard]] const char* to_string(Reader value);
[[nodiscard]] const char* to_string(EndpointMode value);

struct PartitionKeyOptions {
  PartitionKeyKind kind = PartitionKeyKind::random;
  std::vector<std::string> field;  // the path, when kind is field
  bool operator==(const PartitionKeyOptions&) const = default;
};

struct FixedField {
  std::string name;
  std::string text;
  bool operator==(const FixedField&) const = default;
};

// Names of fields added to each record; empty: that one is not added.
struct InjectOptions {
  std::string time;
  std::string tag;
  std::string id;
  std::string time_format = "rfc3339";  // as codec::TimeFormat takes it
  std::vector<FixedField> fields;
  bool operator==(const InjectOptions&) const = default;
};

struct FlushOptions {
  milliseconds interval{1'000};
  uint64_t size = 5ull << 20;
  bool operator==(const FlushOptions&) const = default;
};

struct AssumeRoleOptions {
  std::string role_arn;
  std::string external_id;
  std::string session_name;
  bool operator==(const AssumeRoleOptions&) const = default;
};

// Whose credentials sign the requests of one stream; what is absent is as in `aws`.
struct StreamAwsOptions {
  std::optional<std::string> profile;
  std::optional<std::vector<AssumeRoleOptions>> assume_role;  // empty: none
  bool operator==(const StreamAwsOptions&) const = default;
};

struct StreamOptions {
  std::string
      key;  // configuration name: label in metrics, `stream:` in routes, folder in the spool
  StreamKind kind = StreamKind::kinesis;
  std::string name;      // the stream's (or delivery stream's) name; from the arn when one is given
  std::string arn;       // as given; else empty
  std::string region;    // as given, else of the arn, else AWS_REGION, AWS_DEFAULT_REGION; may be
                         // empty: then the profile says
  std::string endpoint;  // as given, else AWS_ENDPOINT_URL_KINESIS (_FIREHOSE), AWS_ENDPOINT_URL;
                         // empty: the region's
  EndpointMode endpoint_mode = EndpointMode::regional;
  Aggregation aggregation = Aggregation::none;
  Compression compression = Compression::none;
  PartitionKeyOptions partition_key;
  Order order = Order::none;
  std::vector<std::string> data_key;   // the path of the field to send alone; empty: the object
  bool newline = false;                // a line feed behind each record
  std::optional<Oversized> oversized;  // filled in: split, with data_key dead_letter
  uint64_t max_record = 1ull << 20;    // lowered or raised to what the stream says
  FlushOptions flush;
  InjectOptions inject;
  WireProtocol protocol = WireProtocol::cbor;
  uint64_t max_size = 0;  // share of spool.max_size; 0: an equal share of what others leave
  std::optional<StreamAwsOptions> aws;
  std::vector<Reader> readers;  // empty: not said
  bool operator==(const StreamOptions&) const = default;
};

enum class WhenFull : uint8_t { block, drop_oldest };
[[nodiscard]] const char* to_string(WhenFull value);

struct SpoolOptions {
  std::string directory;  // empty: in memory only
  uint64_t max_size = 8ull << 30;
  WhenFull when_full = WhenFull::block;
  bool operator==(const SpoolOptions&) const = default;
};

struct DeadLetterOptions {
  std::string directory;  // filled in as <spool.directory>/dead-letter; empty: none
  uint64_t max_size = 1ull << 30;
  WhenFull when_full = WhenFull::block;
  bool operator==(const DeadLetterOptions&) const = default;
};

enum class AckMode : uint8_t { stored, delivered };
[[nodiscard]] const char* to_string(AckMode mode);

struct AwsOptions {
  std::string profile;  // empty: AWS_PROFILE, else "default"
  bool fips = false;
  bool dual_stack = false;
  std::vector<AssumeRoleOptions> assume_role;
  std::string ca_bundle;  // as given, else AWS_CA_BUNDLE; empty: the system's store
  bool operator==(const AwsOptions&) const = default;
};

// One identity: who signs. Streams of equal identities share their credentials.
struct Identity {
  std::string profile;
  std::vector<AssumeRoleOptions> assume_role;
  bool operator==(const Identity&) const = default;
};
[[nodiscard]] Identity identity_of(const StreamOptions& stream, const AwsOptions& aws);
// For people and labels: "default", "profile audit", "profile audit > arn:aws:iam::…:role/x".
[[nodiscard]] std::string to_string(const Identity& identity);

// ignore_own_logs: own is this namespace and a pod name that begins with "<workload>-".
struct OwnLogsOptions {
  bool ignore = true;
  std::string pod_namespace;  // POD_NAMESPACE; empty: nothing is dropped
  std::string workload;       // PENSTOCK_WORKLOAD; empty: nothing is dropped
  bool operator==(const OwnLogsOptions&) const = default;
};

// The admin port by HTTPS, for other hosts: everything except health needs a token or a password.
struct AdminSecureOptions {
  ListenAddress listen{"0.0.0.0", 9443};
  std::optional<TlsServerOptions> tls;   // required
  std::optional<HttpAuthOptions> auth;  // required
  bool operator==(const AdminSecureOptions&) const = default;
};

struct Config {
  std::string file;  // what was loaded; empty: the environment alone

  std::vector<ForwardOptions> forward;
  std::vector<HttpOptions> http;
  std::vector<SyslogOptions> syslog;
  std::vector<RouteOptions> routes;
  // What matches no route: dead-lettered with reason no_route, or (environment alone, where the
  // log types not listed are not wanted) dropped with reason not_selected.
  bool drop_unrouted = false;
  std::vector<StreamOptions> streams;  // in the file's order

  SpoolOptions spool;
  DeadLetterOptions dead_letters;
  milliseconds dedup_window{3'600'000};  // 0: off
  AckMode ack = AckMode::delivered;      // filled in: stored when there is a directory
  uint64_t memory_limit = 256ull << 20;
  milliseconds drain_timeout{80'000};
  OwnLogsOptions own_logs;
  ListenAddress admin_listen{"0.0.0.0", 9880};
  std::optional<AdminSecureOptions> admin_secure;
  AwsOptions aws;

  bool operator==(const Config&) const = default;
};

// Calls visit(const SourceOptions&) for each source of every type.
template <class Visit>
void for_each_source(const Config& config, Visit visit) {
  for (const auto& source : config.forward) visit(static_cast<const SourceOptions&>(source));
  for (const auto& source : config.http) visit(static_cast<const SourceOptions&>(source));
  for (const auto& source : config.syslog) visit(static_cast<const SourceOptions&>(source));
}

}  // namespace penstock::config
