#include "config/schema.h"

#include "config/option.h"
#include "config/reference_text.h"
#include "config/schema_codecs.h"
#include "config/schema_streams.h"
#include "config/schema_tls.h"

namespace penstock::config {

// ---- sources -----------------------------------------------------------------------------------

template <>
struct Section<UserOptions> {
  using T = UserOptions;
  static std::span<const Option<T>> options() {
    static const Option<T> all[] = {
        option<T, &T::name>({"name", "User name."}),
        option<T, &T::password_file>({"password_file", "File whose first line is the password."}),
    };
    return all;
  }
};

namespace {

// What every source has; T is the source's own struct.
template <class T>
Option<T> source_name(std::string_view default_text) {
  return option<T, &T::name>(
      {"name", "Label in metrics, and `source:` in routes.", true, default_text});
}
template <class T>
Option<T> source_listen() {
  return option<T, &T::listen>({"listen", "Address and port to listen on.", true});
}
template <class T>
Option<T> source_tls() {
  return option<T, &T::tls>({"tls", "Absent: plain text, without TLS."});
}
template <class T>
Option<T> source_max_connections() {
  return option<T, &T::max_connections>(
      {"max_connections", "Further connections are closed immediately and counted."});
}
template <class T>
Option<T> source_proxy_protocol() {
  return option<T, &T::proxy_protocol>(
      {"proxy_protocol", "Each connection begins with a PROXY header."});
}

}  // namespace

template <>
struct Section<ForwardOptions> {
  using T = ForwardOptions;
  static std::span<const Option<T>> options() {
    static const Option<T> all[] = {
        source_name<T>("forward, then forward-2, …"),
        source_listen<T>(),
        source_tls<T>(),
        option<T, &T::shared_key_files, OneSecret>(
            {"shared_key_file",
             "File whose first line is the shared key. Absent: no handshake is required."}),
        option<T, &T::shared_key_files, SeveralSecrets>(
            {"shared_key_files", "Several keys, each accepted: [new, old] while you rotate them."}),
        option<T, &T::users>({"users", "If present, senders must also send a user and password."}),
        source_max_connections<T>(),
        source_proxy_protocol<T>(),
        option<T, &T::max_message>(
            {"max_message", "Largest Forward message, after decompression."}),
        option<T, &T::max_connection_age>(
            {"max_connection_age",
             "Maximum age of a connection. penstock ends an older one right after an ack with "
             "nothing in flight, and closes it completely after 5s, so that the sender can "
             "reconnect to another pod. 0s: never."}),
    };
    return all;
  }
};

template <>
struct Section<HttpAuthOptions> {
  using T = HttpAuthOptions;
  static std::span<const Option<T>> options() {
    static const Option<T> all[] = {
        option<T, &T::bearer_token_files>(
            {"bearer_token_files", "Files whose first line is an accepted bearer token."}),
        option<T, &T::basic>(
            {"basic", "Accepted users and passwords (HTTP basic authentication)."}),
        option<T, &T::service_accounts>({"service_accounts",
                                         "`namespace/name` of accepted service accounts. Tokens "
                                         "are checked with the cluster's "
                                         "TokenReview and cached."}),
    };
    return all;
  }
};

template <>
struct Section<HttpOptions> {
  using T = HttpOptions;
  static std::span<const Option<T>> options() {
    static const Option<T> all[] = {
        source_name<T>("http, then http-2, …"),
        source_listen<T>(),
        source_tls<T>(),
        option<T, &T::auth>(
            {"auth", "Absent: no authentication. If several are given, one must match."}),
        source_max_connections<T>(),
        source_proxy_protocol<T>(),
        option<T, &T::max_body>({"max_body", "Largest body, after decompression."}),
        option<T, &T::ack_timeout>(
            {"ack_timeout",
             "Maximum time until an admitted request is answered: 200, otherwise 503."}),
    };
    return all;
  }
};

template <>
struct Section<AdminSecureOptions> {
  using T = AdminSecureOptions;
  static std::span<const Option<T>> options() {
    static const Option<T> all[] = {
        option<T, &T::listen>({"listen", "Address and port of HTTPS.", true}),
        option<T, &T::tls>({"tls", "Required."}),
        option<T, &T::auth>({"auth",
                             "Required. Who may read metrics and status; /healthz and /readyz are "
                             "for everybody."}),
    };
    return all;
  }
};

template <>
struct Section<SyslogOptions> {
  using T = SyslogOptions;
  static std::span<const Option<T>> options() {
    static const Option<T> all[] = {
        source_name<T>("syslog, then syslog-2, …"),
        source_listen<T>(),
        option<T, &T::udp>({"udp", "Also accept datagrams on the same port.", true}),
        source_tls<T>(),
        source_max_connections<T>(),
        source_proxy_protocol<T>(),
        option<T, &T::max_message>({"max_message", "Largest message."}),
        option<T, &T::unwrap_json>(
            {"unwrap_json", "A message that is a JSON object becomes the record."}),
    };
    return all;
  }
};

// ---- routes ------------------------------------------------------------------------------------

template <>
struct Section<RouteOptions> {
  using T = RouteOptions;
  static std::span<const Option<T>> options() {
    static const Option<T> all[] = {
        option<T, &T::source>({"source", "Name of a source."}),
        option<T, &T::tag, TagPatternCodec>(
            {"tag", "Fluentd's pattern rules: `*`, `**`, `{a,b}`, several with spaces."}),
        option<T, &T::log_type, LogTypeCodec>(
            {"log_type",
             "Kind of log; `projects` and `operations` are aliases of "
             "`application` and `infrastructure`."}),
        option<T, &T::where, WhereCodec>(
            {"where", "Fields of the record; quoted parts of a path keep their dots."}),
        option<T, &T::stream>({"stream", "Key of the stream for matching events."}),
    };
    return all;
  }
};

// ---- the rest ----------------------------------------------------------------------------------

template <>
struct Section<SpoolOptions> {
  using T = SpoolOptions;
  static std::span<const Option<T>> options() {
    static const Option<T> all[] = {
        option<T, &T::directory, DirectoryCodec>(
            {"directory",
             "Directory for the durable queue (spool). If unset, events are held in memory only.",
             true}),
        option<T, &T::max_size>(
            {"max_size", "Upper bound for all files of the directory except the dead letters."}),
        option<T, &T::when_full>({"when_full",
                                  "When a stream's share is full: block slows senders down, "
                                  "drop_oldest drops and counts "
                                  "the oldest events."}),
    };
    return all;
  }
};

template <>
struct Section<DeadLetterOptions> {
  using T = DeadLetterOptions;
  static std::span<const Option<T>> options() {
    static const Option<T> all[] = {
        option<T, &T::directory, DirectoryCodec>(
            {"directory", "Directory for events that cannot be delivered, with the reason.", true,
             "dead-letter in spool.directory"}),
        option<T, &T::max_size>({"max_size", "Upper bound for all files of that directory."}),
        option<T, &T::when_full>({"when_full",
                                  "When it is full: block pauses streams that have another dead "
                                  "letter, drop_oldest drops "
                                  "and counts the oldest."}),
    };
    return all;
  }
};

template <>
struct Section<AwsOptions> {
  using T = AwsOptions;
  static std::span<const Option<T>> options() {
    static const Option<T> all[] = {
        option<T, &T::profile>(
            {"profile", "Profile of the shared AWS files.", false, "AWS_PROFILE, else default"}),
        option<T, &T::fips>({"fips", "Use AWS's FIPS endpoints."}),
        option<T, &T::dual_stack>({"dual_stack", "Use AWS's dual-stack (IPv6) endpoints."}),
        option<T, &T::assume_role>({"assume_role",
                                    "Chain of roles to assume, one after the other, starting from "
                                    "the credentials found."}),
        option<T, &T::ca_bundle, FileCodec>({"ca_bundle", "Trusted certificate authorities, PEM.",
                                             false, "AWS_CA_BUNDLE, else the system's store"}),
    };
    return all;
  }
};

namespace {

// `sources`: a list whose elements are a type and its options.
struct SourcesCodec {
  static std::string type() { return "list of forward, http, syslog"; }
  static std::string show(const Config&) { return ""; }
  static bool same(const Config&, const Config&) { return true; }  // diff.cc matches them by name

