#include "cli/verify/verify_result.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/subcommands.h"

namespace penstock::cli {
namespace {

using nlohmann::ordered_json;

void print_line(const char* name, uint64_t value, const std::string& meaning) {
  std::printf("%-10s %10llu  %s\n", name, static_cast<unsigned long long>(value), meaning.c_str());
}

void print_differences(const char* name, const char* count_name,
                       const std::vector<AckedEvents::Difference>& list) {
  for (const AckedEvents::Difference& difference : list) {
    std::printf("%s: id=%s seq=%llu tag=%s acked_ns=%lld %s=%llu\n", name, difference.id.c_str(),
                static_cast<unsigned long long>(difference.sequence), difference.tag.c_str(),
                static_cast<long long>(difference.acked_ns), count_name,
                static_cast<unsigned long long>(difference.count));
  }
}

ordered_json json_of(const std::vector<AckedEvents::Difference>& list) {
  ordered_json array = ordered_json::array();
  for (const AckedEvents::Difference& difference : list) {
    array.push_back({{"id", difference.id},
                     {"seq", difference.sequence},
                     {"tag", difference.tag},
                     {"acked_ns", difference.acked_ns},
                     {"count", difference.count}});
  }
  return array;
}

}  // namespace

bool VerifyResult::is_good() const {
  return counts.missing == 0 && dropped_by_kcl == 0 &&
         std::all_of(sources.begin(), sources.end(),
                     [](const Source& source) { return source.damaged == 0; });
}

int print_text(const VerifyResult& result) {
  const bool is_archive = !result.sources.empty() && result.sources[0].kind == "archive";
  for (const VerifyResult::Source& source : result.sources) {
    print_line("read", source.events, "events in " + source.kind + " " + source.name);
    if (source.kind != "archive") continue;
    print_line("objects", source.objects, "read there");
    if (source.damaged > 0) print_line("damaged", source.damaged, "of them: named above");
  }
  const AckedEvents::Report& counts = result.counts;
  print_line("acked", counts.acked, "events in the ledger");
  print_line("found", counts.found,
             is_archive ? "of them, in the archive" : "of them, in the streams");
  print_line("gaps", counts.missing, "acked and not found");
  print_line("repeats", counts.repeated, "found more often than acked");
  if (result.passes > 1) {
    std::printf("%-10s %10s  not measured: the ledger needs %u passes; raise --memory\n",
                "disorder", "-", result.passes);
  } else {
    print_line("disorder", counts.disordered,
               is_archive ? "behind a later event of their run and tag in an object"
                          : "behind a later event of their run and tag in a shard");
  }
  print_line("foreign", counts.foreign,
             is_archive ? "in the archive, and in no ledger" : "in the streams, and in no ledger");
  if (result.dropped_by_kcl > 0) {
    print_line("dropped", result.dropped_by_kcl,
               "dropped by KCL consumers: their hash keys lie outside their shard");
  }
  if (counts.measured > 0) {
    std::printf("latency    p50 %lld ms, p99 %lld ms, max %lld ms from sent to arrival\n",
                static_cast<long long>(counts.latency_ms_p50),
                static_cast<long long>(counts.latency_ms_p99),
                static_cast<long long>(counts.latency_ms_max));
  }
  print_differences("gap", "missing", result.differences.gaps);
  print_differences("repeat", "more", result.differences.repeats);
  return std::fflush(stdout) == 0 ? kDone : kFailed;
}

std::string json_text(const VerifyResult& result) {
  const AckedEvents::Report& counts = result.counts;
  ordered_json document;
  document["good"] = result.is_good();
  document["read"] = ordered_json::array();
  for (const VerifyResult::Source& source : result.sources) {
    ordered_json read = {{source.kind, source.name}, {"events", source.events}};
    if (source.kind == "archive") {
      read["objects"] = source.objects;
      read["damaged"] = source.damaged;
    }
    document["read"].push_back(std::move(read));
  }
  document["acked"] = counts.acked;
  document["found"] = counts.found;
  document["gaps"] = counts.missing;
  document["repeats"] = counts.repeated;
  document["disorder"] = result.passes > 1 ? ordered_json() : ordered_json(counts.disordered);
  document["foreign"] = counts.foreign;
  document["dropped_by_kcl"] = result.dropped_by_kcl;
  document["latency_ms"] = nullptr;
  if (counts.measured > 0) {
    document["latency_ms"] = {{"p50", counts.latency_ms_p50},
                              {"p99", counts.latency_ms_p99},
                              {"max", counts.latency_ms_max}};
  }
  document["missing"] = json_of(result.differences.gaps);
  document["repeated"] = json_of(result.differences.repeats);
  // Ids and tags may be any bytes.
  return document.dump(2, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace penstock::cli
