// `penstock spool ls|verify|dump DIR`: what lies in a spool. Reads only, needs no lock. redirect is
// in spool_redirect.cc.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

#include "admin/words.h"
#include "cli/count_flag.h"
#include "cli/event_lines.h"
#include "cli/output_format.h"
#include "cli/spool_redirect.h"
#include "cli/subcommands.h"
#include "spool/spool_inspection.h"

namespace penstock::cli {
namespace {

struct SpoolCommandOptions {
  std::string directory;
  std::string stream;
  OutputFormat format = OutputFormat::text;
  bool all = false;
  bool meta = false;
  uint64_t max = std::numeric_limits<uint64_t>::max();
};

// Says what cannot be read, and goes on.
class Problems {
 public:
  [[nodiscard]] spool::InspectionProblem report() {
    return [this](const std::string& what) {
      report_error(what + "; penstock passes over it at its next start");
      exit_code_ = kFailed;
    };
  }
  [[nodiscard]] int exit_code(int otherwise) const {
    return otherwise == kDone ? exit_code_ : otherwise;
  }

 private:
  int exit_code_ = kDone;
};

unsigned long long number(uint64_t value) { return value; }

struct PendingCount {
  uint64_t entries = 0;
  uint64_t events = 0;
};

PendingCount pending_in(const spool::InspectedLog& log) {
  PendingCount pending;
  for (const spool::InspectedSegment& segment : log.segments) {
    pending.entries += segment.entries_pending;
    pending.events += segment.events_pending;
  }
  return pending;
}

// One line; empty: nothing is missing.
std::string missing_line(const spool::InspectedLog& log) {
  const spool::InspectedGap& missing = log.missing;
  if (missing.entries == 0) return {};
  // Only the newest file may have no header yet.
  const auto is_unreadable = [&](const spool::InspectedSegment& segment) {
    return !segment.header && &segment != &log.segments.back();
  };
  const bool is_there = std::any_of(log.segments.begin(), log.segments.end(), is_unreadable);
  const std::string why = is_there ? "nothing can be read of " : "there is no ";
  return log.directory + ": " + std::to_string(missing.entries) + " entries with " +
         std::to_string(missing.events) + " events are missing" +
         (missing.files.empty() ? "" : " (" + why + missing.files + ")");
}

int print_json(const SpoolCommandOptions& options, const std::vector<spool::InspectedLog>& logs) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const spool::InspectedLog& log : logs) {
    const PendingCount pending = pending_in(log);
    list.push_back({{"stream", log.description.stream},
                    {"generation", log.generation},
                    {"log", log.overflow ? "overflow" : "main"},
                    {"target", log.description.target},
                    {"segments", log.segments.size()},
                    {"bytes", log.file_bytes},
                    {"entries_pending", pending.entries},
                    {"events_pending", pending.events},
                    {"events_missing", log.missing.events},
                    {"files_set_aside", log.set_aside}});
  }
  const nlohmann::ordered_json document{{"directory", options.directory},
                                        {"logs", std::move(list)}};
  // A path may be any bytes.
  return print_document(document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

int list(const SpoolCommandOptions& options) {
  Problems problems;
  const auto logs = spool::inspect_spool(spool::FileSystem::posix(), options.directory,
                                         {.unreadable = problems.report()});
  if (!logs) return report(logs.error());
  const spool::InspectionProblem missing = problems.report();
  for (const spool::InspectedLog& log : *logs) {
    if (const std::string line = missing_line(log); !line.empty()) missing(line);
  }
  if (options.format == OutputFormat::json) {
    return problems.exit_code(print_json(options, *logs));
  }
  std::printf("%-24s %4s %-8s %9s %14s %12s %12s  %s\n", "STREAM", "GEN", "LOG", "SEGMENTS",
              "BYTES", "ENTRIES", "EVENTS", "TARGET");
  for (const spool::InspectedLog& log : *logs) {
    const auto [entries, events] = pending_in(log);
    std::printf("%-24s %4llu %-8s %9zu %14llu %12llu %12llu  %s\n", log.description.stream.c_str(),
                number(log.generation), log.overflow ? "overflow" : "main", log.segments.size(),
                number(log.file_bytes), number(entries), number(events),
                log.description.target.c_str());
  }
  return problems.exit_code(kDone);
}

int verify(const SpoolCommandOptions& options) {
  auto& files = spool::FileSystem::posix();
  Problems problems;
  const spool::InspectOptions everything{.every_payload = true, .unreadable = problems.report()};
  auto logs = spool::inspect_spool(files, options.directory, everything);
  if (!logs) return report(logs.error());
  auto letters = spool::inspect_dead_letters(files, options.directory, everything);
  if (letters) logs->push_back(std::move(*letters));
  uint64_t segments = 0;
  uint64_t entries = 0;
  uint64_t events = 0;
  uint64_t damaged = 0;
  for (const spool::InspectedLog& log : *logs) {
    damaged += log.set_aside;
    if (const std::string line = missing_line(log); !line.empty()) {
      ++damaged;
      std::printf("%s\n", line.c_str());
    }
    if (log.set_aside > 0) {
      std::printf("%s: %llu files are damaged from their beginning\n", log.directory.c_str(),
                  number(log.set_aside));
    }
    for (const spool::InspectedSegment& segment : log.segments) {
      ++segments;
      entries += segment.entries;
      events += segment.events;
      if (segment.torn_bytes > 0) {
        const bool is_newest = &segment == &log.segments.back();
        std::printf("%s: %llu bytes of an %s\n", segment.path.c_str(), number(segment.torn_bytes),
                    is_newest ? "unfinished entry (never acknowledged)" : "entry that is cut off");
      }
      if (segment.damaged_bytes == 0) continue;
      ++damaged;
      std::printf("%s: %llu bytes are damaged\n", segment.path.c_str(),
                  number(segment.damaged_bytes));
    }
  }
  std::printf("intact: %s, %llu %s, %s; damaged: %s\n", admin::counted(segments, "segment").c_str(),
              number(entries), entries == 1 ? "entry" : "entries",
              admin::counted(events, "event").c_str(), admin::counted(damaged, "file").c_str());
  if (damaged > 0) report_error("damage found in " + options.directory);
  return problems.exit_code(damaged > 0 ? kFailed : kDone);
}

int dump(const SpoolCommandOptions& options) {
  auto& files = spool::FileSystem::posix();
  Problems problems;
  const auto logs =
      spool::inspect_spool(files, options.directory, {.unreadable = problems.report()});
  if (!logs) return report(logs.error());
  EventLines lines(options.max);
  for (const spool::InspectedLog& log : *logs) {
    if (!options.stream.empty() && options.stream != log.description.stream) continue;
    const auto visited = spool::visit_entries(
        files, log,
        [&](const spool::InspectedEntry& entry) {
          if (entry.final && !options.all) return true;
          std::string before;
          if (options.meta) {
            before = "{" + json_field("stream", log.description.stream) +
                     json_field("tag", entry.batch.tag) + json_field("source", entry.batch.source) +
                     json_field("received", rfc3339_of(entry.batch.received_ns)) + "\"event\":";
          }
          lines.print(entry.batch, before);
          return lines.wants_more();
        },
        problems.report());
    if (!visited) return report(visited.error());
    if (!lines.wants_more()) break;
  }
  return problems.exit_code(lines.finish());
}

CLI::App* add(CLI::App& to, const char* name, const char* help,
              const std::shared_ptr<SpoolCommandOptions>& options, int& exit_code,
              int (*act)(const SpoolCommandOptions&)) {
  CLI::App* const command = to.add_subcommand(name, help);
  command->add_option("DIR", options->directory, "The spool's directory (spool.directory)")
      ->required();
  command->callback([options, act, &exit_code] { exit_code = act(*options); });
  return command;
}

}  // namespace

void register_spool(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<SpoolCommandOptions>();
  CLI::App* const command = app.add_subcommand(
      "spool", "Inspect a spool, also while penstock is running: ls, verify, dump; or redirect it");
  command->require_subcommand(1);
  command->footer(
      "Examples:\n"
      "  penstock spool ls /var/lib/penstock\n"
      "  penstock spool verify /var/lib/penstock\n"
      "  penstock spool dump /var/lib/penstock --stream projects --max 10\n"
      "  penstock spool redirect /var/lib/penstock --from my-projcets --to projects");
  CLI::App* const listing =
      add(*command, "ls", "List pending events of each stream", options, exit_code, list);
  add_format_option(*listing, options->format);
  add(*command, "verify", "Read everything and check every checksum; exit 1 if damage is found",
      options, exit_code, verify);
  CLI::App* const dumping =
      add(*command, "dump", "Print stored events as JSON, one per line", options, exit_code, dump);
  dumping->add_option("--stream", options->stream, "Only this stream")->type_name("NAME");
  dumping->add_flag("--all", options->all, "Also delivered events that are still stored");
  dumping->add_flag("--meta", options->meta,
                    "Wrap each event with stream, tag, source and receive time");
  dumping->add_option("--max", options->max, "Stop after N events")
      ->type_name("N")
      ->check(wrong_with_count);
  register_spool_redirect(*command, exit_code);
}

}  // namespace penstock::cli
