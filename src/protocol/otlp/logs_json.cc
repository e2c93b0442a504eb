#include <charconv>
#include <optional>

#include "codec/json_check.h"
#include "codec/msgpack_cursor.h"
#include "codec/rfc3339.h"
#include "protocol/json_entries.h"
#include "protocol/otlp/json_names.h"
#include "protocol/otlp/json_reader.h"
#include "protocol/otlp/log_object.h"
#include "protocol/otlp/logs.h"

// The JSON mapping: opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding". What is taken
// beyond it is in doc/otlp.md.

namespace penstock::protocol::otlp {
namespace {

using codec::kNestingMax;

// In a body each level of a record's value is up to four of JSON's own (value, kvlistValue, values,
// the pair), under eight around the record.
constexpr uint32_t kBodyNestingMax = 4 * kNestingMax + 8;

// Bytes of body for each container that the index has room for: attributes as they are sent have
// one in 17 at the most.
constexpr size_t kBytesPerContainer = 16;

enum class Written : uint8_t { done, wrong_shape, too_deep };

Written write_value(ByteBuffer& out, const JsonValue& any_value, uint32_t depth);

// Is this text a number as JSON writes it?
bool is_json_number(std::string_view text, bool is_integer) {
  const auto take_digits = [&] {
    const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(digits);
    return digits > 0;
  };
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text.starts_with('0')) {
    text.remove_prefix(1);
  } else if (!take_digits()) {
    return false;
  }
  if (is_integer || text.empty()) return text.empty();
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (!take_digits()) return false;
  }
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    if (!take_digits()) return false;
  }
  return text.empty();
}

std::optional<uint64_t> unsigned_of(ByteView value) {
  const std::string_view text = is_json(value, '"') ? raw_text(value) : as_text(value);
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number);
  if (text.empty() || result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return number;
}

// A number may come as a string; what is none stays the string it is.
void append_number(ByteBuffer& out, ByteView value, bool is_integer = true) {
  const bool is_quoted = is_json(value, '"') && is_json_number(raw_text(value), is_integer);
  out.append(is_quoted ? as_bytes(raw_text(value)) : value);
}

// doubleValue: the specification spells what JSON has no number for; here that is null.
void append_double_value(ByteBuffer& out, ByteView value) {
  if (!is_json(value, '"')) return out.append(value);
  const std::string_view text = raw_text(value);
  if (text == "NaN" || text == "Infinity" || text == "-Infinity") {
    return out.append(std::string_view("null"));
  }
  append_number(out, value, false);
}

// {"key": …, "value": …} as one member.
Written write_member(MemberWriter& members, const JsonValue& key_value, uint32_t depth) {
  if (StringPair pair; pair.read(key_value)) {
    members.raw_member(pair.quoted_key, pair.value);
    return Written::done;
  }
  if (!is_json(key_value, '{')) return Written::wrong_shape;
  JsonValue key;
  JsonValue value;
  JsonMembers reader(key_value);
  std::string_view name;
  for (JsonValue member; reader.next(name, member);) {
    if (name == "key") key = member;
    if (name == "value") value = member;
  }
  if (!is_json(key, '"')) return Written::wrong_shape;
  ByteBuffer& out = members.raw_key(raw_text(key));
  return write_value(out, value, depth);
}

// A list of pairs as one object; null is no pairs.
Written write_object(ByteBuffer& out, const JsonValue& pairs, uint32_t depth) {
  if (depth > kNestingMax) return Written::too_deep;
  out.push_back('{');
  if (is_json(pairs, '[')) {
    MemberWriter members(out);
    JsonItems reader(pairs);
    for (JsonValue pair; reader.next(pair);) {
      const Written written = write_member(members, pair, depth + 1);
      if (written != Written::done) return written;
    }
  } else if (!pairs.empty() && !is_json_null(pairs)) {
    return Written::wrong_shape;
  }
  out.push_back('}');
  return Written::done;
}

Written write_array(ByteBuffer& out, const JsonValue& values, uint32_t depth) {
  if (depth > kNestingMax) return Written::too_deep;
  out.push_back('[');
  if (is_json(values, '[')) {
    bool has_items = false;
    JsonItems reader(values);
    for (JsonValue value; reader.next(value);) {
      if (has_items) out.push_back(',');
      has_items = true;
      const Written written = write_value(out, value, depth + 1);
      if (written != Written::done) return written;
    }
  } else if (!values.empty() && !is_json_null(values)) {
    return Written::wrong_shape;
  }
  out.push_back(']');
  return Written::done;
}

