// `penstock verify`: reads streams back and compares with what was acked.
#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/output_format.h"
#include "cli/read/stream_access.h"
#include "cli/subcommands.h"
#include "cli/terminal.h"
#include "cli/verify/acked_events.h"
#include "cli/verify/archive_check.h"
#include "cli/verify/verify_result.h"
#include "config/loader.h"
#include "config/values.h"
#include "kinesis_format/read/kcl_rule.h"
#include "kinesis_format/read/unpack.h"

namespace penstock::cli {
namespace {

struct VerifyOptions {
  std::vector<std::string> ledgers;
  std::vector<std::string> streams;
  std::string config_file;
  StreamFlags flags;
  std::string archive;
  std::string memory = "256MiB";
  std::string from = "oldest";
  size_t show = 20;
  OutputFormat format = OutputFormat::text;
};

using Streams = std::vector<std::unique_ptr<StreamAccess>>;

Result<Streams, Error> streams_of_config(const std::string& file) {
  const auto loaded = config::load(file, config::Environment::of_process());
  if (!loaded) {
    return usage_error("the configuration has errors; see: penstock check --config " + file);
  }
  Streams streams;
  for (const config::StreamOptions& stream : loaded->config.streams) {
    if (stream.kind != config::StreamKind::kinesis) continue;  // Firehose cannot be read back
    auto access = StreamAccess::open(stream, loaded->config);
    if (!access) return failure(access.error());
    streams.push_back(std::move(*access));
  }
  return streams;
}

Result<Streams, Error> open_streams(const VerifyOptions& options) {
  if (!options.config_file.empty()) return streams_of_config(options.config_file);
  Streams streams;
  for (const std::string& stream : options.streams) {
    StreamFlags flags = options.flags;
    flags.stream = stream;
    auto access = StreamAccess::open(flags);
    if (!access) return failure(access.error());
    streams.push_back(std::move(*access));
  }
  return streams;
}

// What the unpacker passes on with each event: where it was read and when it arrived.
std::string note_of(const std::string& place, int64_t arrival_ms) {
  return std::to_string(arrival_ms) + " " + place;
}

Result<void, Error> read_stream(StreamAccess& access, const kinesis::IteratorStart& from,
                                AckedEvents& acked, VerifyResult& result) {
  uint64_t count = 0;
  Progress progress;
  kinesis_format::Unpacker unpacker([&](ByteView event, const std::string& note) {
    const size_t blank = note.find(' ');
    ++count;
    acked.found(id_of_stored(event), std::string_view(note).substr(blank + 1),
                std::stoll(note.substr(0, blank)));
  });
  kinesis::StreamReaderOptions reading = access.reader_options();
  reading.from = from;
  kinesis::StreamReader reader(access.client(), std::move(reading), Clock::system());
  const auto read = reader.read([&](const kinesis::ShardDescription& shard,
                                    const kinesis::StoredRecord& record) {
    result.dropped_by_kcl +=
        kinesis_format::dropped_by_kcl(record.data.view(), shard.shard.first, shard.shard.last);
    unpacker.add(record.data.view(), note_of(access.name() + "/" + shard.id, record.arrival_ms));
    progress.show([&] { return access.progress_text(count, record.arrival_ms); });
    return true;
  });
  unpacker.finish();
  if (!read) {
    return run_error("stream " + access.name() + " at " + access.endpoint().host + ": " +
                     read.error().text);
  }
  result.sources.push_back({"stream", access.name(), count, 0, 0});
  return {};
}

Result<VerifyResult, Error> check_streams(const VerifyOptions& options) {
  const auto from = parse_start(options.from);
  if (!from) return failure(from.error());
  auto streams = open_streams(options);
  if (!streams) return failure(streams.error());
  AckedEvents acked;
  for (const std::string& ledger : options.ledgers) {
    const auto loaded = acked.load(ledger);
    if (!loaded) return failure(loaded.error());
  }
  VerifyResult result;
  for (const auto& stream : *streams) {
    const auto read = read_stream(*stream, *from, acked, result);
    if (!read) return failure(read.error());
  }
  result.counts = acked.report();
  for (const std::string& ledger : options.ledgers) {
    const auto named = acked.name_differences(ledger, options.show, result.differences);
    if (!named) return failure(named.error());
  }
  return result;
}

Result<VerifyResult, Error> check(const VerifyOptions& options) {
  const int ways = (options.streams.empty() ? 0 : 1) + (options.config_file.empty() ? 0 : 1) +
                   (options.archive.empty() ? 0 : 1);
  if (ways != 1) {
    return usage_error("say what to read: --stream (several), --config or --archive");
  }
  if (options.archive.empty()) return check_streams(options);
  const auto memory = config::parse_size(options.memory);
  if (!memory || *memory == 0) {
    return usage_error("--memory " + options.memory + ": write a size such as 256MiB");
  }
  return check_archive({options.archive, options.ledgers, *memory, options.show});
}

int verify(const VerifyOptions& options) {
  const auto result = check(options);
  if (!result) return report(result.error());
  const bool json = options.format == OutputFormat::json;
  const int printed = json ? print_document(json_text(*result)) : print_text(*result);
  if (printed != kDone) return printed;
  if (result->counts.acked == 0) {
    std::fputs("warning: the ledger has no events, so nothing was compared\n", stderr);
  }
  return result->is_good() ? kDone : kFailed;
}

}  // namespace

void register_verify(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<VerifyOptions>();
  CLI::App* const command = app.add_subcommand(
      "verify",
      "Read streams or an archive back and compare with the ledger; exit 1 if events are missing");
  command
      ->add_option("--ledger", options->ledgers,
                   "Ledger of `penstock send --ledger`; may be repeated")
      ->type_name("FILE")
      ->required();
  command->add_option("--stream", options->streams, "A stream's name or ARN; may be repeated")
      ->type_name("NAME");
  command->add_option("--config", options->config_file, "All streams of this configuration")
      ->type_name("FILE");
  command
      ->add_option("--archive", options->archive,
                   "Directory of archived objects, as copied by `aws s3 sync`")
      ->type_name("DIR");
  command
      ->add_option("--memory", options->memory,
                   "With --archive: memory for the ledger's events; a ledger that needs more is "
                   "compared in several passes (default 256MiB)")
      ->type_name("SIZE");
  add_access_flags(*command, options->flags);
  command
      ->add_option("--from", options->from,
                   "Where to begin: oldest or an RFC 3339 time (default oldest)")
      ->type_name("WHERE");
  command
      ->add_option("--show", options->show,
                   "Number of missing and repeated events to list (default 20)")
      ->type_name("N");
  add_format_option(*command, options->format);
  command->footer(
      "Exits 0 if each event of the ledger is there. Exits 1 if one is missing, if KCL consumers\n"
      "would drop records (aggregates whose hash keys are outside their shard), if a stream "
      "cannot\n"
      "be read, or if an archived object is damaged.\n"
      "Examples:\n"
      "  penstock send --to localhost:24224 --ack --ledger acked.jsonl --generate 100000\n"
      "  penstock verify --ledger acked.jsonl --stream my-projects --stream my-audit\n"
      "  penstock verify --ledger acked.jsonl --archive archive/");
  command->callback([options, &exit_code] { exit_code = verify(*options); });
}

}  // namespace penstock::cli
