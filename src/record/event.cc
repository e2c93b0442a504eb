#include "record/event.h"

#include <cmath>

#include "base/big_endian.h"
#include "base/check.h"
#include "codec/msgpack_cursor.h"
#include "codec/msgpack_writer.h"

namespace penstock::record {
namespace {

constexpr int64_t kSecondsMin = -62'135'596'800;  // 0001-01-01T00:00:00Z
constexpr int64_t kSecondsMax = 253'402'300'799;  // 9999-12-31T23:59:59Z

// 0x92 0xd7 0x00, then eight bytes: an entry with its EventTime, as all but antiques send it.
constexpr size_t kUsualHead = 11;
bool has_usual_head(const uint8_t* at, size_t available) {
  return available > kUsualHead && at[0] == 0x92 && at[1] == 0xd7 && at[2] == 0x00;
}

bool is_event_time(const codec::MsgpackToken& token) {
  return token.type == codec::MsgpackType::ext && token.ext_type == 0 && token.bytes.size() == 8;
}

bool is_plain_time(const codec::MsgpackToken& token) {
  switch (token.type) {
    case codec::MsgpackType::nil:
    case codec::MsgpackType::unsigned_integer:
    case codec::MsgpackType::negative_integer:
    case codec::MsgpackType::float32:
    case codec::MsgpackType::float64:
      return true;
    default:
      return is_event_time(token);
  }
}

bool is_map_head(uint8_t first) { return (first & 0xf0) == 0x80 || first == 0xde || first == 0xdf; }

// Fluent Bit writes groups between its events since 3.1, and forwards them as they are since 5.0.5:
// an entry of the time -1 opens one, its metadata and its record being the group's, and one of the
// time -2 closes it (include/fluent-bit/flb_log_event.h).
bool is_marker_time(uint32_t seconds) { return seconds >= 0xffff'fffe; }

bool is_marker_time(const codec::MsgpackToken& time, bool has_metadata) {
  if (is_event_time(time)) return is_marker_time(load_be<uint32_t>(time.bytes.data()));
  return has_metadata && time.type == codec::MsgpackType::negative_integer &&
         time.negative_integer >= -2;
}

// What stands before the record: array of two, and a time in one of its forms. malformed: neither.
EntryKind walk_head(codec::MsgpackCursor& cursor) {
  codec::MsgpackToken token;
  if (!cursor.next(token)) return EntryKind::malformed;
  if (token.type != codec::MsgpackType::array || token.count != 2) return EntryKind::malformed;
  if (!cursor.next(token)) return EntryKind::malformed;
  const bool has_metadata =
      token.type == codec::MsgpackType::array && token.count == 2;  // Fluent Bit's
  if (has_metadata && !cursor.next(token)) return EntryKind::malformed;
  if (!is_plain_time(token)) return EntryKind::malformed;
  if (has_metadata) {
    if (cursor.at_end() || !is_map_head(cursor.rest()[0])) return EntryKind::malformed;
    if (!cursor.skip()) return EntryKind::malformed;
  }
  return is_marker_time(token, has_metadata) ? EntryKind::group_marker : EntryKind::event;
}

using codec::detail::ScanEnd;

// From at on there is one whole value: what is it? Its end goes to at.
ScanEnd walk_unusual(const uint8_t*& at, const uint8_t* end, EntryKind& kind) {
  const uint8_t* const start = at;
  codec::detail::ScanStack value;
  value.folds = true;
  uint64_t needed = 0;
  const ScanEnd scanned = codec::detail::scan(value, at, end, needed);
  if (scanned != ScanEnd::done) return scanned;
  const auto size = static_cast<size_t>(at - start);
  codec::MsgpackCursor cursor({start, size});
  kind = walk_head(cursor);
  if (kind == EntryKind::malformed) return scanned;
  if (cursor.at_end() || !is_map_head(cursor.rest()[0]) || !cursor.skip()) {
    kind = EntryKind::malformed;
  }
  return scanned;
}

// PERF: touches the head of each token and nothing else; about 0.2 s of CPU for a million events of
// 1.2 KB (record_bench).
ScanEnd walk_entry(const uint8_t*& at, const uint8_t* end, EntryKind& kind) {
  const bool is_usual = has_usual_head(at, static_cast<size_t>(end - at)) &&
                        is_map_head(at[kUsualHead]) && !is_marker_time(load_be<uint32_t>(at + 3));
  if (!is_usual) [[unlikely]]
    return walk_unusual(at, end, kind);
  const uint8_t* const start = at;
  at += kUsualHead;
  codec::detail::ScanStack record;
  uint64_t needed = 0;
  const ScanEnd scanned = codec::detail::scan(record, at, end, needed);
  kind = EntryKind::event;
  if (scanned != ScanEnd::too_deep) [[likely]]
    return scanned;
  at = start;
  return walk_unusual(at, end, kind);
}

// The time a token stands for; nullopt: when it was received.
std::optional<codec::EventTime> time_of(const codec::MsgpackToken& token) {
  codec::EventTime time;
  switch (token.type) {
    case codec::MsgpackType::unsigned_integer:
      if (token.unsigned_integer > static_cast<uint64_t>(kSecondsMax)) return std::nullopt;
      time.seconds = static_cast<int64_t>(token.unsigned_integer);
      break;
    case codec::MsgpackType::negative_integer:
      time.seconds = token.negative_integer;
      break;
    case codec::MsgpackType::float32:
    case codec::MsgpackType::float64: {
      const double value =
          token.type == codec::MsgpackType::float32 ? double{token.float32} : token.float64;
      if (!(value >= static_cast<double>(kSecondsMin) &&
            value <= static_cast<double>(kSecondsMax))) {
        return std::nullopt;
      }
      const double whole = std::floor(value);
      time.seconds = static_cast<int64_t>(whole);
      time.nanoseconds = static_cast<uint32_t>((value - whole) * 1e9);
      break;
    }
    case codec::MsgpackType::ext:
      time.seconds = load_be<uint32_t>(token.bytes.data());
      time.nanoseconds = load_be<uint32_t>(token.bytes.data() + 4);
      if (time.nanoseconds > 999'999'999) time.nanoseconds = 999'999'999;
      break;
    default:
      return std::nullopt;
  }
  if (time.seconds < kSecondsMin || time.seconds > kSecondsMax || time == codec::EventTime{}) {
    return std::nullopt;
  }
  return time;
}

}  // namespace

std::string_view to_string(WalkError error) {
  switch (error) {
    case WalkError::truncated:
      return "truncated";
    case WalkError::not_msgpack:
      return "not_msgpack";
    case WalkError::too_many_events:
      return "too_many_events";
  }
  return "unknown";
}

Result<Walked, WalkError> walk_entries(ByteView entries) {
  const uint8_t* at = entries.data();
  const uint8_t* const end = at + entries.size();
  uint64_t events = 0;
  uint64_t others = 0;
  Walked walked;
  while (at != end) {
    const uint8_t* const start = at;
    EntryKind kind = EntryKind::event;
    switch (walk_entry(at, end, kind)) {
      case ScanEnd::done:
        break;
      case ScanEnd::not_msgpack:
        return failure(WalkError::not_msgpack);
      case ScanEnd::need_bytes:
      case ScanEnd::too_deep:
        return failure(WalkError::truncated);
    }
    if (kind == EntryKind::event) [[likely]] {
      ++events;
      continue;
    }
    ++others;
    if (kind == EntryKind::group_marker) {
      ++walked.marker_count;
    } else {
      ++walked.malformed_count;
      walked.malformed_size += static_cast<size_t>(at - start);
    }
  }
  if (events > UINT32_MAX || others > UINT32_MAX) return failure(WalkError::too_many_events);
  walked.event_count = static_cast<uint32_t>(events);
  return walked;
}

bool EntryWalker::next(EntryKind& kind, ByteView& entry) {
  if (at_ == end_) return false;
  const uint8_t* const start = at_;
  CHECK(walk_entry(at_, end_, kind) == ScanEnd::done);
  entry = {start, static_cast<size_t>(at_ - start)};
  return true;
}

EntryReader::EntryReader(const Batch& batch)
    : entries_(batch.entries()),
      received_(codec::event_time_of(batch.received_ns)),
      encoding_(batch.encoding) {}

codec::EventTime EntryReader::read_time() {
  const uint8_t* const at = entries_.data() + at_;
  const size_t available = entries_.size() - at_;
  if (has_usual_head(at, available)) [[likely]] {
    at_ += kUsualHead;
    const codec::EventTime time{load_be<uint32_t>(at + 3), load_be<uint32_t>(at + 7)};
    if (time == codec::EventTime{}) return received_;
    return {time.seconds, time.nanoseconds <= 999'999'999 ? time.nanoseconds : 999'999'999};
  }
  codec::MsgpackCursor cursor({at, available});
  codec::MsgpackToken token;
  CHECK(cursor.next(token) && token.type == codec::MsgpackType::array && token.count == 2);
  CHECK(cursor.next(token));
  if (token.type == codec::MsgpackType::array) {
    codec::MsgpackToken inner;
    CHECK(cursor.next(inner));
    CHECK(cursor.skip().has_value());
    token = inner;
  }
  CHECK(is_plain_time(token));
  at_ += cursor.position();
  return time_of(token).value_or(received_);
}

std::optional<EntryReader::Open> EntryReader::open() {
  if (at_ == entries_.size()) return std::nullopt;
  Open opened;
  opened.time = read_time();
  opened.record_and_rest = entries_.subspan(at_);
  if (encoding_ == Encoding::json) {
    CHECK(opened.record_and_rest.size() >= 5 && entries_[at_] == 0xc6);
    const size_t size = load_be<uint32_t>(entries_.data() + at_ + 1);
    at_ += 5;
    CHECK(size <= entries_.size() - at_);
    opened.record_and_rest = entries_.subspan(at_, size);
  }
  return opened;
}

void EntryReader::close(size_t record_size) {
  CHECK(record_size <= entries_.size() - at_);
  at_ += record_size;
}

bool EntryReader::next(EventView& event) {
  const size_t start = at_;
  const auto opened = open();
  if (!opened) return false;
  event.time = opened->time;
  event.record = opened->record_and_rest;
  if (encoding_ == Encoding::msgpack) {
    codec::MsgpackCursor cursor(opened->record_and_rest);
    const auto skipped = cursor.skip();
    CHECK(skipped.has_value());
    event.record = *skipped;
  }
  close(event.record.size());
  event.entry = entries_.subspan(start, at_ - start);
  return true;
}

void append_json_entry(ByteBuffer& out, codec::EventTime time, ByteView object) {
  codec::MsgpackWriter writer(out);
  writer.array(2);
  writer.event_time(time);
  uint8_t head[5] = {0xc6};
  CHECK(object.size() <= UINT32_MAX);
  store_be<uint32_t>(head + 1, static_cast<uint32_t>(object.size()));
  writer.raw(ByteView(head, sizeof head));
  writer.raw(object);
}

}  // namespace penstock::record
