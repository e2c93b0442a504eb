// `penstock tail`: reads a stream back, all shards, one event a line as it was stored.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <limits>
#include <memory>
#include <thread>

#include "cli/count_flag.h"
#include "cli/read/stream_access.h"
#include "cli/subcommands.h"
#include "codec/base64.h"
#include "codec/rfc3339.h"
#include "kinesis/control_json.h"
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

std::string rfc3339(int64_t unix_ms) {
  const codec::EventTime time = codec::event_time_of(unix_ms * 1'000'000);
  if (!codec::has_rfc3339(time)) return {};
  uint8_t text[codec::kRfc3339Size];
  codec::write_rfc3339(text, time);
  return {reinterpret_cast<const char*>(text), sizeof text};
}

// Writes events to stdout until it has written as many as it may, or nobody reads any more.
class EventPrinter {
 public:
  EventPrinter(uint64_t max, bool meta) : left_(max), meta_(meta) {}

  void print(ByteView event, const std::string& note) {
    if (!wants_more()) return;
    --left_;
    line_.clear();
    if (meta_) line_.append(note);
    if (kinesis_format::is_json_object(event)) {
      line_.append(event);
      // Line breaks can only stand between tokens: blanks mean the same there.
      std::replace(line_.data(), line_.data() + line_.size(), uint8_t{'\n'}, uint8_t{' '});
    } else {
      line_.append("{\"base64\":\"");
      codec::append_base64(line_, event);
      line_.append("\"}");
    }
    if (meta_) line_.push_back('}');
    line_.push_back('\n');
    if (std::fwrite(line_.data(), 1, line_.size(), stdout) != line_.size()) error_ = errno;
  }

  void flush() {
    if (std::fflush(stdout) != 0 && error_ == 0) error_ = errno;
  }
  [[nodiscard]] bool wants_more() const { return left_ > 0 && error_ == 0; }
  // EPIPE is how `| head` says that it has enough.
  [[nodiscard]] int exit_code() const { return error_ == 0 || error_ == EPIPE ? kDone : kFailed; }
  [[nodiscard]] bool failed() const { return exit_code() != kDone; }

  // {"shard":…,"event": up to where the event goes.
  [[nodiscard]] std::string note_of(const std::string& shard_id,
                                    const kinesis::StoredRecord& record) const {
    if (!meta_) return {};
    return "{\"shard\":" + kinesis::json_string(shard_id) +
           ",\"sequence_number\":" + kinesis::json_string(record.sequence_number) +
           ",\"partition_key\":" + kinesis::json_string(record.partition_key) +
           ",\"arrival\":" + kinesis::json_string(rfc3339(record.arrival_ms)) + ",\"event\":";
  }

 private:
  uint64_t left_;
  const bool meta_;
  int error_ = 0;
  ByteBuffer line_;
};

int tail(const TailOptions& options) {
  const auto from = parse_start(options.from);
  if (!from) return report(from.error());
  auto access = StreamAccess::open(options.flags);
  if (!access) return report(access.error());

  EventPrinter printer(options.max, options.meta);
  kinesis_format::Unpacker unpacker(
      [&](ByteView event, const std::string& note) { printer.print(event, note); });
  kinesis::StreamReaderOptions reading = (*access)->reader_options();
  reading.from = *from;
  reading.follow = options.follow;
  reading.sleep = [&](nanoseconds time) {
    printer.flush();
    std::this_thread::sleep_for(time);
  };
  kinesis::StreamReader reader((*access)->client(), std::move(reading), Clock::system());
  const auto result =
      reader.read([&](const std::string& shard_id, const kinesis::StoredRecord& record) {
        unpacker.add(record.data.view(), printer.note_of(shard_id, record));
        return printer.wants_more();
      });
  unpacker.finish();
  printer.flush();
  if (!result) {
    report_error("stream " + (*access)->name() + " at " + (*access)->endpoint().host + ": " +
                 result.error().text);
    return kFailed;
  }
  if (printer.failed()) report_error("stdout cannot be written");
  return printer.exit_code();
}

}  // namespace

void register_tail(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<TailOptions>();
  CLI::App* const command =
      app.add_subcommand("tail", "Read a stream back: one event a line, exactly as stored");
  command->add_option("--stream", options->flags.stream, "The stream's name or ARN")
      ->type_name("NAME")
      ->required();
  add_access_flags(*command, options->flags);
  command
      ->add_option("--from", options->from,
                   "Where to begin: oldest, latest or an RFC 3339 time (default oldest)")
      ->type_name("WHERE");
  command->add_flag("--follow", options->follow, "Go on when the shards' tips are reached");
  command->add_option("--max", options->max, "End after so many events")
      ->type_name("N")
      ->check(wrong_with_count);
  command->add_flag("--meta", options->meta,
                    "Wrap each event with shard, sequence number, key and arrival");
  command->footer(
      "Aggregation (kpl, lines), compression (gzip, zstd) and splitting are undone. What is not\n"
      "JSON is written as {\"base64\":…}.\n"
      "Examples:\n"
      "  penstock tail --stream my-stream --region us-east-1 --max 10\n"
      "  penstock tail --stream my-stream --from latest --follow --meta");
  command->callback([options, &exit_code] { exit_code = tail(*options); });
}

}  // namespace penstock::cli
