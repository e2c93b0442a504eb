#include <optional>

#include "encode/base64.h"
#include "encode/json_writer.h"
#include "protocol/json_entries.h"
#include "protocol/otlp/log_object.h"
#include "protocol/otlp/logs.h"
#include "protocol/otlp/wire_reader.h"
#include "record/msgpack_cursor.h"

// Field numbers: github.com/open-telemetry/opentelemetry-proto, logs/v1/logs.proto,
// common/v1/common.proto, resource/v1/resource.proto.

namespace penstock::protocol::otlp {
namespace {

using record::kNestingMax;

enum class Written : uint8_t { done, not_protobuf, too_deep };

Written write_value(ByteBuffer& out, ByteView any_value, uint32_t depth);

// KeyValue {key = 1, value = 2}, as one member.
Written write_member(MemberWriter& members, ByteView key_value, uint32_t depth) {
  std::string_view key;
  std::optional<ByteView> value;
  WireReader reader(key_value);
  for (WireField field; reader.next(field);) {
    if (field.is(1, WireType::bytes)) key = as_text(field.bytes);
    if (field.is(2, WireType::bytes)) value = field.bytes;
  }
  if (reader.failed()) return Written::not_protobuf;
  ByteBuffer& out = members.key(key);
  return write_value(out, value.value_or(ByteView()), depth);
}

// All fields `number` of a message are KeyValues: one object, at this depth.
Written write_object(ByteBuffer& out, ByteView message, uint32_t number, uint32_t depth) {
  if (depth > kNestingMax) return Written::too_deep;
  out.push_back('{');
  MemberWriter members(out);
  WireReader reader(message);
  for (WireField field; reader.next(field);) {
    if (!field.is(number, WireType::bytes)) continue;
    const Written written = write_member(members, field.bytes, depth + 1);
    if (written != Written::done) return written;
  }
  out.push_back('}');
  return reader.failed() ? Written::not_protobuf : Written::done;
}

// ArrayValue {values = 1}
Written write_array(ByteBuffer& out, ByteView message, uint32_t depth) {
  if (depth > kNestingMax) return Written::too_deep;
  out.push_back('[');
  bool has_items = false;
  WireReader reader(message);
  for (WireField field; reader.next(field);) {
    if (!field.is(1, WireType::bytes)) continue;
    if (has_items) out.push_back(',');
    has_items = true;
    const Written written = write_value(out, field.bytes, depth + 1);
    if (written != Written::done) return written;
  }
  out.push_back(']');
  return reader.failed() ? Written::not_protobuf : Written::done;
}

// AnyValue {string = 1, bool = 2, int = 3, double = 4, array = 5, kvlist = 6, bytes = 7}; of
// several the last counts, as in every oneof. depth: of a container that the value may be.
Written write_value(ByteBuffer& out, ByteView any_value, uint32_t depth) {
  std::optional<WireField> last;
  WireReader reader(any_value);
  for (WireField field; reader.next(field);) {
    const WireType expected = field.number == 2 || field.number == 3 ? WireType::varint
                              : field.number == 4                    ? WireType::fixed64
                                                                     : WireType::bytes;
    if (field.number <= 7 && field.type == expected) last = field;
  }
  if (reader.failed()) return Written::not_protobuf;
  switch (last ? last->number : 0) {
    case 1:
      encode::append_json_string(out, as_text(last->bytes));
      return Written::done;
    case 2:
      out.append(last->value != 0 ? std::string_view("true") : std::string_view("false"));
      return Written::done;
    case 3:
      append_integer(out, static_cast<int64_t>(last->value));
      return Written::done;
    case 4:
      append_double(out, std::bit_cast<double>(last->value));
      return Written::done;
    case 5:
      return write_array(out, last->bytes, depth);
    case 6:
      return write_object(out, last->bytes, 1, depth);
    case 7:
      out.push_back('"');
      encode::append_base64(out, last->bytes);
      out.push_back('"');
      return Written::done;
    default:
      out.append(std::string_view("null"));
      return Written::done;
  }
}

void write_text(MemberWriter& members, std::string_view name, ByteView text) {
  if (!text.empty()) encode::append_json_string(members.raw_key(name), as_text(text));
}

void write_count(MemberWriter& members, std::string_view name, uint64_t count) {
  if (count != 0) append_unsigned(members.raw_key(name), count);
}

bool has_field(ByteView message, uint32_t number) {
  WireReader reader(message);
  for (WireField field; reader.next(field);) {
    if (field.is(number, WireType::bytes)) return true;
  }
  return false;
}

// LogRecord's fields; attributes are read where they stand.
struct LogRecord {
  uint64_t time = 0;
  uint64_t observed_time = 0;
  uint64_t severity_number = 0;
  ByteView severity_text;
  std::optional<ByteView> body;
  bool has_attributes = false;
  uint64_t dropped_attributes = 0;
  uint64_t flags = 0;
  ByteView trace_id;
  ByteView span_id;
  ByteView event_name;

