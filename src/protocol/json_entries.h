// JsonEntries: builds a batch of json entries, each one JSON object, up to a bound on their bytes.
//
// Thread: none of its own.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "codec/event_time.h"
#include "record/batch.h"

namespace penstock::protocol {

// The head of a json entry, kJsonEntryHead bytes, as record/batch.h draws it.
void write_json_entry_head(uint8_t* to, codec::EventTime time, uint32_t object_size);

class JsonEntries {
 public:
  // size_max: what the entries may come to. One more than fits is left out and is_full() from then
  // on: the owner gives up. size_expected: of the objects together; 0: room is made as it is
  // needed.
  JsonEntries(codec::EventTime time, size_t size_max, size_t size_expected);

  void add(ByteView object);
  // The same with each maximal invalid part of UTF-8 replaced by U+FFFD.
  void add_repaired(ByteView object);
  // What was no JSON object, as {"malformed":"…"} or {"malformed_base64":"…"}.
  void add_malformed(ByteView bytes);
  // What that adds to size().
  [[nodiscard]] static size_t malformed_size(ByteView bytes);

  // For objects that are written in place: open() appends the entry's head and returns the buffer
  // to append the object to, close() fills in its size and time, drop() takes an open entry back.
  ByteBuffer& open();
  void close() { close(time_); }
  void close(codec::EventTime time);
  void drop() { batch_.storage.resize(open_at_); }

  // Makes room for entries of so many bytes in all; without it room doubles as it is needed.
  void reserve(size_t size) { batch_.storage.reserve(size); }
  // What the owner knows not to fit.
  void give_up() { is_full_ = true; }

  [[nodiscard]] bool is_full() const { return is_full_; }
  [[nodiscard]] size_t size() const { return batch_.storage.size(); }
  [[nodiscard]] size_t size_max() const { return size_max_; }
  [[nodiscard]] uint32_t count() const { return batch_.event_count; }

  // Encoding, count and entries are filled in; the rest is the caller's.
  [[nodiscard]] record::Batch take();

 private:
  [[nodiscard]] bool make_room(size_t object_size);

  record::Batch batch_;
  codec::EventTime time_;
  size_t size_max_;
  size_t open_at_ = 0;
  bool is_full_ = false;
};

}  // namespace penstock::protocol
