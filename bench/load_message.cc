#include "bench/load_message.h"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "bench/blocking_socket.h"
#include "cli/send/sample_record.h"
#include "codec/msgpack_writer.h"
#include "kinesis_format/event_json.h"
#include "protocol/forward/ack.h"
#include "protocol/forward/message_writer.h"
#include "protocol/otlp/protobuf_writer.h"

namespace penstock::bench {
namespace {

namespace forward = protocol::forward;
using Json = nlohmann::ordered_json;

codec::EventTime time_now() {
  const auto time = std::chrono::system_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<seconds>(time).count(), 0};
}

// {"penstock_id":"…","level":"info","message":"…"}
void append_short_record(codec::MsgpackWriter& writer, uint64_t number, uint64_t json_bytes) {
  constexpr uint64_t kOthers = 38 + cli::kIdField.size() + kNoMark.size();
  std::string text = "request " + std::to_string(number) + " was answered;";
  while (kOthers + text.size() < json_bytes) text += static_cast<char>('a' + text.size() % 26);
  writer.map(3);
  writer.str(cli::kIdField);
  writer.str(kNoMark);
  writer.str("level");
  writer.str("info");
  writer.str("message");
  writer.str(text);
}

ByteBuffer forward_message(const std::string& tag, const std::string& chunk, uint64_t events,
                           uint64_t event_bytes) {
  ByteBuffer entries;
  codec::MsgpackWriter writer(entries);
  const codec::EventTime time = time_now();
  for (uint64_t i = 0; i < events; ++i) {
    writer.array(2);
    writer.event_time(time);
    if (event_bytes > 0) {
      append_short_record(writer, i, event_bytes);
    } else {
      cli::append_sample_record(entries, i, kNoMark, time);
    }
  }
  return forward::write_packed_forward({.tag = tag,
                                        .entries = entries.view(),
                                        .event_count = events,
                                        .chunk = chunk,
                                        .compression = codec::Compression::none});
}

std::string json_record(uint64_t number, codec::EventTime time) {
  ByteBuffer record;
  ByteBuffer json;
  cli::append_sample_record(record, number, kNoMark, time);
  if (kinesis_format::append_event_json(json, record.view()) !=
      kinesis_format::EncodeOutcome::done) {
    die("the sample record is no JSON");
  }
  return std::string(as_text(json.view()));
}

Json attribute(const std::string& key, const Json& value) {
  const char* const kind = value.is_string() ? "stringValue" : "intValue";
  return {{"key", key}, {"value", {{kind, value.is_string() ? value : Json(value.dump())}}}};
}

// kubernetes {labels {app}} becomes kubernetes.labels.app.
void append_attributes(Json& list, const std::string& key, const Json& value) {
  if (!value.is_object()) return list.push_back(attribute(key, value));
  for (const auto& [name, inner] : value.items()) append_attributes(list, key + "." + name, inner);
}

Json resource_logs(const Json& record, codec::EventTime time) {
  Json resource = Json::array();
  Json attributes = Json::array();
  for (const auto& [name, value] : record.items()) {
    if (name == "message" || name == "level" || name == "@timestamp") continue;
    append_attributes(value.is_object() || name == "log_type" ? resource : attributes, name, value);
  }
  const std::string nanoseconds = std::to_string(time.seconds) + "000000000";
  Json log_record{{"timeUnixNano", nanoseconds},
                  {"observedTimeUnixNano", nanoseconds},
                  {"severityNumber", 9},
                  {"severityText", record["level"]},
                  {"body", {{"stringValue", record["message"]}}},
                  {"attributes", attributes}};
  return {{"resource", {{"attributes", resource}}},
          {"scopeLogs", Json::array({Json{{"logRecords", Json::array({log_record})}}})}};
}

std::string http_body(Form form, uint64_t events) {
  const codec::EventTime time = time_now();
  if (form == Form::ndjson || form == Form::json_array) {
    const bool is_array = form == Form::json_array;
    std::string body = is_array ? "[" : "";
    for (uint64_t i = 0; i < events; ++i) {
      if (i > 0) body += is_array ? ',' : '\n';
      body += json_record(i, time);
    }
    return body + (is_array ? "]" : "\n");
  }
  Json body{{"resourceLogs", Json::array()}};
  for (uint64_t i = 0; i < events; ++i) {
    body["resourceLogs"].push_back(resource_logs(Json::parse(json_record(i, time)), time));
  }
  return form == Form::otlp_protobuf ? protocol::otlp::ProtobufWriter::request(body) : body.dump();
}

std::string http_message(Form form, uint64_t events, bool gzip) {
  const bool is_otlp = form == Form::otlp_json || form == Form::otlp_protobuf;
  const char* const type = form == Form::ndjson          ? "application/x-ndjson"
                           : form == Form::otlp_protobuf ? "application/x-protobuf"
                                                         : "application/json";
  std::string body = http_body(form, events);
  if (gzip) body = as_text(forward::compress_gzip(as_bytes(body)).view());
  return std::string("POST ") + (is_otlp ? "/v1/logs" : "/ingest") +
         " HTTP/1.1\r\nHost: penstock\r\nUser-Agent: bench-load\r\nContent-Type: " + type +
         (gzip ? "\r\nContent-Encoding: gzip" : "") +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::optional<Answer> read_http_answer(std::string_view text) {
  static constexpr std::string_view kLength = "\r\nContent-Length: ";
  const size_t head = text.find("\r\n\r\n");
  if (head == std::string_view::npos) return std::nullopt;
  if (!text.starts_with("HTTP/1.1 200 ")) {
    die("refused: " + std::string(text.substr(0, text.find("\r\n"))));
  }
  const size_t length = text.find(kLength);
  if (length >= head) die("an answer without a length");
  const size_t size = head + 4 + std::strtoull(text.data() + length + kLength.size(), nullptr, 10);
  if (text.size() < size) return std::nullopt;
  if (text.substr(head, size - head).find("ejected") != std::string_view::npos) {
    die("records were rejected");
  }
  return Answer{size, {}};
}

}  // namespace

std::optional<Form> form_named(std::string_view name) {
  if (name == "forward") return Form::forward;
  if (name == "ndjson") return Form::ndjson;
  if (name == "json-array") return Form::json_array;
  if (name == "otlp-json") return Form::otlp_json;
  if (name == "otlp-protobuf") return Form::otlp_protobuf;
  return std::nullopt;
}

void Message::put(size_t at, std::string_view text) {
  std::memcpy(bytes.data() + at, text.data(), text.size());
}

Message make_message(Form form, const std::string& tag, const std::string& chunk,
                     const MessageOptions& options) {
  Message message;
  if (form == Form::forward) {
    message.bytes = forward_message(tag, chunk, options.events, options.event_bytes);
  } else {
    const std::string request = http_message(form, options.events, options.gzip);
    message.bytes = ByteBuffer::copy_of(as_bytes(request));
  }
  if (options.gzip) return message;
  const std::string_view text = as_text(message.bytes.view());
  if (form == Form::forward) message.chunk_at = text.rfind(chunk);
  message.mark_at = text.find(kNoMark);
  if (message.chunk_at == std::string_view::npos || message.mark_at == std::string_view::npos) {
    die("the message is not as expected");
  }
  return message;
}

std::optional<Answer> read_answer(Form form, ByteView bytes) {
  if (form != Form::forward) return read_http_answer(as_text(bytes));
  const auto ack = forward::read_ack(bytes);
  if (!ack) die("the server answers with something that is no ack");
  if (!ack->has_value()) return std::nullopt;
  return Answer{(*ack)->size, (*ack)->chunk};
}

}  // namespace penstock::bench
