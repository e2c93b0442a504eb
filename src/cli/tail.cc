// `penstock tail`: reads a stream back, all shards, one event a line as it was stored.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <limits>
#include <memory>
#include <thread>

#include "cli/count_flag.h"
#include "cli/event_lines.h"
#include "cli/read/event_printer.h"
#include "cli/read/stream_access.h"
#include "cli/subcommands.h"
#include "cli/terminal.h"
#include "codec/json_writer.h"
#include "kinesis_format/read/kcl_rule.h"
#include "kinesis_format/read/unpack.h"

namespace penstock::cli {
namespace {

struct TailOptions {
  StreamFlags flags;
  std::string from = "oldest";
  bool follow = false;
  bool meta = false;
  uint64_t max = std::numeric_limits<uint64_t>::max();
};

// {"shard":…,"event": up to where the event goes.
std::string wrap_of(const kinesis::ShardDescription& shard, const kinesis::StoredRecord& record) {
  const bool is_dropped =
      kinesis_format::dropped_by_kcl(record.data.view(), shard.shard.first, shard.shard.last) > 0;
  return "{\"shard\":" + codec::json_string(shard.id) +
         ",\"sequence_number\":" + codec::json_string(record.sequence_number) +
         ",\"partition_key\":" +
         (record.partition_key.empty() ? "null" : codec::json_string(record.partition_key)) +
         ",\"arrival\":" + codec::json_string(rfc3339_of(record.arrival_ms * 1'000'000)) +
         (is_dropped ? ",\"dropped_by_kcl\":true" : "") + ",\"event\":";
}

int tail(const TailOptions& options) {
  const auto from = parse_start(options.from);
  if (!from) return report(from.error());
  auto access = StreamAccess::open(options.flags);
  if (!access) return report(access.error());

  EventPrinter printer(options.max);
  Progress progress(::isatty(STDOUT_FILENO) == 0);  // beside events, it would be in the way
  uint64_t events = 0;
  kinesis_format::Unpacker unpacker([&](ByteView event, const std::string& wrap) {
    ++events;
    printer.print(event, wrap);
  });
  kinesis::StreamReaderOptions reading = (*access)->reader_options();
  reading.from = *from;
  reading.follow = options.follow;
  reading.sleep = [&](nanoseconds time) {
    printer.flush();
    std::this_thread::sleep_for(time);
  };
  kinesis::StreamReader reader((*access)->client(), std::move(reading), Clock::system());
  const auto result =
      reader.read([&](const kinesis::ShardDescription& shard, const kinesis::StoredRecord& record) {
        unpacker.add(record.data.view(), options.meta ? wrap_of(shard, record) : std::string());
        progress.show([&] { return (*access)->progress_text(events, record.arrival_ms); });
        return printer.wants_more();
      });
  unpacker.finish();
  const int written = printer.finish();
  if (!result) {
    report_error("stream " + (*access)->name() + " at " + (*access)->endpoint().host + ": " +
                 result.error().text);
    return kFailed;
  }
  return written;
}

}  // namespace

void register_tail(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<TailOptions>();
  CLI::App* const command =
      app.add_subcommand("tail", "Read a stream back: one event per line, as it was sent");
  command->add_option("--stream", options->flags.stream, "The stream's name or ARN")
      ->type_name("NAME")
      ->required();
  add_access_flags(*command, options->flags);
  command
      ->add_option("--from", options->from,
                   "Where to begin: oldest, latest or an RFC 3339 time (default oldest)")
      ->type_name("WHERE");
  command->add_flag("--follow", options->follow,
                    "Continue at the end of the shards and wait for new events");
  command->add_option("--max", options->max, "Stop after N events")
      ->type_name("N")
      ->check(wrong_with_count);
  command->add_flag("--meta", options->meta,
                    "Wrap each event with shard, sequence number, key and arrival (and "
                    "dropped_by_kcl: true where KCL consumers drop it)");
  command->footer(
      "Aggregation (kpl, lines), compression (gzip, zstd) and splitting are undone. What is not\n"
      "JSON is written as {\"base64\":…}.\n"
      "Examples:\n"
      "  penstock tail --stream my-stream --region us-east-1 --max 10\n"
      "  penstock tail --stream my-stream --from latest --follow --meta");
  command->callback([options, &exit_code] { exit_code = tail(*options); });
}

}  // namespace penstock::cli
