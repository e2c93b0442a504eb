#include "route/log_type.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/check.h"

namespace penstock::route {
namespace {

using Kind = FieldValue::Kind;

// Takes the text up to the first `delimiter` off the front; false where there is none.
bool take_until(std::string_view& text, char delimiter, std::string_view& taken) {
  const size_t at = text.find(delimiter);
  if (at == std::string_view::npos) return false;
  taken = text.substr(0, at);
  text.remove_prefix(at + 1);
  return true;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool take_suffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }

// <pod>_<ns>_<container>-<64hex>.log, read from the right: pod names may contain dots.
bool read_containers_tag(std::string_view name, TagFacts& facts) {
  constexpr size_t kIdSize = 64;
  if (!take_suffix(name, ".log") || name.size() <= kIdSize + 1) return false;
  const std::string_view id = name.substr(name.size() - kIdSize);
  name.remove_suffix(kIdSize);
  if (!std::all_of(id.begin(), id.end(), is_hex) || !take_suffix(name, "-")) return false;
  const size_t container = name.rfind('_');
  if (container == std::string_view::npos || container + 1 == name.size()) return false;
  name = name.substr(0, container);
  const size_t namespace_at = name.rfind('_');
  if (namespace_at == std::string_view::npos) return false;
  facts.pod_name = name.substr(0, namespace_at);
  facts.namespace_name = name.substr(namespace_at + 1);
  return true;
}

// <ns>_<pod>_<uid>.<container>.<n>.log; the uid of a static pod is a hash without dashes.
bool read_pods_tag(std::string_view name, TagFacts& facts) {
  constexpr size_t kUuidSize = 36;
  constexpr size_t kHashSize = 32;
  std::string_view uid;
  std::string_view container;
  if (!take_suffix(name, ".log") || !take_until(name, '_', facts.namespace_name) ||
      !take_until(name, '_', facts.pod_name) || !take_until(name, '.', uid) ||
      !take_until(name, '.', container)) {
    return false;
  }
  return (uid.size() == kUuidSize || uid.size() == kHashSize) && !container.empty() &&
         std::all_of(uid.begin(), uid.end(), [](char c) { return is_hex(c) || c == '-'; }) &&
         !name.empty() && std::all_of(name.begin(), name.end(), is_digit);
}

bool read_container_tag(std::string_view tag, TagFacts& facts) {
  if (!take_prefix(tag, "kubernetes.var.log.")) return false;
  const bool read = take_prefix(tag, "containers.") ? read_containers_tag(tag, facts)
                    : take_prefix(tag, "pods.")     ? read_pods_tag(tag, facts)
                                                    : false;
  return read && !facts.namespace_name.empty() && !facts.pod_name.empty();
}

std::optional<LogType> log_type_of_index(std::string_view index) {
  if (index.starts_with(".operations.") || index == "infra-write") return LogType::infrastructure;
  if (index.starts_with(".audit.") || index == "audit-write") return LogType::audit;
  if (index.starts_with("project.") || index == "app-write" || index.starts_with(".orphaned.")) {
    return LogType::application;
  }
  return std::nullopt;
}

// The fields of one record, by name.
class RecordFacts {
 public:
  explicit RecordFacts(std::span<const FieldValue> fields) : fields_(fields) {
    CHECK(fields.size() == kFactCount);
  }
  const FieldValue& operator[](Fact fact) const { return fields_[static_cast<size_t>(fact)]; }

  std::optional<std::string_view> text(Fact fact) {
    const FieldValue& value = (*this)[fact];
    if (value.kind != Kind::text) return std::nullopt;
    return value.text(scratch_);
  }
  std::optional<LogType> named(Fact fact) {
    const auto name = text(fact);
    return name ? log_type_named(*name) : std::nullopt;
  }
  bool starts_with(Fact fact, std::string_view prefix) {
    const auto value = text(fact);
    return value && value->starts_with(prefix);
  }

