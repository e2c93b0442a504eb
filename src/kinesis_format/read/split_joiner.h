// SplitJoiner: puts the parts of split events (oversize.h) together again, byte for byte, in
// whatever order and however often they come. For who reads a stream back.
//
// What comes from a stream is not trusted: a part must say so in the exact layout, parts must agree
// with each other, and the whole with its checksum; else they are given out as the records they
// are.
//
// Owned by one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace penstock::kinesis_format {

// Puts the parts of split events together, in whatever order and however often they come.
class SplitJoiner {
 public:
  // A whole event, or a part whose siblings never came; with what was given to add() with it (of a
  // whole event: with the part that completed it).
  using Sink = std::function<void(ByteView json, const std::string& note)>;

  // Parts held take at most bytes_max; the oldest incomplete event makes room.
  explicit SplitJoiner(Sink sink, size_t bytes_max = 256_MiB);

  // False: it is not a part, and nothing was done with it.
  bool add(ByteView record, const std::string& note);
  // Gives out what is incomplete, as it came.
  void flush();

  [[nodiscard]] size_t incomplete_count() const { return events_.size(); }

 private:
  struct Part {
    std::string record;
    std::string note;
  };
  struct Event {
    uint32_t count = 0;
    uint64_t size = 0;
    uint64_t hash = 0;
    size_t bytes = 0;
    std::map<uint32_t, Part> parts;  // by index, the last that came
    // Came before those, and are different: the event was cut again, into as many parts.
    std::vector<std::pair<uint32_t, Part>> superseded;
    std::list<std::string>::iterator age;
  };
  void give_up(const std::string& id);
  void drop_other_sets(std::string_view id);
  [[nodiscard]] static bool join(const Event& event, ByteBuffer& out);
  [[nodiscard]] static bool join_any(Event& event, ByteBuffer& out);

  Sink sink_;
  size_t bytes_max_;
  size_t bytes_ = 0;
  std::unordered_map<std::string, Event> events_;  // by id and number of parts
  std::list<std::string> ages_;                    // the same, oldest first
};

}  // namespace penstock::kinesis_format
