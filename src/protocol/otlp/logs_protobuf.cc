#include <algorithm>
#include <bit>
#include <optional>

#include "codec/base64.h"
#include "codec/json_writer.h"
#include "codec/msgpack_cursor.h"
#include "protocol/json_entries.h"
#include "protocol/otlp/log_object.h"
#include "protocol/otlp/logs.h"
#include "protocol/otlp/wire_reader.h"

// Field numbers: github.com/open-telemetry/opentelemetry-proto, logs/v1/logs.proto,
// common/v1/common.proto, resource/v1/resource.proto.

namespace penstock::protocol::otlp {
namespace {

using codec::kNestingMax;

enum class Written : uint8_t { done, not_protobuf, too_deep, too_large };

// Where a value goes: how deep a container would be, and how large the buffer may become. Bytes may
// be loaded up to readable_end, the end of the request's body: short strings are copied 16 bytes at
// once.
struct Place {
  uint32_t depth;
  size_t size_max;
  const uint8_t* readable_end;
  [[nodiscard]] Place within() const { return {depth + 1, size_max, readable_end}; }
};

Written write_value(ByteBuffer& out, ByteView any_value, Place place);

// KeyValue {key = 1, value = 2}, as one member.
Written write_member(MemberWriter& members, ByteView key_value, Place place) {
  if (TextPair pair; pair.read(key_value)) {
    const bool fits = members.text_member(pair.key, pair.text, place.size_max, place.readable_end);
    return fits ? Written::done : Written::too_large;
  }
  std::string_view key;
  ByteView value;
  WireReader reader(key_value);
  for (WireField field; reader.next(field);) {
    if (field.is(1, WireType::bytes)) key = as_text(field.bytes);
    if (field.is(2, WireType::bytes)) value = field.bytes;
  }
  if (reader.failed()) return Written::not_protobuf;
  if (!members.key(key, place.size_max, place.readable_end)) return Written::too_large;
  return write_value(members.out(), value, place);
}

// All fields `number` of a message are KeyValues: one object, at this depth.
Written write_object(ByteBuffer& out, ByteView message, uint32_t number, Place place) {
  if (place.depth > kNestingMax) return Written::too_deep;
  out.push_back('{');
  MemberWriter members(out);
  WireReader reader(message);
  for (WireField field; reader.next(field);) {
    if (!field.is(number, WireType::bytes)) continue;
    const Written written = write_member(members, field.bytes, place.within());
    if (written != Written::done) return written;
  }
  out.push_back('}');
  return reader.failed() ? Written::not_protobuf : Written::done;
}

// ArrayValue {values = 1}
Written write_array(ByteBuffer& out, ByteView message, Place place) {
  if (place.depth > kNestingMax) return Written::too_deep;
  out.push_back('[');
  bool has_items = false;
  WireReader reader(message);
  for (WireField field; reader.next(field);) {
    if (!field.is(1, WireType::bytes)) continue;
    if (has_items) out.push_back(',');
    has_items = true;
    const Written written = write_value(out, field.bytes, place.within());
    if (written != Written::done) return written;
  }
  out.push_back(']');
  return reader.failed() ? Written::not_protobuf : Written::done;
}

Written write_text(ByteBuffer& out, ByteView text, Place place) {
  codec::JsonSink sink(out, place.size_max - std::min(place.size_max, out.size()));
  const uint8_t* const from = text.empty() ? place.readable_end : text.data();
  const uint8_t* const at =
      codec::write_string(sink, sink.begin(), from, text.size(), place.readable_end);
  return at != nullptr && sink.commit(at) ? Written::done : Written::too_large;
}

// AnyValue {string = 1, bool = 2, int = 3, double = 4, array = 5, kvlist = 6, bytes = 7}; of
// several the last counts, as in every oneof.
Written write_value(ByteBuffer& out, ByteView any_value, Place place) {
  WireField last;  // of number 0: there is none
  WireReader reader(any_value);
  for (WireField field; reader.next(field);) {
    const WireType expected = field.number == 2 || field.number == 3 ? WireType::varint
                              : field.number == 4                    ? WireType::fixed64
                                                                     : WireType::bytes;
    if (field.number <= 7 && field.type == expected) last = field;
  }
  if (reader.failed()) return Written::not_protobuf;
  switch (last.number) {
    case 1:
      return write_text(out, last.bytes, place);
    case 2:
      out.append(last.value != 0 ? std::string_view("true") : std::string_view("false"));
      return Written::done;
    case 3:
      append_integer(out, static_cast<int64_t>(last.value));
      return Written::done;
    case 4:
      append_double(out, std::bit_cast<double>(last.value));
      return Written::done;
    case 5:
      return write_array(out, last.bytes, place);
    case 6:
      return write_object(out, last.bytes, 1, place);
    case 7:
      out.push_back('"');
      codec::append_base64(out, last.bytes);
      out.push_back('"');
      return Written::done;
    default:
      out.append(std::string_view("null"));
      return Written::done;
  }
}

bool write_text(MemberWriter& members, std::string_view name, ByteView text, Place place) {
  return text.empty() || write_text(members.raw_key(name), text, place) == Written::done;
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
  bool is_other_signal = false;  // a Span begins with its trace_id, a Metric with its name

  static std::optional<LogRecord> read(ByteView message) {
    LogRecord record;
    WireReader reader(message);
    for (WireField field; reader.next(field);) record.take(field);
    if (reader.failed()) return std::nullopt;
    return record;
  }

  void take(const WireField& field) {
    if (field.is(6, WireType::bytes)) {  // nearly all of them
      has_attributes = true;
      return;
    }
    if (field.is(1, WireType::fixed64)) time = field.value;
    if (field.is(1, WireType::bytes)) is_other_signal = true;
    if (field.is(2, WireType::varint)) severity_number = field.value;
    if (field.is(3, WireType::bytes)) severity_text = field.bytes;
    if (field.is(5, WireType::bytes)) body = field.bytes;
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
    bool has_logs = body_.empty();
    for (WireField field; request.next(field);) {
      if (!field.is(1, WireType::bytes)) continue;
      has_logs = true;
      if (!read_resource_logs(field.bytes)) {
        return failure(is_full() ? LogsError::too_large : LogsError::not_otlp);
      }
    }
    if (request.failed()) return failure(LogsError::not_otlp);
    if (!has_logs) return failure(LogsError::no_logs);
    if (events_.count() == 0 && has_other_signal_) return failure(LogsError::other_signal);
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
  bool give_up() {
    events_.give_up();
    return false;
  }
  bool done(Written written) {
    if (written == Written::too_large) give_up();
    return written == Written::done;
  }

  // ResourceLogs {resource = 1, scope_logs = 2, schema_url = 3}, in any order; 1000 was
  // instrumentation_library_logs, of the same shape.
  bool read_resource_logs(ByteView message) {
    ByteView resource;
    ByteView schema_url;
    WireReader reader(message);
    for (WireField field; reader.next(field);) {
      if (field.is(1, WireType::bytes)) resource = field.bytes;
      if (field.is(3, WireType::bytes)) schema_url = field.bytes;
    }
    if (reader.failed() || !write_resource(resource, schema_url)) return false;
    const uint32_t records_before = events_.count() + malformed_.count();
    has_unknown_ = false;
    WireReader scopes(message);
    for (WireField field; scopes.next(field);) {
      const bool is_scope = field.is(2, WireType::bytes) || field.is(1000, WireType::bytes);
      if (is_scope && !read_scope_logs(field.bytes)) return false;
      has_unknown_ = has_unknown_ || (!is_scope && field.number > 3);
    }
    const bool has_records = events_.count() + malformed_.count() > records_before;
    if (!has_records && has_unknown_) malformed_.add_malformed(message);
    return !is_full();
  }

  // Resource {attributes = 1, dropped_attributes_count = 2}
  bool write_resource(ByteView resource, ByteView schema_url) {
    beginning_.clear();
    beginning_.push_back('{');
    MemberWriter members(beginning_);
    const Place place = within_body(2, events_.size_max());
    if (has_field(resource, 1) &&
        !done(write_object(members.raw_key("resource"), resource, 1, place))) {
      return false;
    }
    WireReader reader(resource);
    for (WireField field; reader.next(field);) {
      if (field.is(2, WireType::varint)) {
        write_count(members, "resource_dropped_attributes_count", field.value);
      }
    }
    if (!write_text(members, "resource_schema_url", schema_url, place)) return give_up();
    resource_size_ = beginning_.size();
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
      has_unknown_ = has_unknown_ || field.number > 3;
      if (is_full()) return false;
    }
    return true;
  }

  // InstrumentationScope {name = 1, version = 2, attributes = 3, dropped_attributes_count = 4}
  bool write_scope(ByteView scope, ByteView schema_url) {
    beginning_.resize(resource_size_);
    if (scope.empty() && schema_url.empty()) return true;
    MemberWriter members(beginning_, beginning_.size() > 1);
    members.raw_key("scope").push_back('{');
    MemberWriter inner(beginning_);
    ByteView name;
    ByteView version;
    uint64_t dropped = 0;
    WireReader reader(scope);
    for (WireField field; reader.next(field);) {
      if (field.is(1, WireType::bytes)) name = field.bytes;
      if (field.is(2, WireType::bytes)) version = field.bytes;
      if (field.is(4, WireType::varint)) dropped = field.value;
    }
    const Place place = within_body(3, events_.size_max());
    if (!write_text(inner, "name", name, place) || !write_text(inner, "version", version, place)) {
      return give_up();
    }
    if (has_field(scope, 3) && !done(write_object(inner.raw_key("attributes"), scope, 3, place))) {
      return false;
    }
    write_count(inner, "dropped_attributes_count", dropped);
    if (!write_text(inner, "schema_url", schema_url, place)) return give_up();
    beginning_.push_back('}');
    if (!inner.has_members()) beginning_.resize(resource_size_);
    return !reader.failed();
  }

  void read_log_record(ByteView message) {
    const auto record = LogRecord::read(message);
    if (record && record->is_other_signal) has_other_signal_ = true;
    if (!record || record->is_other_signal || !write_log_record(*record, message)) {
      malformed_.add_malformed(message);
    }
  }

  bool write_log_record(const LogRecord& record, ByteView message) {
    const auto write = [&](MemberWriter& members, ByteBuffer& out, size_t size_max) {
      std::optional<codec::EventTime> time;
      if (!done(write_members(members, out, record, message, size_max))) return time;
      const uint64_t ns = record.time != 0 ? record.time : record.observed_time;
      time = ns != 0 ? codec::EventTime{static_cast<int64_t>(ns / 1'000'000'000),
                                        static_cast<uint32_t>(ns % 1'000'000'000)}
                     : received_;
      return time;
    };
    return add_record(events_, beginning_.view(), scratch_, size_left_for_records(), write);
  }

  [[nodiscard]] Place within_body(uint32_t depth, size_t size_max) const {
    return {depth, size_max, body_.data() + body_.size()};
  }

  Written write_members(MemberWriter& members, ByteBuffer& out, const LogRecord& record,
                        ByteView message, size_t size_max) const {
    const Place place = within_body(2, size_max);
    if (record.time != 0) append_timestamp(members.raw_key("timestamp"), record.time);
    if (record.observed_time != 0) {
      append_timestamp(members.raw_key("observed_timestamp"), record.observed_time);
    }
    write_count(members, "severity_number", record.severity_number);
    if (!write_text(members, "severity_text", record.severity_text, place) ||
        !write_text(members, "event_name", record.event_name, place)) {
      return Written::too_large;
    }
    if (!record.trace_id.empty()) append_hex_string(members.raw_key("trace_id"), record.trace_id);
    if (!record.span_id.empty()) append_hex_string(members.raw_key("span_id"), record.span_id);
    write_count(members, "flags", record.flags);
    if (record.has_attributes) {
      const auto written = write_object(members.raw_key("attributes"), message, 6, place);
      if (written != Written::done) return written;
    }
    write_count(members, "dropped_attributes_count", record.dropped_attributes);
    if (record.body) {
      const auto written = write_value(members.raw_key("body"), *record.body, place);
      if (written != Written::done) return written;
    }
    return out.size() > size_max ? Written::too_large : Written::done;
  }

  const ByteView body_;
  const codec::EventTime received_;
  ByteBuffer beginning_;      // the record's beginning: resource and scope
  size_t resource_size_ = 0;  // of it without the scope
  bool has_unknown_ = false;  // fields of the present resource's entry, its scopes' included
  bool has_other_signal_ = false;
  ByteBuffer scratch_;
  JsonEntries events_;
  JsonEntries malformed_;
};

}  // namespace

Result<Logs, LogsError> decode_logs_protobuf(ByteView body, const LogsOptions& options) {
  return ProtobufDecoder(body, options).decode();
}

}  // namespace penstock::protocol::otlp
