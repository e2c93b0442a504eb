// The ledger of `penstock send`: what was acked, one JSON line an event (doc/ledger.md). Appended
// and flushed chunk by chunk, so that it is right whenever the sender is killed.
//
// Thread: one.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/send/outgoing_event.h"

namespace penstock::cli {

class AckLedger {
 public:
  // No path: writes nothing.
  [[nodiscard]] static Result<AckLedger, Error> open(const std::string& path);

  [[nodiscard]] Result<void, Error> enter(const Chunk& chunk, std::string_view tag, int64_t sent_ns,
                                          int64_t acked_ns);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file_;
  std::string path_;
};

}  // namespace penstock::cli