  static std::optional<LogRecord> read(ByteView message) {
    LogRecord record;
    WireReader reader(message);
    for (WireField field; reader.next(field);) record.take(field);
    if (reader.failed()) return std::nullopt;
    return record;
  }

  void take(const WireField& field) {
    if (field.is(1, WireType::fixed64)) time = field.value;
    if (field.is(2, WireType::varint)) severity_number = field.value;
    if (field.is(3, WireType::bytes)) severity_text = field.bytes;
    if (field.is(5, WireType::bytes)) body = field.bytes;
    if (field.is(6, WireType::bytes)) has_attributes = true;
    if (field.is(7, WireType::varint)) dropped_attributes = field.value;
    if (field.is(8, WireType::fixed32)) flags = field.value;
    if (field.is(9, WireType::bytes)) trace_id = field.bytes;
    if (field.is(10, WireType::bytes)) span_id = field.bytes;
    if (field.is(11, WireType::fixed64)) observed_time = field.value;
    if (field.is(12, WireType::bytes)) event_name = field.bytes;
  }
};

class ProtobufDecoder {
 public:
  ProtobufDecoder(ByteView body, const LogsOptions& options)
      : body_(body),
        received_(options.received),
        events_(options.received, options.size_max, body.size()),
        malformed_(options.received, options.size_max, 0) {}

  Result<Logs, LogsError> decode() {
    WireReader request(body_);
    for (WireField field; request.next(field);) {
      if (field.is(1, WireType::bytes) && !read_resource_logs(field.bytes)) {
        return failure(is_full() ? LogsError::too_large : LogsError::not_otlp);
      }
    }
    if (request.failed()) return failure(LogsError::not_otlp);
    return Logs{events_.take(), malformed_.take()};
  }

 private:
  bool is_full() const {
    return events_.is_full() || malformed_.is_full() ||
           events_.size() + malformed_.size() > events_.size_max();
  }

  // ResourceLogs {resource = 1, scope_logs = 2, schema_url = 3}, in any order.
  bool read_resource_logs(ByteView message) {
    ByteView resource;
    ByteView schema_url;
    WireReader reader(message);
    for (WireField field; reader.next(field);) {
      if (field.is(1, WireType::bytes)) resource = field.bytes;
      if (field.is(3, WireType::bytes)) schema_url = field.bytes;
    }
    if (reader.failed() || !write_resource(resource, schema_url)) return false;
    WireReader scopes(message);
    for (WireField field; scopes.next(field);) {
      if (field.is(2, WireType::bytes) && !read_scope_logs(field.bytes)) return false;
    }
    return true;
  }

  // Resource {attributes = 1, dropped_attributes_count = 2}
  bool write_resource(ByteView resource, ByteView schema_url) {
    prefix_.clear();
    prefix_.push_back('{');
    MemberWriter members(prefix_);
    if (has_field(resource, 1) &&
        write_object(members.raw_key("resource"), resource, 1, 2) != Written::done) {
      return false;
    }
    WireReader reader(resource);
    for (WireField field; reader.next(field);) {
      if (field.is(2, WireType::varint)) {
        write_count(members, "resource_dropped_attributes_count", field.value);
      }
    }
    write_text(members, "resource_schema_url", schema_url);
    resource_size_ = prefix_.size();
    return !reader.failed();
  }

