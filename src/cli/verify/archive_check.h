// Compares a directory of archived objects with what was acked, in bounded memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/verify/verify_result.h"

namespace penstock::cli {

struct ArchiveCheckOptions {
  std::string directory;
  std::vector<std::string> ledgers;
  // For the events of the ledgers: when they need more, the archive is read several times. Beside
  // it at most some 200 MiB for the record at hand and split events not yet whole.
  uint64_t ledger_bytes_max = 256ull << 20;
  size_t shown_max = 20;
};

// Damaged objects are named on stderr, counted, and passed over.
[[nodiscard]] Result<VerifyResult, Error> check_archive(const ArchiveCheckOptions& options);

}  // namespace penstock::cli