// The member `values` of an ArrayValue or KeyValueList, or the bare list that some senders make.
JsonValue values_of(const JsonValue& list) {
  if (!is_json(list, '{')) return list;
  JsonMembers reader(list);
  std::string_view key;
  for (JsonValue value; reader.next(key, value);) {
    if (key == "values") return value;
  }
  return {};
}

Written write_value(ByteBuffer& out, const JsonValue& any_value, uint32_t depth) {
  if (!is_json(any_value, '{')) {  // absent, null, or a plain scalar in the value's place
    if (is_json(any_value, '[')) return Written::wrong_shape;
    out.append(any_value.empty() ? as_bytes("null") : any_value);
    return Written::done;
  }
  JsonMembers reader(any_value);
  std::string_view key;
  for (JsonValue value; reader.next(key, value);) {
    const bool is_array = is_named(key, "arrayValue", "array_value");
    const bool is_list = is_named(key, "kvlistValue", "kvlist_value");
    const bool is_integer = is_named(key, "intValue", "int_value");
    const bool is_double = is_named(key, "doubleValue", "double_value");
    const bool is_plain = is_named(key, "stringValue", "string_value") ||
                          is_named(key, "boolValue", "bool_value") ||
                          is_named(key, "bytesValue", "bytes_value");
    if (!is_array && !is_list && !is_integer && !is_double && !is_plain) continue;
    if (is_array) return write_array(out, values_of(value), depth);
    if (is_list) return write_object(out, values_of(value), depth);
    if (is_json(value, '{') || is_json(value, '[')) return Written::wrong_shape;
    if (is_integer) {
      append_number(out, value);
    } else if (is_double) {
      append_double_value(out, value);
    } else {
      out.append(value);
    }
    return Written::done;
  }
  out.append(std::string_view("null"));
  return Written::done;
}

// protobuf cannot tell an empty list from none: neither becomes a member.
bool is_no_list(const JsonValue& value) {
  if (value.empty() || is_json_null(value)) return true;
  JsonValue first;
  return is_json(value, '[') && !JsonItems(value).next(first);
}

bool is_empty(ByteView value) {
  return value.empty() || is_json_null(value) || (is_json(value, '"') && value.size() == 2);
}

// A scalar as it came.
bool write_plain(MemberWriter& members, std::string_view name, ByteView value) {
  if (is_empty(value)) return true;
  if (is_json(value, '{') || is_json(value, '[')) return false;
  members.raw_key(name).append(value);
  return true;
}

bool write_number(MemberWriter& members, std::string_view name, ByteView value) {
  if (is_empty(value)) return true;
  if (is_json(value, '{') || is_json(value, '[')) return false;
  append_number(members.raw_key(name), value);
  return true;
}

bool write_count(MemberWriter& members, std::string_view name, ByteView value) {
  return as_text(value) == "0" || write_number(members, name, value);
}

// Trace flags are a number; the collector of OpenShift sends two hex digits in a string.
bool write_flags(MemberWriter& members, ByteView value) {
  if (!is_json(value, '"')) return write_count(members, "flags", value);
  const std::string_view text = raw_text(value);
  uint32_t flags = 0;
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, flags, 16);
  if (text.empty() || result.ec != std::errc() || result.ptr != end) {
    return write_plain(members, "flags", value);
  }
  append_unsigned(members.raw_key("flags"), flags);
  return true;
}

// Nanoseconds since 1970; what is not a count is passed on as it came.
bool write_time(MemberWriter& members, std::string_view name, ByteView value) {
  const auto count = unsigned_of(value);
  if (!count) return write_plain(members, name, value);
  if (*count != 0) append_timestamp(members.raw_key(name), *count);
  return true;
}

