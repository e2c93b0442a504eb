#include "spool/spool.h"

#include "spool/spool_core.h"

namespace penstock::spool {

Result<std::unique_ptr<Spool>, Error> Spool::open(SpoolOptions options, record::Ledger& ledger,
                                                  record::MemoryBudget& budget, const Clock& clock,
                                                  FileSystem* file_system) {
  (void)budget;
  (void)file_system;
  if (!options.directory.empty() || !options.dead_letter_directory.empty()) {
    return run_error("a spool directory is not supported by this build");
  }
  if (options.ack == AckMode::stored) {
    return usage_error("ack: stored needs spool.directory; give one, or set ack: delivered");
  }
  return std::make_unique<SpoolCore>(std::move(options), ledger, clock);
}

}  // namespace penstock::spool