 private:
  std::span<const FieldValue> fields_;
  std::string scratch_;
};

std::optional<LogType> log_type_of_shape(RecordFacts& facts) {
  if (facts[Fact::namespace_name].kind != Kind::text) {
    // Containers are left out: what they print may have been merged into the record's root.
    const bool is_api_audit = facts[Fact::audit_id].kind == Kind::text &&
                              facts.text(Fact::kind) == "Event" &&
                              facts.starts_with(Fact::api_version, "audit.k8s.io/");
    if (facts[Fact::audit_linux].kind == Kind::object || is_api_audit) return LogType::audit;
    if (facts[Fact::systemd].kind == Kind::object) return LogType::infrastructure;
  }
  // The metadata filter's name for a namespace that was gone when it asked.
  const bool is_orphaned = facts.text(Fact::namespace_name) == ".orphaned";
  if (const auto name = facts.text(is_orphaned ? Fact::orphaned_namespace : Fact::namespace_name)) {
    return log_type_of_namespace(*name);
  }
  if (const auto name = facts.text(Fact::otlp_namespace)) return log_type_of_namespace(*name);
  return std::nullopt;
}

}  // namespace

std::string_view to_string(LogType type) {
  switch (type) {
    case LogType::application:
      return "application";
    case LogType::infrastructure:
      return "infrastructure";
    case LogType::audit:
      return "audit";
  }
  return "unknown";
}

std::optional<LogType> log_type_named(std::string_view name) {
  name = name.substr(0, name.find('.'));
  if (name == "application") return LogType::application;
  if (name == "infrastructure") return LogType::infrastructure;
  if (name == "audit") return LogType::audit;
  return std::nullopt;
}

LogType log_type_of_namespace(std::string_view name) {
  const bool is_infrastructure = name == "default" || name == "openshift" ||
                                 name.starts_with("openshift-") || name == "kube" ||
                                 name.starts_with("kube-");
  return is_infrastructure ? LogType::infrastructure : LogType::application;
}

TagFacts facts_of_tag(std::string_view tag) {
  TagFacts facts;
  if (read_container_tag(tag, facts)) {
    facts.is_container = true;
    facts.log_type = log_type_of_namespace(facts.namespace_name);
    return facts;
  }
  facts = {};
  if (tag == "linux-audit.log" || tag == "k8s-audit.log" || tag == "openshift-audit.log" ||
      tag == "ovn-audit.log") {
    facts.log_type = LogType::audit;
  } else if (tag == "journal.system") {
    facts.log_type = LogType::infrastructure;
  } else if (std::string_view name = tag; take_prefix(name, "kubernetes.journal.container._")) {
    // Containers that log to the journal, marked with their namespace: _kube-system_
    std::string_view namespace_name;
    if (take_until(name, '_', namespace_name)) {
      facts.log_type = log_type_of_namespace(namespace_name);
    }
  } else if (tag.starts_with("journal.") || tag.starts_with("system.")) {
    facts.log_type_of_record = LogType::infrastructure;
  } else if (tag.ends_with("-audit.log") && tag.find('.') == tag.size() - 4) {
    facts.log_type_of_record = LogType::audit;
  }
  return facts;
}

FieldPath path_of(Fact fact) {
  static const std::array<FieldPath, kFactCount> paths{{
      {"log_type"},
      {"kubernetes", "namespace_name"},
      {"kubernetes", "pod_name"},
      {"kubernetes", "orphaned_namespace"},
      {"audit.linux"},
      {"auditID"},
      {"kind"},
      {"apiVersion"},
      {"systemd"},
      {"viaq_index_name"},
      {"resource", "openshift.log.type"},
      {"resource", "log_type"},
      {"attributes", "openshift.log.type"},
      {"attributes", "log_type"},
      {"resource", "k8s.namespace.name"},
      {"resource", "k8s.pod.name"},
  }};
  return paths[static_cast<size_t>(fact)];
}

Classified classify(std::span<const FieldValue> fields, const TagFacts& tag) {
  if (tag.log_type) return {*tag.log_type, false};
  RecordFacts facts(fields);
  for (const Fact fact : {Fact::log_type, Fact::otlp_resource_openshift, Fact::otlp_resource_plain,
                          Fact::otlp_record_openshift, Fact::otlp_record_plain}) {
    if (const auto named = facts.named(fact)) return {*named, false};
  }
  if (tag.log_type_of_record) return {*tag.log_type_of_record, false};
  if (const auto shape = log_type_of_shape(facts)) return {*shape, false};
  if (const auto index = facts.text(Fact::viaq_index_name)) {
    if (const auto type = log_type_of_index(*index)) return {*type, false};
  }
  return {LogType::application, true};
}

}  // namespace penstock::route
