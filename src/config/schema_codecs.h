// Codecs of the values that are not read as their C++ type alone says. Only schema.cc includes it.
#pragma once

#include "codec/time_format.h"
#include "config/option.h"

namespace penstock::config {

template <>
struct ValuesOf<TlsVersion> {
  static constexpr std::array all = {TlsVersion::tls_1_2, TlsVersion::tls_1_3};
};
template <>
struct ValuesOf<EndpointMode> {
  static constexpr std::array all = {EndpointMode::regional, EndpointMode::account};
};
template <>
struct ValuesOf<Aggregation> {
  static constexpr std::array all = {Aggregation::none, Aggregation::kpl, Aggregation::lines};
};
template <>
struct ValuesOf<Compression> {
  static constexpr std::array all = {Compression::none, Compression::gzip, Compression::zstd};
};
template <>
struct ValuesOf<Order> {
  static constexpr std::array all = {Order::none, Order::per_key};
};
template <>
struct ValuesOf<Oversized> {
  static constexpr std::array all = {Oversized::split, Oversized::truncate, Oversized::dead_letter};
};
template <>
struct ValuesOf<WireProtocol> {
  static constexpr std::array all = {WireProtocol::cbor, WireProtocol::json};
};
template <>
struct ValuesOf<Reader> {
  static constexpr std::array all = {
      Reader::channel_json, Reader::channel_string, Reader::channel_bytes, Reader::firehose,
      Reader::kcl,          Reader::lambda,         Reader::flink,         Reader::own};
};
// The list's type as the document shows it.
struct ReadersCodec : Codec<std::vector<Reader>> {
  static std::string type() { return "list of " + Codec<Reader>::type(); }
};
template <>
struct ValuesOf<WhenFull> {
  static constexpr std::array all = {WhenFull::block, WhenFull::drop_oldest};
};
template <>
struct ValuesOf<AckMode> {
  static constexpr std::array all = {AckMode::stored, AckMode::delivered};
};

// shared_key_file: one path into the list that shared_key_files fills.
struct OneSecret {
  static std::string type() { return "file"; }
  static std::string show(const std::vector<SecretRef>&) { return ""; }
  static void read(NodeReader& reader, const YAML::Node& node, std::vector<SecretRef>& out) {
    if (!out.empty()) {
      reader.complain(node, "conflicts with shared_key_files", "keep one of the two");
      return;
    }
    SecretRef secret;
    Codec<SecretRef>::read(reader, node, secret);
    if (!secret.path.empty()) out.push_back(std::move(secret));
  }
};
struct SeveralSecrets : Codec<std::vector<SecretRef>> {
  static void read(NodeReader& reader, const YAML::Node& node, std::vector<SecretRef>& out) {
    if (!out.empty()) {
      reader.complain(node, "conflicts with shared_key_file", "keep one of the two");
      return;
    }
    Codec<std::vector<SecretRef>>::read(reader, node, out);
  }
};

struct LogTypeCodec {
  static std::string type() { return "application, infrastructure, audit"; }
  static std::string show(const std::optional<LogType>&) { return ""; }
  static void read(NodeReader& reader, const YAML::Node& node, std::optional<LogType>& out) {
    read_scalar(reader, node, out,
                [](std::string_view text) -> Result<std::optional<LogType>, std::string> {
                  if (const auto found = parse_log_type(text)) return found;
                  return failure(
                      "use one of: application (or projects), infrastructure (or "
                      "operations), audit");
                });
  }
};

struct TagPatternCodec : Codec<std::string> {
  static std::string type() { return "pattern"; }
  static void read(NodeReader& reader, const YAML::Node& node, std::string& out) {
    read_scalar(reader, node, out, [](std::string_view text) -> Result<std::string, std::string> {
      const std::string complaint = complaint_about_tag_pattern(text);
      if (complaint.empty()) return std::string(text);
      return failure("the pattern " + complaint + "; Fluentd's are app.**, a.*, {a,b}.c");
    });
  }
};

struct WhereCodec {
  static std::string type() { return "field: value or glob"; }
  static std::string show(const std::vector<FieldCondition>&) { return ""; }
  static void read(NodeReader& reader, const YAML::Node& node, std::vector<FieldCondition>& out) {
    if (!node.IsMap() || node.size() == 0) {
      reader.complain(node, "expected fields and their values",
                      "write {kubernetes.namespace_name: \"pay-*\"}");
      return;
    }
    std::set<std::string> seen;
    for (const NodeReader::Entry& entry : reader.entries(node)) {
      const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
      auto path = parse_field_path(key);
      if (!path) {
        reader.complain_about_key(entry.first, key, "the field's path " + path.error(),
                                  "write kubernetes.labels.\"app.io/name\"");
        continue;
      }
      if (!seen.insert(key).second) {
        reader.complain_about_key(entry.first, key, "is given twice", "remove one of them");
        continue;
      }
      const NodeReader::Inside inside(reader, key, entry.first);
      const std::optional<std::string> pattern = reader.scalar(entry.second);
      if (pattern) out.push_back({std::move(*path), *pattern});
    }
  }
};

struct PartitionKeyCodec {
  static std::string type() { return "random, tag, field:PATH"; }
  static std::string show(const PartitionKeyOptions& value) {
    if (value.kind == PartitionKeyKind::field) return "field:" + show_field_path(value.field);
    return value.kind == PartitionKeyKind::tag ? "tag" : "random";
  }
  static void read(NodeReader& reader, const YAML::Node& node, PartitionKeyOptions& out) {
    read_scalar(reader, node, out,
                [](std::string_view text) -> Result<PartitionKeyOptions, std::string> {
                  if (text == "random") return PartitionKeyOptions{};
                  if (text == "tag") return PartitionKeyOptions{PartitionKeyKind::tag, {}};
                  if (!text.starts_with("field:")) {
                    return failure("use random, tag or field:kubernetes.pod_name");
                  }
                  auto path = parse_field_path(text.substr(6));
                  if (!path) return failure("the field's path " + path.error());
                  return PartitionKeyOptions{PartitionKeyKind::field, std::move(*path)};
                });
  }
};

struct FieldPathCodec {
  static std::string type() { return "path of a field"; }
  static std::string show(const std::vector<std::string>&) { return ""; }
  static void read(NodeReader& reader, const YAML::Node& node, std::vector<std::string>& out) {
    read_scalar(reader, node, out,
                [](std::string_view text) -> Result<std::vector<std::string>, std::string> {
                  auto path = parse_field_path(text);
                  if (path) return path;
                  return failure("the field's path " + path.error());
                });
  }
};

struct OversizedCodec : Codec<Oversized> {
  static std::string show(const std::optional<Oversized>&) { return ""; }
  static void read(NodeReader& reader, const YAML::Node& node, std::optional<Oversized>& out) {
    Oversized value{};
    Codec<Oversized>::read(reader, node, value);
    out = value;
  }
};

struct TimeFormatCodec : Codec<std::string> {
  static std::string type() { return "rfc3339, unix, unix_ms, text with %"; }
  static void read(NodeReader& reader, const YAML::Node& node, std::string& out) {
    read_scalar(reader, node, out, [](std::string_view text) -> Result<std::string, std::string> {
      const auto format = codec::TimeFormat::parse(text);
      if (format) return std::string(text);
      return failure(format.error());
    });
  }
};

// inject.fields: {name: text, …}, in the order given.
struct FixedFieldsCodec {
  static std::string type() { return "name: text"; }
  static std::string show(const std::vector<FixedField>&) { return ""; }
  static void read(NodeReader& reader, const YAML::Node& node, std::vector<FixedField>& out) {
    if (!node.IsMap()) {
      reader.complain(node, "expected names and their texts", "write {cluster: prod-1}");
      return;
    }
    std::set<std::string> seen;
    for (const NodeReader::Entry& entry : reader.entries(node)) {
      const std::string name = entry.first.IsScalar() ? entry.first.Scalar() : "";
      if (name.empty()) {
        reader.complain_about_key(entry.first, name, "cannot be a field's name",
                                  "write {cluster: prod-1}");
        continue;
      }
      if (!seen.insert(name).second) {
        reader.complain_about_key(entry.first, name, "is given twice", "remove one of them");
        continue;
      }
      const NodeReader::Inside inside(reader, name, entry.first);
      std::string text;
      Codec<std::string>::read(reader, entry.second, text);
      out.push_back({name, std::move(text)});
    }
  }
};

// streams.KEY.aws: what is absent is as in `aws`.
struct OwnProfileCodec : Codec<std::string> {
  static std::string show(const std::optional<std::string>&) { return ""; }
  static void read(NodeReader& reader, const YAML::Node& node, std::optional<std::string>& out) {
    std::string profile;
    Codec<std::string>::read(reader, node, profile);
    if (!profile.empty()) out = std::move(profile);
  }
};
struct OwnRolesCodec : Codec<std::vector<AssumeRoleOptions>> {
  using Roles = std::vector<AssumeRoleOptions>;
  static std::string show(const std::optional<Roles>&) { return ""; }
  static void read(NodeReader& reader, const YAML::Node& node, std::optional<Roles>& out) {
    Codec<Roles>::read(reader, node, out.emplace());
  }
};

struct FirehoseCodec {
  static std::string type() { return "text"; }
  static std::string show(const StreamOptions&) { return ""; }
  static void read(NodeReader& reader, const YAML::Node& node, StreamOptions& out) {
    if (!out.name.empty()) {
      reader.complain(node, "conflicts with name", "keep one of the two");
      return;
    }
    out.kind = StreamKind::firehose;
    Codec<std::string>::read(reader, node, out.name);
  }
  // The option `name` reports a change of the name.
  static bool same(const StreamOptions& a, const StreamOptions& b) { return a.kind == b.kind; }
};
struct StreamNameCodec : Codec<std::string> {
  static void read(NodeReader& reader, const YAML::Node& node, std::string& out) {
    if (!out.empty()) {
      reader.complain(node, "conflicts with firehose", "keep one of the two");
      return;
    }
    Codec<std::string>::read(reader, node, out);
  }
};

}  // namespace penstock::config
