// `penstock verify`: reads streams back and compares with what was acked.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/read/stream_access.h"
#include "cli/subcommands.h"
#include "cli/verify/acked_events.h"
#include "config/loader.h"
#include "kinesis_format/read/unpack.h"

namespace penstock::cli {
namespace {

struct VerifyOptions {
  std::vector<std::string> ledgers;
  std::vector<std::string> streams;
  std::string config_file;
  StreamFlags flags;
  std::string from = "oldest";
  size_t show = 20;
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
  if (options.streams.empty() == options.config_file.empty()) {
    return usage_error("say which streams to read: either --stream (several) or --config");
  }
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

Result<uint64_t, Error> read_stream(StreamAccess& access, const kinesis::IteratorStart& from,
                                    AckedEvents& acked) {
  uint64_t count = 0;
  kinesis_format::Unpacker unpacker([&](ByteView event, const std::string& note) {
    const size_t blank = note.find(' ');
    ++count;
    acked.found(id_of_stored(event), std::string_view(note).substr(blank + 1),
                std::stoll(note.substr(0, blank)));
  });
  kinesis::StreamReaderOptions reading = access.reader_options();
  reading.from = from;
  kinesis::StreamReader reader(access.client(), std::move(reading), Clock::system());
  const auto result = reader.read([&](const std::string& shard_id,
                                      const kinesis::StoredRecord& record) {
    unpacker.add(record.data.view(), note_of(access.name() + "/" + shard_id, record.arrival_ms));
    return true;
  });
  unpacker.finish();
  if (!result) {
    return run_error("stream " + access.name() + " at " + access.endpoint().host + ": " +
                     result.error().text);
  }
  return count;
}

void print(const AckedEvents::Report& report) {
  const auto number = [](const char* name, uint64_t value, const char* meaning) {
    std::printf("%-10s %10llu  %s\n", name, static_cast<unsigned long long>(value), meaning);
  };
  number("acked", report.acked, "events in the ledger");
  number("found", report.found, "of them, in the streams");
  number("gaps", report.missing, "acked and not found");
  number("repeats", report.repeated, "found more often than acked");
  number("disorder", report.disordered, "behind a later event of their run and tag in a shard");
  number("foreign", report.foreign, "in the streams, and in no ledger");
  if (report.measured > 0) {
    std::printf("latency    p50 %lld ms, p99 %lld ms, max %lld ms from sent to arrival\n",
                static_cast<long long>(report.latency_ms_p50),
                static_cast<long long>(report.latency_ms_p99),
                static_cast<long long>(report.latency_ms_max));
  }
  for (const AckedEvents::Gap& gap : report.gaps) {
    std::printf("gap: id=%s seq=%llu tag=%s acked_ns=%lld missing=%llu\n", gap.id.c_str(),
                static_cast<unsigned long long>(gap.sequence), gap.tag.c_str(),
                static_cast<long long>(gap.acked_ns), static_cast<unsigned long long>(gap.missing));
  }
}

int verify(const VerifyOptions& options) {
  const auto from = parse_start(options.from);
  if (!from) return report(from.error());
  auto streams = open_streams(options);
  if (!streams) return report(streams.error());
  AckedEvents acked;
  for (const std::string& ledger : options.ledgers) {
    const auto loaded = acked.load(ledger);
    if (!loaded) return report(loaded.error());
  }
  for (const auto& stream : *streams) {
    const auto count = read_stream(*stream, *from, acked);
    if (!count) return report(count.error());
    std::printf("%-10s %10llu  events in stream %s\n", "read",
                static_cast<unsigned long long>(*count), stream->name().c_str());
  }
  const AckedEvents::Report result = acked.report(options.show);
  print(result);
  if (std::fflush(stdout) != 0) return kFailed;
  return result.missing == 0 ? kDone : kFailed;
}

}  // namespace

void register_verify(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<VerifyOptions>();
  CLI::App* const command = app.add_subcommand(
      "verify", "Read streams back and compare with what was acked; gaps exit 1");
  command->add_option("--ledger", options->ledgers, "What `penstock send --ledger` wrote (several)")
      ->type_name("FILE")
      ->required();
  command->add_option("--stream", options->streams, "A stream's name or ARN (several)")
      ->type_name("NAME");
  command->add_option("--config", options->config_file, "All streams of this configuration")
      ->type_name("FILE");
  add_access_flags(*command, options->flags);
  command
      ->add_option("--from", options->from,
                   "Where to begin: oldest or an RFC 3339 time (default oldest)")
      ->type_name("WHERE");
  command->add_option("--show", options->show, "How many gaps to list (default 20)")
      ->type_name("N");
  command->footer(
      "Exits 0 when each acked event is in one of the streams, 1 when one is not or a stream\n"
      "cannot be read.\n"
      "Example:\n"
      "  penstock send --to localhost:24224 --ack --ledger acked.jsonl --generate 100000\n"
      "  penstock verify --ledger acked.jsonl --stream my-projects --stream my-audit");
  command->callback([options, &exit_code] { exit_code = verify(*options); });
}

}  // namespace penstock::cli
