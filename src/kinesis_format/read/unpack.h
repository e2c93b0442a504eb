// Unpacker: the data of Kinesis records back to events. Undoes kpl and lines aggregation, gzip and
// zstd, and puts split events together. For who reads a stream back.
//
// Anyone may have written to the stream: what does not turn out to be one of our forms, whole and
// with the right checksums, is given out as it came. What comes out of decompression is bounded.
//
// Owned by one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/bytes.h"
#include "kinesis_format/read/split_joiner.h"

namespace penstock::kinesis_format {

// One JSON object and nothing else but white space around it.
[[nodiscard]] bool is_json_object(ByteView bytes);

struct UnpackOptions {
  size_t inflated_bytes_max = 256_MiB;  // out of one Kinesis record
  size_t parts_bytes_max = 256_MiB;     // of split events not yet whole
};

class Unpacker {
 public:
  // event: one event as it was put in, or bytes that are not ours. note: what was given to add()
  // with it.
  using Sink = std::function<void(ByteView event, const std::string& note)>;

  explicit Unpacker(Sink sink, const UnpackOptions& options = {});

  // data: of one Kinesis record. note: passed on with its events (where it was read, say).
  void add(ByteView data, const std::string& note = {});
  // Gives out the parts of split events whose siblings never came.
  void finish() { joiner_.flush(); }

 private:
  // A Kinesis record may hold lines; what is inside a kpl aggregate is one event.
  enum class Inside : uint8_t { lines, one_event };
  void add_payload(ByteView data, Inside inside, const std::string& note);
  bool add_lines(ByteView data, const std::string& note);
  void add_event(ByteView event, const std::string& note);

  Sink sink_;
  UnpackOptions options_;
  size_t inflated_left_ = 0;  // of the record at hand
  SplitJoiner joiner_;
  ByteBuffer inflated_;
  ByteBuffer lines_;
};

}  // namespace penstock::kinesis_format
