#include "kinesis/put_records.h"

#include <simdjson.h>

#include <charconv>
#include <ctime>

#include "kinesis/cbor.h"
#include "kinesis/error_code.h"

namespace penstock::kinesis {
namespace {

enum class Member : uint8_t { sequence_number, shard_id, error_code, error_message, other };

// By length first: an answer has a thousand of these names.
Member member_of(std::string_view name) {
  switch (name.size()) {
    case 7:
      return name == "ShardId" ? Member::shard_id : Member::other;
    case 8:
      return name == "RecordId" ? Member::sequence_number : Member::other;
    case 9:
      return name == "ErrorCode" ? Member::error_code : Member::other;
    case 12:
      return name == "ErrorMessage" ? Member::error_message : Member::other;
    case 14:
      return name == "SequenceNumber" ? Member::sequence_number : Member::other;
    default:
      return Member::other;
  }
}

// The members of one entry, borrowed while it is read.
class EntryReading {
 public:
  void take(Member member, std::string_view value) {
    switch (member) {
      case Member::sequence_number:
        accepted_ = true;
        return;
      case Member::shard_id:
        result_.shard = shard_number_in(value);
        return;
      case Member::error_code:
        code_ = bare_error_code(value);
        return;
      case Member::error_message:
        if (code_text_.empty()) code_text_ = message_for_log(value.substr(0, 512));
        if (const uint32_t shard = shard_number_in(value); shard != kNoShard) {
          result_.shard = shard;
        }
        return;
      case Member::other:
        return;
    }
  }

  void finish(PutAnswer& answer) {
    if (!code_.empty()) {
      const PutError error = classify_error(code_, 0, {});
      if (error == PutError::throttled || code_ == "ServiceUnavailableException") {
        result_.outcome = EntryOutcome::throttled;  // the latter is Firehose's word for it
      } else if (error == PutError::server_fault) {
        result_.outcome = EntryOutcome::internal_failure;
      } else {
        result_.outcome = EntryOutcome::unknown_code;
      }
      if (answer.code.empty()) {
        answer.code = code_;
        answer.message = std::move(code_text_);
      }
    } else if (accepted_) {
      result_.outcome = EntryOutcome::accepted;
    }
    if (result_.outcome != EntryOutcome::accepted) ++answer.failed;
    answer.entries.push_back(result_);
  }

 private:
  EntryResult result_;
  bool accepted_ = false;
  std::string code_;  // empty, and nothing allocated, unless the entry failed
  std::string code_text_;
};

bool is_record_list(std::string_view name) {
  return name == "Records" || name == "RequestResponses";
}

bool read_cbor_entry(CborReader& reader, PutAnswer& answer) {
  CborReader::Elements members;
  if (!reader.enter_map(members)) return false;
  EntryReading entry;
  while (members.more()) {
    std::string_view name;
    if (!reader.read_text(name)) return false;
    const Member member = member_of(name);
    if (reader.peek() != CborReader::Kind::text) {
      if (!reader.skip()) return false;
      continue;
    }
    std::string_view value;
    if (!reader.read_text(value)) return false;
    entry.take(member, value);
  }
  if (reader.ok()) entry.finish(answer);
  return reader.ok();
}

bool read_cbor_entries(ByteView body, size_t record_count, PutAnswer& answer) {
  CborReader reader(body);
  CborReader::Elements members;
  if (!reader.enter_map(members)) return false;
  while (members.more()) {
    std::string_view name;
    if (!reader.read_text(name)) return false;
    if (!is_record_list(name)) {
      if (!reader.skip()) return false;
      continue;
    }
    CborReader::Elements entries;
    if (!reader.enter_array(entries)) return false;
    while (entries.more()) {
      if (answer.entries.size() == record_count || !read_cbor_entry(reader, answer)) return false;
    }
  }
  return reader.ok();
}

struct ErrorText {
  std::string code;
  std::string message;