  template <class T>
  static void read_one(NodeReader& reader, const YAML::Node& element, const YAML::Node& at,
                       std::vector<T>& sources) {
    const std::string& type = at.Scalar();
    const NodeReader::Inside inside(reader, type, at);
    T& source = sources.emplace_back();
    if (element.IsMap()) {
      const YAML::Node options = element.begin()->second;
      if (!options.IsNull()) read_section(reader, options, source);
    }
    if (source.name.empty()) {
      source.name = sources.size() == 1 ? type : type + "-" + std::to_string(sources.size());
    }
    if (!reader.source_paths().emplace(source.name, reader.path()).second) {
      reader.complain_about_key(at, "name", "'" + source.name + "' names another source too",
                                "give each source its own name");
    }
  }

  static void read(NodeReader& reader, const YAML::Node& node, Config& config) {
    if (!node.IsSequence()) {
      reader.complain(node, "expected a list", "write '- forward: {listen: 0.0.0.0:24224}'");
      return;
    }
    size_t index = 0;
    for (const YAML::Node& element : node) {
      const NodeReader::Inside inside(reader, "[" + std::to_string(index++) + "]", element);
      const bool named = element.IsScalar() || (element.IsMap() && element.size() == 1);
      if (!named) {
        reader.complain(element, "expected one of forward, http, syslog and its options",
                        "write '- forward: {listen: 0.0.0.0:24224}', options indented below");
        continue;
      }
      const YAML::Node key = element.IsScalar() ? element : element.begin()->first;
      const std::string& type = key.Scalar();
      if (type == "forward") {
        read_one(reader, element, key, config.forward);
      } else if (type == "http") {
        read_one(reader, element, key, config.http);
      } else if (type == "syslog") {
        read_one(reader, element, key, config.syslog);
      } else {
        const std::string_view meant = nearest(type, {"forward", "http", "syslog"});
        reader.complain_about_key(key, type, "unknown kind of source",
                                  meant.empty() ? "use forward, http or syslog"
                                                : "did you mean '" + std::string(meant) + "'?");
      }
    }
  }
};

// `streams`: a map from the stream's key to its options.
struct StreamsCodec {
  static std::string type() { return "sections, each under its key"; }
  static std::string show(const std::vector<StreamOptions>&) { return ""; }
  static bool same(const std::vector<StreamOptions>&, const std::vector<StreamOptions>&) {
    return true;  // diff.cc matches them by key
  }
  static void read(NodeReader& reader, const YAML::Node& node,
                   std::vector<StreamOptions>& streams) {
    if (!node.IsMap()) {
      reader.complain(node, "expected streams, each under its key", "write 'audit: {name: …}'");
      return;
    }
    std::set<std::string> seen;
    for (const NodeReader::Entry& entry : reader.entries(node)) {
      const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
      if (!is_plain_name(key)) {
        reader.complain_about_key(entry.first, key, "cannot be a stream's key",
                                  "use letters, digits, '_', '-' and '.'");
        continue;
      }
      if (!seen.insert(key).second) {
        reader.complain_about_key(entry.first, key, "is given twice", "remove one of them");
        continue;
      }
      const NodeReader::Inside inside(reader, key, entry.first);
      StreamOptions& stream = streams.emplace_back();
      stream.key = key;
      read_section(reader, entry.second, stream);
    }
  }
};

}  // namespace

template <>
struct Section<Config> {
  using T = Config;
  static std::span<const Option<T>> options() {
    static constexpr auto kWhole = [](auto& config) -> auto& { return config; };
    static constexpr auto kIgnoreOwn = [](auto& config) -> auto& { return config.own_logs.ignore; };
    static const Option<T> all[] = {
        option<T, kWhole, SourcesCodec>({"sources", "Where events are received."}),
        option<T, &T::routes>(
            {"routes",
             "The first match wins; an event that matches no route is dead-lettered with reason "
             "no_route. All conditions of a route must hold; a route without any matches "
             "everything. If absent and there is one stream, everything goes there."}),
        option<T, &T::streams, StreamsCodec>(
            {"streams", "Where events are delivered, each stream under its key."}),
        option<T, &T::spool>({"spool", "Queue of events until they are delivered."}),
        option<T, &T::dead_letters>({"dead_letters", "Events that cannot be delivered."}),
        option<T, &T::dedup_window>(
            {"dedup.window",
             "How long to remember chunk fingerprints so that resent chunks are discarded. 0s "
             "disables deduplication."}),
        option<T, &T::ack>({"ack",
                            "When a chunk is acknowledged: synced to disk, or accepted by Kinesis.",
                            false, "stored with spool.directory, else delivered"}),
        option<T, &T::memory_limit>(
            {"memory_limit", "Upper bound for the process's resident memory.", true}),
        option<T, &T::drain_timeout>(
            {"drain_timeout",
             "Maximum time for a shutdown. Connections are accepted for its first 5 s, until load "
             "balancers send no more."}),
        option<T, kIgnoreOwn>({"ignore_own_logs",
                               "Drop the logs of this deployment itself, which "
                               "POD_NAMESPACE and PENSTOCK_WORKLOAD identify."}),
        option<T, &T::admin_listen>({"admin.listen", "Health, metrics and status.", true}),
        option<T, &T::admin_secure>(
            {"admin.secure",
             "The same over HTTPS, for clients that `auth` accepts. Absent: disabled.", true}),
        option<T, &T::aws>({"aws", "Credentials and endpoints of AWS."}),
    };
    return all;
  }
};

void read_document(NodeReader& reader, const YAML::Node& document, Config& config) {
  read_section(reader, document, config);
}

template <class T>
std::vector<ChangedOption> changed_options(const T& running, const T& wanted) {
  std::vector<ChangedOption> changed;
  for (const Option<T>& each : Section<T>::options()) {
    if (each.same(running, wanted)) continue;
    const std::string key(each.declared.key);
    if (!changed.empty() && changed.back().key + "s" == key) continue;  // shared_key_file(s)
    changed.push_back({key, each.declared.needs_restart});
  }
  return changed;
}
template std::vector<ChangedOption> changed_options(const ForwardOptions&, const ForwardOptions&);
template std::vector<ChangedOption> changed_options(const HttpOptions&, const HttpOptions&);
template std::vector<ChangedOption> changed_options(const SyslogOptions&, const SyslogOptions&);
template std::vector<ChangedOption> changed_options(const StreamOptions&, const StreamOptions&);
template std::vector<ChangedOption> changed_options(const AdminSecureOptions&,
                                                    const AdminSecureOptions&);
template std::vector<ChangedOption> changed_options(const SpoolOptions&, const SpoolOptions&);
template std::vector<ChangedOption> changed_options(const DeadLetterOptions&,
                                                    const DeadLetterOptions&);
template std::vector<ChangedOption> changed_options(const AwsOptions&, const AwsOptions&);
template std::vector<ChangedOption> changed_options(const Config&, const Config&);

namespace {

template <class T>
void append_table(std::string_view title, std::string_view text, std::string& out) {
  out += "\n## " + std::string(title) + "\n\n";
  if (!text.empty()) out += std::string(text) + "\n\n";
  out += "| key | value | default | |\n| --- | --- | --- | --- |\n";
  document_section<T>("", out);
}

}  // namespace

std::string config_reference() {
  std::string out(kReferenceIntroduction);
  append_table<Config>("Top level", "", out);
  append_table<ForwardOptions>("`sources[].forward`", "Fluentd's Forward protocol.", out);
  append_table<HttpOptions>("`sources[].http`",
                            "JSON over HTTP from any collector; OTLP/HTTP on `/v1/logs`.", out);
  append_table<SyslogOptions>("`sources[].syslog`",
                              "RFC 5424 and 3164 over TCP, octet-counted or by lines.", out);
  append_table<StreamOptions>(
      "`streams.KEY`", "One of `name`, `arn` and `firehose` is needed. At most 64 streams.", out);
  out += kReferenceOfTheEnvironment;
  return out;
}

}  // namespace penstock::config
