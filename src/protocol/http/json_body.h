// The body of an HTTP request, inflated, to events: a JSON array, one object a line, a single
// object or several one after the other. The first byte decides, never Content-Type.
//
//   [ {…}, {…} ]        an array of objects; further arrays may follow
//   {…}⏎{…}⏎            objects, pretty-printed or not, with or without a newline between them
//
// Each object's bytes are passed on as they came (numbers, key order, repeated keys, spaces), but
// for one U+FFFD for each maximal invalid part of UTF-8. Each is checked once.
//
// What is no JSON object does not reject the others: it goes to `malformed`, wrapped as
//
//   {"malformed":"<the text>"}            text without control characters but tab and newlines
//   {"malformed_base64":"<the bytes>"}    anything else
//
// A malformed element of an array ends where its brackets and quotes say; a malformed line at its
// newline. An array whose end cannot be found is a body that does not parse.
//
// The body is decoded where it stands. An object moves down to behind its entry's head, to which
// the bytes before it have made room; so the body's buffer becomes the batch's storage, and no byte
// is copied further than a few lines of the cache. Heads are longer than what stands between
// objects, so there has to be some room before the body. Where it is not enough, more is asked for:
//
//   JsonBodyDecoder decoder(std::move(buffer), begin, options);
//   for (;;) {
//     const auto progress = decoder.decode();
//     if (!progress) …;
//     if (*progress == JsonBodyDecoder::Progress::done) break;
//     …pay for decoder.wanted_bytes() in all…
//     decoder.make_room();
//   }
//   JsonBody body = decoder.take();
//
// Pure: no I/O, no clock. Thread: any.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/event_time.h"
#include "codec/json_check.h"
#include "protocol/json_entries.h"
#include "record/batch.h"

namespace penstock::protocol::http {

enum class JsonBodyError : uint8_t {
  not_json,   // nothing in it parses, or its array does not end: 400
  too_large,  // it would need more than bytes_max: 413
};

struct JsonBodyOptions {
  codec::EventTime time;  // of every event: when it was received
  size_t bytes_max;       // of the body's buffer and the malformed entries together
};

// Tag, source, time of reception and id are the caller's to fill in.
struct JsonBody {
  record::Batch events;
  record::Batch malformed;
};

class JsonBodyDecoder {
 public:
  // The room before a body of that size that suffices for the heads of objects of 500 bytes.
  [[nodiscard]] static size_t usual_front(size_t body_size) { return body_size / 32 + 1_KiB; }

  // buffer: from `begin` on it holds the body.
  JsonBodyDecoder(ByteBuffer buffer, size_t begin, const JsonBodyOptions& options);

  enum class Progress : uint8_t { done, need_room };
  [[nodiscard]] Result<Progress, JsonBodyError> decode();

  // After need_room: what buffer and malformed entries are to come to, at most bytes_max.
  [[nodiscard]] size_t wanted_bytes() const { return wanted_capacity_ + wanted_malformed_; }
  void make_room();

  // Once, after done.
  [[nodiscard]] JsonBody take();

 private:
  enum class Step : uint8_t { taken, need_room, no_end, too_large };
  Step open_array();
  Step take_element();
  Step take_line_or_object();
  Step take_value(const codec::JsonChecked& checked);
  Step take_malformed(const uint8_t* end);
  Step ask_front(size_t bytes);
  Step ask_malformed(size_t bytes);
  [[nodiscard]] const uint8_t* end_of_broken_element() const;
  [[nodiscard]] bool ends_line(const uint8_t* at) const;
  [[nodiscard]] size_t front() const {
    return static_cast<size_t>(at_ - buffer_.data()) - entries_size_;
  }

  const JsonBodyOptions options_;
  ByteBuffer buffer_;  // entries, front() bytes that mean nothing, what has not been read
  size_t begin_;       // where the body began
  size_t entries_size_ = 0;
  uint32_t events_ = 0;
  const uint8_t* at_;
  const uint8_t* end_;
  JsonEntries malformed_;
  size_t malformed_room_ = 0;
  size_t wanted_capacity_ = 0;
  size_t wanted_malformed_ = 0;
  bool arrays_ = false;    // the body began with one
  bool in_array_ = false;  // at_ is where an element should be
  bool parsed_something_ = false;
};

}  // namespace penstock::protocol::http