  void take(std::string_view name, std::string_view value) {
    if (name == "__type") code = bare_error_code(value);
    if (name == "message" || name == "Message") message = value.substr(0, 512);
  }
};

void read_cbor_error(ByteView body, ErrorText& error) {
  CborReader reader(body);
  CborReader::Elements members;
  if (!reader.enter_map(members)) return;
  while (members.more()) {
    std::string_view text;
    if (!reader.read_text(text)) return;
    const std::string name(text.substr(0, 32));
    if (reader.peek() == CborReader::Kind::text) {
      if (!reader.read_text(text)) return;
      error.take(name, text);
    } else if (!reader.skip()) {
      return;
    }
  }
}

bool is_cbor(const net::HttpResponse& response) {
  if (response.content_type.find("cbor") != std::string::npos) return true;
  if (response.content_type.find("json") != std::string::npos) return false;
  // A map, by its first byte; '{' and '<' are text strings in CBOR and cannot begin an answer.
  return !response.body.empty() && response.body.data()[0] >> 5 == 5;
}

PutError of_failure(const net::HttpResponse& response) {
  switch (response.failure) {
    case net::HttpFailure::response_too_large:
    case net::HttpFailure::bad_response:
      return PutError::unknown_outcome;
    default:
      return response.outcome_unknown() ? PutError::unknown_outcome : PutError::network;
  }
}

}  // namespace

std::string_view name_of(PutError error) {
  switch (error) {
    case PutError::none:
      return "none";
    case PutError::throttled:
      return "throttled";
    case PutError::kms_throttled:
      return "kms_throttled";
    case PutError::server_fault:
      return "server_fault";
    case PutError::not_found:
      return "not_found";
    case PutError::access_denied:
      return "access_denied";
    case PutError::credentials:
      return "credentials";
    case PutError::clock_skew:
      return "clock_skew";
    case PutError::invalid_argument:
      return "invalid_argument";
    case PutError::serialization:
      return "serialization";
    case PutError::too_large:
      return "too_large";
    case PutError::unknown_operation:
      return "unknown_operation";
    case PutError::unknown_code:
      return "unknown_code";
    case PutError::network:
      return "network";
    case PutError::unknown_outcome:
      return "unknown_outcome";
  }
  return "unknown_code";
}

void PutAnswer::clear() {
  error = PutError::none;
  entries.clear();
  failed = 0;
  code.clear();
  message.clear();
  code_is_the_services = false;
  request_id.clear();
  retry_after_ms = -1;
  server_time.reset();
}

struct PutAnswerReader::Json {
  simdjson::ondemand::parser parser;

  // Calls member(name, value) for each; false when the body is not one JSON object.
  template <class OnMember>
  static bool each_member(simdjson::ondemand::object object, OnMember&& on_member) {
    for (auto field : object) {
      std::string_view name;
      if (field.unescaped_key().get(name) != simdjson::SUCCESS) return false;
      simdjson::ondemand::value value;
      if (field.value().get(value) != simdjson::SUCCESS) return false;
      if (!on_member(name, value)) return false;
    }
    return true;
  }

  template <class OnMember>
  bool read_object(ByteView body, OnMember&& on_member) {
    // ByteBuffer keeps its padding behind capacity(), which is what simdjson asks for.
    static_assert(ByteBuffer::kPadding >= simdjson::SIMDJSON_PADDING);
    simdjson::ondemand::document document;
    const simdjson::padded_string_view view(reinterpret_cast<const char*>(body.data()), body.size(),
                                            body.size() + simdjson::SIMDJSON_PADDING);
    if (parser.iterate(view).get(document) != simdjson::SUCCESS) return false;
    simdjson::ondemand::object object;
    if (document.get_object().get(object) != simdjson::SUCCESS) return false;
    return each_member(object, on_member);
  }

  static bool read_entry(simdjson::ondemand::value value, PutAnswer& answer) {
    simdjson::ondemand::object object;
    if (value.get_object().get(object) != simdjson::SUCCESS) return false;
    EntryReading entry;
    const bool whole = each_member(object, [&](std::string_view name, auto& member) {
      std::string_view text;
      if (member.get_string().get(text) == simdjson::SUCCESS) entry.take(member_of(name), text);
      return true;
    });
    if (whole) entry.finish(answer);
    return whole;
  }

  bool read_entries(ByteView body, size_t record_count, PutAnswer& answer) {
    return read_object(body, [&](std::string_view name, simdjson::ondemand::value& value) {
      if (!is_record_list(name)) return true;
      simdjson::ondemand::array array;
      if (value.get_array().get(array) != simdjson::SUCCESS) return false;
      for (auto element : array) {
        simdjson::ondemand::value item;
        if (element.get(item) != simdjson::SUCCESS) return false;
        if (answer.entries.size() == record_count || !read_entry(item, answer)) return false;
      }
      return true;
    });
  }

