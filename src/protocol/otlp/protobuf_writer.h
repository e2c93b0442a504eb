// For tests, benches and fuzzers: OTLP/JSON to the protobuf it stands for, written without the
// decoder's own code.
#pragma once

#include <bit>
#include <nlohmann/json.hpp>
#include <string>

namespace penstock::protocol::otlp {

class ProtobufWriter {
 public:
  using Json = nlohmann::ordered_json;

  ProtobufWriter& varint(uint32_t number, uint64_t value) {
    raw_varint(number << 3);
    raw_varint(value);
    return *this;
  }
  ProtobufWriter& fixed64(uint32_t number, uint64_t value) { return fixed(number, 1, value, 8); }
  ProtobufWriter& fixed32(uint32_t number, uint64_t value) { return fixed(number, 5, value, 4); }
  ProtobufWriter& bytes(uint32_t number, const std::string& value) {
    raw_varint(number << 3 | 2);
    raw_varint(value.size());
    text_ += value;
    return *this;
  }
  [[nodiscard]] const std::string& str() const { return text_; }

  static std::string any_value(const Json& value) {
    ProtobufWriter out;
    if (!value.is_object() || value.empty()) return {};
    const std::string kind = value.begin().key();
    const Json& inner = value.begin().value();
    if (inner.is_null()) return {};
    if (kind == "stringValue") out.bytes(1, inner);
    if (kind == "boolValue") out.varint(2, inner.get<bool>() ? 1 : 0);
    if (kind == "intValue") {
      out.varint(3, static_cast<uint64_t>(inner.is_string() ? std::stoll(inner.get<std::string>())
                                                            : inner.get<int64_t>()));
    }
    if (kind == "doubleValue") out.fixed64(4, std::bit_cast<uint64_t>(inner.get<double>()));
    if (kind == "arrayValue") {
      ProtobufWriter list;
      for (const Json& item : inner["values"]) list.bytes(1, any_value(item));
      out.bytes(5, list.str());
    }
    if (kind == "kvlistValue") {
      ProtobufWriter list;
      list.attributes(1, inner["values"]);
      out.bytes(6, list.str());
    }
    return out.str();
  }

  ProtobufWriter& attributes(uint32_t number, const Json& list) {
    for (const Json& pair : list) {
      ProtobufWriter out;
      out.bytes(1, pair["key"]);
      if (pair.contains("value")) out.bytes(2, any_value(pair["value"]));
      bytes(number, out.str());
    }
    return *this;
  }

  static std::string request(const Json& body) {
    ProtobufWriter request;
    for (const Json& resource_logs : body.at("resourceLogs")) {
      ProtobufWriter out;
      if (resource_logs.contains("resource")) {
        ProtobufWriter resource;
        resource.attributes(1, resource_logs["resource"].value("attributes", Json::array()));
        out.bytes(1, resource.str());
      }
      for (const Json& scope_logs : resource_logs.at("scopeLogs")) {
        ProtobufWriter scope;
        for (const Json& record : scope_logs.at("logRecords")) scope.bytes(2, log_record(record));
        out.bytes(2, scope.str());
      }
      request.bytes(1, out.str());
    }
    return request.str();
  }

 private:
  static std::string log_record(const Json& record) {
    ProtobufWriter out;
    const auto number = [&](const char* name) -> uint64_t {
      if (!record.contains(name)) return 0;
      const Json& value = record[name];
      return value.is_string() ? std::stoull(value.get<std::string>()) : value.get<uint64_t>();
    };
    out.attributes(6, record.value("attributes", Json::array()));
    if (number("timeUnixNano") != 0) out.fixed64(1, number("timeUnixNano"));
    if (number("observedTimeUnixNano") != 0) out.fixed64(11, number("observedTimeUnixNano"));
    if (number("severityNumber") != 0) out.varint(2, number("severityNumber"));
    if (record.contains("severityText")) out.bytes(3, record["severityText"]);
    if (record.contains("body")) out.bytes(5, any_value(record["body"]));
    if (record.contains("flags")) {
      const Json& flags = record["flags"];
      out.fixed32(8, flags.is_string() ? std::stoul(flags.get<std::string>(), nullptr, 16)
                                       : flags.get<uint64_t>());
    }
    if (record.contains("traceId")) out.bytes(9, from_hex(record["traceId"]));
    if (record.contains("spanId")) out.bytes(10, from_hex(record["spanId"]));
    return out.str();
  }

  static std::string from_hex(const std::string& hex) {
    std::string bytes;
    for (size_t i = 0; i + 1 < hex.size(); i += 2) {
      bytes += static_cast<char>(std::stoul(hex.substr(i, 2), nullptr, 16));
    }
    return bytes;
  }

  void raw_varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) text_ += static_cast<char>(value | 0x80);
    text_ += static_cast<char>(value);
  }
  ProtobufWriter& fixed(uint32_t number, uint32_t type, uint64_t value, int size) {
    raw_varint(number << 3 | type);
    for (int i = 0; i < size; ++i) text_ += static_cast<char>(value >> (8 * i));
    return *this;
  }

  std::string text_;
};

}  // namespace penstock::protocol::otlp
