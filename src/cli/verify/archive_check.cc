#include "cli/verify/archive_check.h"

#include <algorithm>

#include "admin/words.h"
#include "cli/read/archive.h"
#include "cli/subcommands.h"
#include "cli/terminal.h"
#include "kinesis_format/read/unpack.h"

namespace penstock::cli {
namespace {

// Each pass takes time; who asks for this many gave a size without its unit.
constexpr uint64_t kPassesMax = 1'000;

Result<uint32_t, Error> passes_for(uint64_t acked, uint64_t bytes_max) {
  const uint64_t passes =
      std::max<uint64_t>((AckedEvents::memory_bytes(acked) + bytes_max - 1) / bytes_max, 1);
  if (passes > kPassesMax) {
    return usage_error(
        "--memory is too little for " + std::to_string(acked) + " acked events: give it at least " +
        std::to_string(AckedEvents::memory_bytes(acked) / kPassesMax / 1024 + 1) + "k");
  }
  return static_cast<uint32_t>(passes);
}

Result<VerifyResult::Source, Error> read_archive(const std::string& directory, AckedEvents& acked,
                                                 uint32_t pass, uint32_t passes) {
  VerifyResult::Source source{"archive", directory, 0, 0, 0};
  kinesis_format::Unpacker unpacker(
      [&](ByteView event, const std::string& object) {
        ++source.events;
        acked.found(id_of_stored(event), object, 0);
      },
      archive_unpack_options());
  Progress progress;
  const auto walked = for_each_object(directory, [&](const std::string& file) {
    ++source.objects;
    const auto done = read_object(file, unpacker, [] { return true; });
    if (!done) {
      ++source.damaged;
      if (pass == 0) report_error(done.error().message);
    }
    acked.forget_places();
    progress.show([&] {
      return "pass " + std::to_string(pass + 1) + " of " + std::to_string(passes) + ": " +
             admin::counted(source.objects, "object") + " with " +
             admin::counted(source.events, "event") + " read, now at " + file;
    });
    return true;
  });
  unpacker.finish();
  if (!walked) return failure(walked.error());
  return source;
}

}  // namespace

Result<VerifyResult, Error> check_archive(const ArchiveCheckOptions& options) {
  const auto acked_count = count_acked(options.ledgers);
  if (!acked_count) return failure(acked_count.error());
  const auto passes = passes_for(*acked_count, options.ledger_bytes_max);
  if (!passes) return failure(passes.error());

  VerifyResult result;
  result.passes = *passes;
  for (uint32_t pass = 0; pass < *passes; ++pass) {
    AckedEvents acked({pass, *passes});
    // Slices differ a little in size; a slice that is larger grows once.
    acked.reserve(*acked_count / *passes + *acked_count / *passes / 50);
    for (const std::string& ledger : options.ledgers) {
      const auto loaded = acked.load(ledger);
      if (!loaded) return failure(loaded.error());
    }
    const auto source = read_archive(options.directory, acked, pass, *passes);
    if (!source) return failure(source.error());
    if (pass == 0) result.sources.push_back(*source);
    result.counts.add(acked.report());
    for (const std::string& ledger : options.ledgers) {
      const auto named = acked.name_differences(ledger, options.shown_max, result.differences);
      if (!named) return failure(named.error());
    }
  }
  return result;
}

}  // namespace penstock::cli
