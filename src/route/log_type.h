// LogType: application, infrastructure or audit, and how it is told for every generation of
// OpenShift Logging.
//
//   by tag     a Forward tag of one of the collector's own shapes decides for the whole chunk
//   by record  else, first hit wins: the field log_type (OTLP: openshift.log.type or log_type of
//              the resource, then of the log record); the looser tag rules; the record's shape;
//              viaq_index_name; application by default
//
// What a container wrote (message, structured, an OTLP body) is never looked at.
//
// Pure; thread: any.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "route/field_path.h"

namespace penstock::route {

enum class LogType : uint8_t { application, infrastructure, audit };
[[nodiscard]] std::string_view to_string(LogType type);

// What a record's log_type says: "infrastructure", or a dotted variant as "infrastructure.node".
[[nodiscard]] std::optional<LogType> log_type_named(std::string_view name);

// The operator's rule: default, openshift, openshift-*, kube and kube-* are infrastructure.
[[nodiscard]] LogType log_type_of_namespace(std::string_view namespace_name);

// What a tag says by itself.
struct TagFacts {
  // The tag is one the collectors make (see doc/sources.md), and so says it for its whole chunk.
  std::optional<LogType> log_type;
  // The tag is a container's. Views into the tag.
  bool is_container = false;
  std::string_view namespace_name;
  std::string_view pod_name;
  // *-audit.log, journal.* and system.*: decides when the record has no log_type.
  std::optional<LogType> log_type_of_record;
};
[[nodiscard]] TagFacts facts_of_tag(std::string_view tag);

// The fields of a record that say what it is, in the order in which RecordFacts looks at them.
// OTLP's come last: they are only looked for in events with the tag "otlp".
enum class Fact : uint8_t {
  log_type,
  namespace_name,
  pod_name,
  orphaned_namespace,
  audit_linux,
  audit_id,
  kind,
  api_version,
  systemd,
  viaq_index_name,
  otlp_resource_openshift,
  otlp_resource_plain,
  otlp_record_openshift,
  otlp_record_plain,
  otlp_namespace,
  otlp_pod,
  count
};
constexpr size_t kFactCount = static_cast<size_t>(Fact::count);
[[nodiscard]] FieldPath path_of(Fact fact);

// fields: what was found at the paths of all facts, in their order.
struct Classified {
  LogType type = LogType::application;
  bool by_default = false;  // nothing said so
};
[[nodiscard]] Classified classify(std::span<const FieldValue> fields, const TagFacts& tag);

}  // namespace penstock::route
