// `penstock dead-letter ls|dump|replay DIR`: what could not be delivered, and why; and giving it
// back. ls and dump only read; replay leaves a request for the process that has the spool.
#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "admin/words.h"
#include "cli/count_flag.h"
#include "cli/event_lines.h"
#include "cli/output_format.h"
#include "cli/subcommands.h"
#include "cli/terminal.h"
#include "spool/dead_letter.h"
#include "spool/spool_inspection.h"

namespace penstock::cli {
namespace {

struct DeadLetterOptions {
  std::string directory;
  spool::ReplayRequest which;
  OutputFormat format = OutputFormat::text;
  bool wait = false;
  uint64_t max = std::numeric_limits<uint64_t>::max();
};

struct Pile {
  uint64_t letters = 0;
  uint64_t events = 0;
  uint64_t bytes = 0;
  int64_t oldest_ns = std::numeric_limits<int64_t>::max();
};
using Piles = std::map<std::pair<std::string, std::string>, Pile>;

// any_damaged: set when there are damaged dead letters, which are then said; null: they are not.
Result<void, Error> visit_letters(const DeadLetterOptions& options, bool* any_damaged,
                                  const std::function<bool(const spool::InspectedEntry&)>& visit) {
  auto& files = spool::FileSystem::posix();
  const auto say = [&](const std::string& what) {
    if (any_damaged == nullptr) return;
    report_error(what + "; it cannot be replayed, and the others can");
    *any_damaged = true;
  };
  const auto log = spool::inspect_dead_letters(files, options.directory, {.unreadable = say});
  if (!log) return failure(log.error());
  const auto visit_wanted = [&](const spool::InspectedEntry& entry) {
    if (entry.final || !options.which.matches(entry.stored->stream, entry.stored->reason)) {
      return true;
    }
    return visit(entry);
  };
  return spool::visit_entries(files, *log, visit_wanted, say);
}

Result<Piles, Error> count(const DeadLetterOptions& options, bool* any_damaged) {
  Piles piles;
  const auto visited = visit_letters(options, any_damaged, [&](const spool::InspectedEntry& entry) {
    Pile& pile = piles[{entry.stored->stream, entry.stored->reason}];
    ++pile.letters;
    pile.events += entry.batch.event_count;
    pile.bytes += entry.batch.entries_size;
    pile.oldest_ns = std::min(pile.oldest_ns, entry.batch.received_ns);
    return true;
  });
  if (!visited) return failure(visited.error());
  return piles;
}

int print_json(const DeadLetterOptions& options, const Piles& piles) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const auto& [key, pile] : piles) {
    list.push_back({{"stream", key.first},
                    {"reason", key.second},
                    {"letters", pile.letters},
                    {"events", pile.events},
                    {"bytes", pile.bytes},
                    {"oldest", rfc3339_of(pile.oldest_ns)}});
  }
  const nlohmann::ordered_json document{{"directory", options.directory},
                                        {"dead_letters", std::move(list)}};
  // A path may be any bytes.
  return print_document(document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

int list(const DeadLetterOptions& options) {
  bool any_damaged = false;
  const auto piles = count(options, &any_damaged);
  if (!piles) return report(piles.error());
  if (options.format == OutputFormat::json) {
    const int printed = print_json(options, *piles);
    return any_damaged ? kFailed : printed;
  }
  std::printf("%-24s %-16s %12s %12s %14s  %s\n", "STREAM", "REASON", "DEAD LETTERS", "EVENTS",
              "BYTES", "OLDEST");
  for (const auto& [key, pile] : *piles) {
    std::printf("%-24s %-16s %12llu %12llu %14llu  %s\n",
                key.first.empty() ? "-" : key.first.c_str(), key.second.c_str(),
                static_cast<unsigned long long>(pile.letters),
                static_cast<unsigned long long>(pile.events),
                static_cast<unsigned long long>(pile.bytes), rfc3339_of(pile.oldest_ns).c_str());
  }
  return any_damaged ? kFailed : kDone;
}

int dump(const DeadLetterOptions& options) {
  EventLines lines(options.max);
  bool any_damaged = false;
  const auto visited =
      visit_letters(options, &any_damaged, [&](const spool::InspectedEntry& entry) {
        const std::string before =
            "{" + json_field("reason", entry.stored->reason) +
            json_field("detail", entry.stored->detail) +
            json_field("stream", entry.stored->stream) + json_field("tag", entry.batch.tag) +
            json_field("source", entry.batch.source) +
            json_field("received", rfc3339_of(entry.batch.received_ns)) + "\"event\":";
        lines.print(entry.batch, before);
        return lines.wants_more();
      });
  if (!visited) return report(visited.error());
  const int printed = lines.finish();
  return any_damaged ? kFailed : printed;
}

Pile sum_of(const Piles& piles) {
  Pile sum;
  for (const auto& [key, pile] : piles) {
    sum.letters += pile.letters;
    sum.events += pile.events;
  }
  return sum;
}

// The file of the request goes when the last of them is delivered; that may be when penstock runs
// again. What has no route stays.
int wait_for(const std::string& request, const DeadLetterOptions& options, uint64_t events) {
  auto& files = spool::FileSystem::posix();
  Progress progress;
  for (;;) {
    const auto file = files.open(request, {});
    if (!file && file.error().code == ENOENT) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    progress.show([&] {
      const auto left = count(options, nullptr);
      return left ? admin::count_text(sum_of(*left).events) + " of " + admin::count_text(events) +
                        " events left to replay"
                  : std::string("waiting for penstock to replay them");
    });
  }
  const auto left = count(options, nullptr);
  if (!left) return report(left.error());
  const uint64_t remaining = sum_of(*left).events;
  std::printf("%s replayed, %s left%s\n",
              admin::counted(events - std::min(events, remaining), "event").c_str(),
              admin::count_text(remaining).c_str(),
              remaining > 0 ? " (they have no route, or became dead letters again)" : "");
  return kDone;
}

int replay(const DeadLetterOptions& options) {
  auto& files = spool::FileSystem::posix();
  bool any_damaged = false;
  const auto piles = count(options, &any_damaged);
  if (!piles) return report(piles.error());
  const auto [letters, events, bytes, oldest_ns] = sum_of(*piles);
  if (letters == 0 && !options.which.takes_all()) {
    report_error("no dead letter is of that reason and stream; 'penstock dead-letter ls " +
                 options.directory + "' shows which there are");
    return kFailed;
  }
  const std::string directory = spool::dead_letter_directory_in(files, options.directory);
  const auto path = spool::write_replay_request(files, directory, options.which);
  if (!path) {
    report_error("cannot ask for a replay in " + directory + ": " + path.error().text() +
                 "; run this as the user that penstock runs as");
    return kFailed;
  }
  std::printf("%s with %s to be replayed\n", admin::counted(letters, "dead letter").c_str(),
              admin::counted(events, "event").c_str());
  std::fflush(stdout);
  const int waited = options.wait ? wait_for(*path, options, events) : kDone;
  return any_damaged ? kFailed : waited;
}

CLI::App* add(CLI::App& to, const char* name, const char* help,
              const std::shared_ptr<DeadLetterOptions>& options, int& exit_code,
              int (*act)(const DeadLetterOptions&)) {
  CLI::App* const command = to.add_subcommand(name, help);
  command
      ->add_option("DIR", options->directory,
                   "The spool's directory (spool.directory), or that of the dead letters")
      ->required();
  command->add_option("--reason", options->which.reason, "Only those with this reason")
      ->type_name("R");
  command->add_option("--stream", options->which.stream, "Only those of this stream")
      ->type_name("NAME");
  command->callback([options, act, &exit_code] { exit_code = act(*options); });
  return command;
}

}  // namespace

void register_dead_letter(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<DeadLetterOptions>();
  CLI::App* const command =
      app.add_subcommand("dead-letter", "Inspect and replay dead letters: ls, dump, replay");
  command->require_subcommand(1);
  command->footer(
      "Examples:\n"
      "  penstock dead-letter ls /var/lib/penstock\n"
      "  penstock dead-letter dump /var/lib/penstock --stream projects --max 10\n"
      "  penstock dead-letter replay /var/lib/penstock --reason refused --wait");
  CLI::App* const listing =
      add(*command, "ls", "Count dead letters by stream and reason", options, exit_code, list);
  add_format_option(*listing, options->format);
  CLI::App* const dumping =
      add(*command, "dump", "Print each event as JSON, with its reason, stream, source and tag",
          options, exit_code, dump);
  dumping->add_option("--max", options->max, "Stop after N events")
      ->type_name("N")
      ->check(wrong_with_count);
  CLI::App* const replaying =
      add(*command, "replay",
          "Return dead letters to delivery, by the running penstock or the next one", options,
          exit_code, replay);
  replaying->add_flag("--wait", options->wait, "Return when all of them are delivered");
}

}  // namespace penstock::cli