  void read_error(ByteView body, ErrorText& error) {
    static_cast<void>(
        read_object(body, [&](std::string_view name, simdjson::ondemand::value& value) {
          std::string_view text;
          if (value.get_string().get(text) == simdjson::SUCCESS) error.take(name, text);
          return true;
        }));
  }
};

PutAnswerReader::PutAnswerReader() = default;
PutAnswerReader::~PutAnswerReader() = default;

void PutAnswerReader::read(const net::HttpResponse& response, size_t record_count,
                           PutAnswer& answer) {
  answer.clear();
  answer.request_id = response.request_id;
  answer.retry_after_ms = response.retry_after_ms;
  if (!response.answered()) {
    answer.error = of_failure(response);
    // What the network did: a sentence, where the service would give one word.
    answer.message = message_for_log(response.failure_text);
    answer.code = answer.message.empty() ? net::name_of(response.failure) : answer.message;
    return;
  }
  if (response.status != 200) {
    read_error(response, answer);
    return;
  }
  if (read_entries(response, record_count, answer) && answer.entries.size() == record_count) return;
  // Something between us and the service answers in its place, or the answer is cut: all open.
  const std::string request_id = std::move(answer.request_id);
  answer.clear();
  answer.request_id = request_id;
  answer.error = PutError::unknown_outcome;
  answer.code = "unreadable_answer";
  answer.message =
      "status 200 with an answer that does not list " + std::to_string(record_count) + " records";
}

bool PutAnswerReader::read_entries(const net::HttpResponse& response, size_t record_count,
                                   PutAnswer& answer) {
  answer.entries.reserve(record_count);
  if (response.body.empty()) return false;
  if (is_cbor(response)) return read_cbor_entries(response.body.view(), record_count, answer);
  if (!json_) json_ = std::make_unique<Json>();
  return json_->read_entries(response.body.view(), record_count, answer);
}

void PutAnswerReader::read_error(const net::HttpResponse& response, PutAnswer& answer) {
  ErrorText error;
  const ByteView body = response.body.view();
  if (body.empty()) {
    // The status alone tells.
  } else if (is_cbor(response)) {
    read_cbor_error(body, error);
  } else if (body[0] == '<') {
    XmlError xml = read_xml_error(body);
    error = {std::string(bare_error_code(xml.code)), std::move(xml.message)};
  } else {
    if (!json_) json_ = std::make_unique<Json>();
    json_->read_error(body, error);
  }
  if (!response.error_type.empty()) error.code = bare_error_code(response.error_type);
  answer.error = classify_error(error.code, response.status, error.message);
  answer.code_is_the_services = !error.code.empty();
  answer.code = error.code.empty() ? "http_" + std::to_string(response.status) : error.code;
  answer.message = message_for_log(error.message);
  if (answer.error == PutError::credentials || answer.error == PutError::clock_skew) {
    answer.server_time = parse_http_date(response.date);
  }
}

std::optional<WallTime> parse_http_date(std::string_view text) {
  // The names of days and months are English, whatever the locale: strptime would obey that.
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() != 29 || text.substr(3, 2) != ", " || !text.ends_with(" GMT")) {
    return std::nullopt;
  }
  const auto number = [&](size_t at, size_t size) {
    int value = -1;
    const char* from = text.data() + at;
    const auto parsed = std::from_chars(from, from + size, value);
    return parsed.ptr == from + size ? value : -1;
  };
  const size_t month = kMonths.find(text.substr(8, 3));
  std::tm utc{};
  utc.tm_mday = number(5, 2);
  utc.tm_mon = static_cast<int>(month / 3);
  utc.tm_year = number(12, 4) - 1900;
  utc.tm_hour = number(17, 2);
  utc.tm_min = number(20, 2);
  utc.tm_sec = number(23, 2);
  if (month == std::string_view::npos || month % 3 != 0 || utc.tm_mday < 1 || utc.tm_mday > 31 ||
      utc.tm_year < 70 || utc.tm_year > 300 || utc.tm_hour < 0 || utc.tm_hour > 23 ||
      utc.tm_min < 0 || utc.tm_min > 59 || utc.tm_sec < 0 || utc.tm_sec > 60) {
    return std::nullopt;
  }
  return std::chrono::system_clock::from_time_t(timegm(&utc));
}

uint32_t shard_number_in(std::string_view text) {
  constexpr std::string_view kPrefix = "shardId-";
  const size_t start = text.starts_with(kPrefix) ? 0 : text.find(kPrefix);
  if (start == std::string_view::npos) return kNoShard;
  const char* from = text.data() + start + kPrefix.size();
  const char* end = text.data() + text.size();
  uint32_t number = 0;
  const auto parsed = std::from_chars(from, end, number);
  return parsed.ec == std::errc() && parsed.ptr != from ? number : kNoShard;
}

}  // namespace penstock::kinesis