std::optional<codec::EventTime> time_of(ByteView value) {
  if (const auto count = unsigned_of(value)) {
    if (*count == 0) return std::nullopt;
    return codec::EventTime{static_cast<int64_t>(*count / 1'000'000'000),
                            static_cast<uint32_t>(*count % 1'000'000'000)};
  }
  return is_json(value, '"') ? codec::parse_rfc3339(raw_text(value)) : std::nullopt;
}

class JsonDecoder {
 public:
  JsonDecoder(const JsonValue& body, const LogsOptions& options)
      : body_(body),
        received_(options.received),
        events_(options.received, options.size_max, body.size()),
        malformed_(options.received, options.size_max, 0) {}

  Result<Logs, LogsError> decode() {
    if (!is_json(body_, '{')) return failure(LogsError::not_otlp);
    JsonMembers request(body_);
    std::string_view key;
    bool has_logs = false;
    bool has_others = false;
    LogsError otherwise = LogsError::no_logs;
    for (JsonValue value; request.next(key, value);) {
      if (!is_named(key, "resourceLogs", "resource_logs")) {
        if (otherwise == LogsError::no_logs) otherwise = error_of_member(key);
        has_others = true;
        continue;
      }
      has_logs = true;
      if (!read_each(value, &JsonDecoder::read_resource_logs)) {
        return failure(is_full() ? LogsError::too_large : LogsError::not_otlp);
      }
    }
    if (!has_logs && has_others) return failure(otherwise);  // {} is an empty request
    return Logs{events_.take(), malformed_.take()};
  }

 private:
  bool is_full() const {
    return events_.is_full() || malformed_.is_full() ||
           events_.size() + malformed_.size() + beginning_.size() > events_.size_max();
  }
  // What resource and scope say counts: it is there beside the entries.
  size_t size_left_for_records() const {
    const size_t used = malformed_.size() + beginning_.size();
    return events_.size_max() - std::min(used, events_.size_max());
  }

  // All items of a list; null is none.
  bool read_each(const JsonValue& list, bool (JsonDecoder::*read)(const JsonValue&)) {
    if (list.empty() || is_json_null(list)) return true;
    if (!is_json(list, '[')) return false;
    JsonItems items(list);
    for (JsonValue item; items.next(item);) {
      if (!(this->*read)(item)) return false;
    }
    return true;
  }

  bool read_resource_logs(const JsonValue& object) {
    if (!is_json(object, '{')) return false;
    JsonValue resource;
    JsonValue scopes;
    JsonValue schema_url;
    has_unknown_ = false;
    const uint32_t records_before = events_.count() + malformed_.count();
    JsonMembers reader(object);
    std::string_view key;
    for (JsonValue value; reader.next(key, value);) {
      if (key == "resource") {
        resource = value;
      } else if (is_named(key, "scopeLogs", "scope_logs") ||
                 is_named(key, "instrumentationLibraryLogs", "instrumentation_library_logs")) {
        if (scopes.empty() || !is_no_list(value)) scopes = value;
      } else if (is_named(key, "schemaUrl", "schema_url")) {
        schema_url = value;
      } else {
        has_unknown_ = true;
      }
    }
    if (!write_resource(resource, schema_url) ||
        !read_each(scopes, &JsonDecoder::read_scope_logs)) {
      return false;
    }
    const bool has_records = events_.count() + malformed_.count() > records_before;
    if (!has_records && has_unknown_) malformed_.add_malformed(object);
    return !is_full();
  }

  bool write_resource(const JsonValue& resource, const JsonValue& schema_url) {
    beginning_.clear();
    beginning_.push_back('{');
    MemberWriter members(beginning_);
    bool written = true;
    if (is_json(resource, '{')) {
      JsonMembers reader(resource);
      std::string_view key;
      JsonValue dropped;
      for (JsonValue value; reader.next(key, value) && written;) {
        if (key == "attributes" && !is_no_list(value)) {
          written = write_object(members.raw_key("resource"), value, 2) == Written::done;
        }
        if (is_named(key, "droppedAttributesCount", "dropped_attributes_count")) dropped = value;
      }
      written = written && write_count(members, "resource_dropped_attributes_count", dropped);
    }
    written = written && write_plain(members, "resource_schema_url", schema_url);
    resource_size_ = beginning_.size();
    return written;
  }

  bool read_scope_logs(const JsonValue& object) {
    if (!is_json(object, '{')) return false;
    JsonValue scope;
    JsonValue records;
    JsonValue schema_url;
    JsonMembers reader(object);
    std::string_view key;
    for (JsonValue value; reader.next(key, value);) {
      if (key == "scope" || is_named(key, "instrumentationLibrary", "instrumentation_library")) {
        scope = value;
      } else if (is_named(key, "logRecords", "log_records") || key == "logs") {
        if (records.empty() || !is_no_list(value)) records = value;
      } else if (is_named(key, "schemaUrl", "schema_url")) {
        schema_url = value;
      } else {
        has_unknown_ = true;
      }
    }
    return write_scope(scope, schema_url) && read_each(records, &JsonDecoder::read_log_record);
  }

  bool write_scope(const JsonValue& scope, const JsonValue& schema_url) {
    beginning_.resize(resource_size_);
    if (!is_json(scope, '{') && is_empty(schema_url)) return true;
    MemberWriter members(beginning_, beginning_.size() > 1);
    members.raw_key("scope").push_back('{');
    MemberWriter inner(beginning_);
    JsonValue name;
    JsonValue version;
    JsonValue attributes;
    JsonValue dropped;
    if (is_json(scope, '{')) {
      JsonMembers reader(scope);
      std::string_view key;
      for (JsonValue value; reader.next(key, value);) {
        if (key == "name") name = value;
        if (key == "version") version = value;
        if (key == "attributes") attributes = value;
        if (is_named(key, "droppedAttributesCount", "dropped_attributes_count")) dropped = value;
      }
    }
    bool written = write_plain(inner, "name", name) && write_plain(inner, "version", version);
    if (written && !is_no_list(attributes)) {
      written = write_object(inner.raw_key("attributes"), attributes, 3) == Written::done;
    }
    written = written && write_count(inner, "dropped_attributes_count", dropped) &&
              write_plain(inner, "schema_url", schema_url);
    beginning_.push_back('}');
    if (!inner.has_members()) beginning_.resize(resource_size_);
    return written;
  }

  bool read_log_record(const JsonValue& object) {
    const bool is_object = is_json(object, '{');
    const JsonLogRecord record = is_object ? JsonLogRecord(object) : JsonLogRecord();
    if (!is_object || record.is_foreign() || !write_log_record(record)) {
      malformed_.add_malformed(object);
    }
    return !is_full();
  }

  bool write_log_record(const JsonLogRecord& record) {
    // As long as the record at most, without its times: it need not look at the limit.
    const auto write = [&](MemberWriter& members, ByteBuffer&, size_t) {
      std::optional<codec::EventTime> time;
      if (!write_members(members, record)) return time;
      time = time_of(record.time);
      if (!time) time = time_of(record.observed_time);
      if (!time) time = received_;
      return time;
    };
    return add_record(events_, beginning_.view(), scratch_, size_left_for_records(), write);
  }

  static bool write_members(MemberWriter& members, const JsonLogRecord& record) {
    bool written = write_time(members, "timestamp", record.time) &&
                   write_time(members, "observed_timestamp", record.observed_time) &&
                   write_number(members, "severity_number", record.severity_number) &&
                   write_plain(members, "severity_text", record.severity_text) &&
                   write_plain(members, "event_name", record.event_name) &&
                   write_plain(members, "trace_id", record.trace_id) &&
                   write_plain(members, "span_id", record.span_id) &&
                   write_flags(members, record.flags);
    if (written && !is_no_list(record.attributes)) {
      written = write_object(members.raw_key("attributes"), record.attributes, 2) == Written::done;
    }
    written =
        written && write_count(members, "dropped_attributes_count", record.dropped_attributes);
    if (written && !record.body.empty()) {
      written = write_value(members.raw_key("body"), record.body, 2) == Written::done;
    }
    return written;
  }

  const JsonValue body_;
  const codec::EventTime received_;
  ByteBuffer beginning_;      // the record's beginning: resource and scope
  size_t resource_size_ = 0;  // of it without the scope
  bool has_unknown_ = false;  // members of the present resource's entry, its scopes' included
  ByteBuffer scratch_;
  JsonEntries events_;
  JsonEntries malformed_;
};

}  // namespace

Result<Logs, LogsError> decode_logs_json(ByteBuffer& body, const LogsOptions& options) {
  codec::terminate(body);
  const uint8_t* const end = body.data() + body.size();
  const uint8_t* const start = codec::skip_json_space(body.data(), end);
  // The index is paid for by what the entries, which are rarely larger than the body, may come to.
  const size_t spare = options.size_max - std::min(options.size_max, body.size());
  const size_t containers_max =
      std::min(body.size() / kBytesPerContainer, spare / sizeof(codec::JsonContainer));
  codec::JsonIndex index(containers_max);
  const codec::JsonChecked checked = codec::check_json(start, end, index, kBodyNestingMax);
  if (checked.fault != codec::JsonFault::none || codec::skip_json_space(checked.end, end) != end) {
    return failure(LogsError::not_otlp);
  }
  LogsOptions rest = options;
  rest.size_max -= containers_max * sizeof(codec::JsonContainer);
  const ByteView whole{start, static_cast<size_t>(checked.end - start)};
  if (!checked.bad_utf8) return JsonDecoder({whole, index.first()}, rest).decode();
  // It takes the place of the body; what it is longer is paid for likewise.
  const size_t repaired_size = codec::repaired_utf8_size(whole);
  if (repaired_size > options.size_max) return failure(LogsError::too_large);
  ByteBuffer repaired(repaired_size);
  codec::append_repaired_utf8(repaired, whole);
  rest.size_max = options.size_max - (repaired_size - std::min(repaired_size, whole.size()));
  body = std::move(repaired);
  return JsonDecoder({body.view(), nullptr}, rest).decode();
}

}  // namespace penstock::protocol::otlp
