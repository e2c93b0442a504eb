// What everybody around the spool knows of the chunks of one run, and what must hold of them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "record/batch.h"
#include "record/ledger.h"
#include "spool/file_system.h"

namespace penstock::sim {

// A finding, on its way to who reports it.
struct Violation {
  std::string what;
};

[[noreturn]] void violate(std::string what);

// One part of a chunk: what one stream gets.
struct Part {
  std::string stream;
  std::string payload;
  uint32_t events = 0;
  Hash128 id;
  uint64_t copies_in_life = 0;  // handed out since the process started
  uint32_t delivered = 0;       // leading events that were delivered at some time
  uint64_t released_in = 0;     // the life of the process in which it was released last
  bool final = false;           // released, and then the spool was closed in order
  bool given_up = false;        // handed to the dead letters: a crash may keep us from hearing more
  bool buried = false;          // the spool said that it is safe in the dead letters
  bool resurrected = false;     // and was delivered after it had been handed back from there
};

struct Chunk {
  std::optional<Hash128> fingerprint;
  std::vector<Part> parts;
  bool acked = false;
};

[[nodiscard]] record::Batch batch_of(const Part& part);
// Throws Violation unless it is what went in.
void check_unchanged(const record::Batch& batch, const Part& part, std::string_view stream);

// The balance of the ledger. Throws Violation, as the next does.
void check_ledger(const record::Ledger& ledger);

// The payloads of the dead letters that were not delivered after all, by the id of their batch.
// Throws Violation if they cannot be read.
[[nodiscard]] std::multimap<Hash128, std::string> letters_in(spool::FileSystem& files);

// Each letter that was said to be safe lies in the dead letters, or was delivered after a replay.
// with_drops: drop_oldest may have discarded a replayed one.
void check_letters(spool::FileSystem& files, const std::vector<Chunk>& chunks, bool with_drops);

}  // namespace penstock::sim
