// Events: walking what came in, and reading it back entry by entry.
//
//   walk_entries        before a message is admitted: whole entries? how many are [time, map]?
//   EntryWalker         the same, entry by entry, to set apart what is none
//   EntryReader         afterwards: each entry's time and record, in both encodings of a batch
//   append_json_entry   makes an entry of the json encoding
//
// Pure; borrowed bytes; thread: none of their own.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/event_time.h"
#include "record/batch.h"

namespace penstock::record {

enum class WalkError : uint8_t {
  truncated,       // the bytes end inside an entry
  not_msgpack,     // a byte that no msgpack value starts with
  too_many_events  // more than 2^32 - 1
};
[[nodiscard]] std::string_view to_string(WalkError error);

enum class EntryKind : uint8_t {
  event,         // [time, map], at most codec::kNestingMax deep
  group_marker,  // opens or closes a group of Fluent Bit's: no event
  malformed,     // whole msgpack, but none of these
};

struct Walked {
  uint32_t event_count = 0;
  uint32_t marker_count = 0;
  uint32_t malformed_count = 0;
  size_t malformed_size = 0;  // of the malformed entries together
};

// Goes over concatenated msgpack values once.
[[nodiscard]] Result<Walked, WalkError> walk_entries(ByteView entries);

// Goes over entries that walk_entries has found whole (CHECK).
class EntryWalker {
 public:
  explicit EntryWalker(ByteView entries)
      : at_(entries.data()), end_(entries.data() + entries.size()) {}
  // False at the end.
  [[nodiscard]] bool next(EntryKind& kind, ByteView& entry);

 private:
  const uint8_t* at_;
  const uint8_t* end_;
};

struct EventView {
  codec::EventTime time;
  ByteView record;  // one msgpack map, or one JSON object
  ByteView entry;   // the whole entry, as it is in the batch
};

// Reads the entries of a batch that has been walked, in order. What is not as walk_entries would
// have it is a bug of ours (CHECK).
//
// A time that is 0, nil, not a number or outside the years 1 to 9999 is the time the batch was
// received.
class EntryReader {
 public:
  explicit EntryReader(const Batch& batch);

  // False at the end.
  [[nodiscard]] bool next(EventView& event);

  // The same without stepping over a msgpack record first, for who reads it anyway: the time, and
  // the bytes from the record's first one to the end of the batch (of a JSON object: exactly it).
  // Then close() with the record's size.
  struct Open {
    codec::EventTime time;
    ByteView record_and_rest;
  };
  [[nodiscard]] std::optional<Open> open();
  void close(size_t record_size);

  // Offset in batch.entries() of the next entry.
  [[nodiscard]] size_t position() const { return at_; }

 private:
  codec::EventTime read_time();

  ByteView entries_;
  size_t at_ = 0;  // next entry, or the open record
  codec::EventTime received_;
  Encoding encoding_;
};

// Size of a json entry around an object of `size` bytes.
constexpr size_t kJsonEntryHead = 16;
[[nodiscard]] constexpr size_t json_entry_size(size_t size) { return kJsonEntryHead + size; }

// Appends one entry of the json encoding (see batch.h). object: one JSON object in UTF-8, at most
// 2^32 - 1 bytes. A time outside the range of EventTime (1970 to 2106) is written as 0, "when it
// was received".
void append_json_entry(ByteBuffer& out, codec::EventTime time, ByteView object);

}  // namespace penstock::record