  // ScopeLogs {scope = 1, log_records = 2, schema_url = 3}, in any order.
  bool read_scope_logs(ByteView message) {
    ByteView scope;
    ByteView schema_url;
    WireReader reader(message);
    for (WireField field; reader.next(field);) {
      if (field.is(1, WireType::bytes)) scope = field.bytes;
      if (field.is(3, WireType::bytes)) schema_url = field.bytes;
    }
    if (reader.failed() || !write_scope(scope, schema_url)) return false;
    WireReader records(message);
    for (WireField field; records.next(field);) {
      if (field.is(2, WireType::bytes)) read_log_record(field.bytes);
      if (is_full()) return false;
    }
    return true;
  }

  // InstrumentationScope {name = 1, version = 2, attributes = 3, dropped_attributes_count = 4}
  bool write_scope(ByteView scope, ByteView schema_url) {
    prefix_.resize(resource_size_);
    if (scope.empty() && schema_url.empty()) return true;
    MemberWriter members(prefix_, prefix_.size() > 1);
    members.raw_key("scope").push_back('{');
    MemberWriter inner(prefix_);
    ByteView name;
    ByteView version;
    uint64_t dropped = 0;
    WireReader reader(scope);
    for (WireField field; reader.next(field);) {
      if (field.is(1, WireType::bytes)) name = field.bytes;
      if (field.is(2, WireType::bytes)) version = field.bytes;
      if (field.is(4, WireType::varint)) dropped = field.value;
    }
    write_text(inner, "name", name);
    write_text(inner, "version", version);
    if (has_field(scope, 3) &&
        write_object(inner.raw_key("attributes"), scope, 3, 3) != Written::done) {
      return false;
    }
    write_count(inner, "dropped_attributes_count", dropped);
    write_text(inner, "schema_url", schema_url);
    prefix_.push_back('}');
    if (!inner.has_members()) prefix_.resize(resource_size_);
    return !reader.failed();
  }

  void read_log_record(ByteView message) {
    const auto record = LogRecord::read(message);
    if (!record || !write_log_record(*record, message)) malformed_.add_malformed(message);
  }

  bool write_log_record(const LogRecord& record, ByteView message) {
    ByteBuffer& out = events_.open();
    out.append(prefix_.view());
    MemberWriter members(out, prefix_.size() > 1);
    if (record.time != 0) append_timestamp(members.raw_key("timestamp"), record.time);
    if (record.observed_time != 0) {
      append_timestamp(members.raw_key("observed_timestamp"), record.observed_time);
    }
    write_count(members, "severity_number", record.severity_number);
    write_text(members, "severity_text", record.severity_text);
    write_text(members, "event_name", record.event_name);
    if (!record.trace_id.empty()) append_hex_string(members.raw_key("trace_id"), record.trace_id);
    if (!record.span_id.empty()) append_hex_string(members.raw_key("span_id"), record.span_id);
    write_count(members, "flags", record.flags);
    Written written = Written::done;
    if (record.has_attributes) {
      written = write_object(members.raw_key("attributes"), message, 6, 2);
    }
    write_count(members, "dropped_attributes_count", record.dropped_attributes);
    if (record.body && written == Written::done) {
      written = write_value(members.raw_key("body"), *record.body, 2);
    }
    out.push_back('}');
    if (written != Written::done) {
      events_.drop();
      return false;
    }
    const uint64_t time = record.time != 0 ? record.time : record.observed_time;
    events_.close(time != 0 ? record::EventTime{static_cast<int64_t>(time / 1'000'000'000),
                                                static_cast<uint32_t>(time % 1'000'000'000)}
                            : received_);
    return true;
  }

  const ByteView body_;
  const record::EventTime received_;
  ByteBuffer prefix_;         // the record's beginning: resource and scope
  size_t resource_size_ = 0;  // of it without the scope
  JsonEntries events_;
  JsonEntries malformed_;
};

}  // namespace

Result<Logs, LogsError> decode_logs_protobuf(ByteView body, const LogsOptions& options) {
  return ProtobufDecoder(body, options).decode();
}

}  // namespace penstock::protocol::otlp
