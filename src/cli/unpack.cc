// `penstock unpack`: archived objects back to events, one JSON a line.
#include <CLI/CLI.hpp>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "cli/count_flag.h"
#include "cli/read/archive.h"
#include "cli/read/event_printer.h"
#include "cli/subcommands.h"
#include "kinesis_format/read/unpack.h"

namespace penstock::cli {
namespace {

struct UnpackCommandOptions {
  std::vector<std::string> files;
  uint64_t max = std::numeric_limits<uint64_t>::max();
};

int unpack(const UnpackCommandOptions& options) {
  EventPrinter printer(options.max);
  kinesis_format::Unpacker unpacker(
      [&](ByteView event, const std::string&) { printer.print(event); }, archive_unpack_options());
  const auto wants_more = [&printer] { return printer.wants_more(); };
  bool all_whole = true;
  const auto read = [&](const std::string& file) {
    if (const auto done = read_object(file, unpacker, wants_more); !done) {
      report_error(done.error().message);
      all_whole = false;
    }
    return printer.wants_more();
  };
  if (options.files.empty()) read("-");
  for (const std::string& file : options.files) {
    if (file == "-") {
      read(file);
      continue;
    }
    if (const auto walked = for_each_object(file, read); !walked) {
      printer.flush();
      return report(walked.error());
    }
  }
  unpacker.finish();
  const int written = printer.finish();
  return all_whole ? written : kFailed;
}

}  // namespace

void register_unpack(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<UnpackCommandOptions>();
  CLI::App* const command =
      app.add_subcommand("unpack", "Turn archived objects back into events, one per line");
  command
      ->add_option("files", options->files,
                   "Objects, or directories of them as copied by `aws s3 sync` (default, and "
                   "for -: stdin)")
      ->type_name("FILE");
  command->add_option("--max", options->max, "Stop after N events")
      ->type_name("N")
      ->check(wrong_with_count);
  command->footer(
      "Reads what a Kinesis channel or Firehose wrote to S3: JSON with or without line feeds\n"
      "between the records, gzip and zstd (of the object, of each record, or of both), KPL\n"
      "aggregates, and the parts of split events. What is not JSON is written as "
      "{\"base64\":…}.\n"
      "Exits 1 when an object is damaged; the others are unpacked.\n"
      "Examples:\n"
      "  penstock unpack archive/2026/03/ | grep 'order 4711'\n"
      "  aws s3 cp s3://my-archive/KEY - | penstock unpack");
  command->callback([options, &exit_code] { exit_code = unpack(*options); });
}

}  // namespace penstock::cli
