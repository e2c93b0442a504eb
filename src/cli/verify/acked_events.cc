#include "cli/verify/acked_events.h"

#include <simdjson.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "cli/send/event_sources.h"
#include "cli/send/sample_record.h"

namespace penstock::cli {
namespace {

// "5f0c1e7ab2d4-17" is event 17 of run 5f0c1e7ab2d4; an id that is a hash names no run.
std::string_view run_of(std::string_view id) {
  const size_t dash = id.rfind('-');
  return dash == std::string_view::npos ? std::string_view() : id.substr(0, dash);
}

int64_t percentile(const std::vector<int64_t>& sorted, double share) {
  const auto index = static_cast<size_t>(share * static_cast<double>(sorted.size() - 1) + 0.5);
  return sorted[index];
}

}  // namespace

std::string id_of_stored(ByteView event) {
  static thread_local simdjson::dom::parser parser;
  simdjson::dom::element record;
  std::string_view id;
  if (parser.parse(reinterpret_cast<const char*>(event.data()), event.size()).get(record) ==
          simdjson::SUCCESS &&
      record[kIdField].get(id) == simdjson::SUCCESS) {
    return std::string(id);
  }
  return id_of_record(event);
}

uint32_t AckedEvents::tag_number(std::string_view tag) {
  const auto known = tag_numbers_.find(tag);
  if (known != tag_numbers_.end()) return known->second;
  tags_.emplace_back(tag);
  const auto number = static_cast<uint32_t>(tags_.size() - 1);
  tag_numbers_.emplace(tag, number);
  return number;
}

bool AckedEvents::add_line(std::string_view line) {
  static thread_local simdjson::dom::parser parser;
  simdjson::dom::element entry;
  std::string_view id, tag;
  uint64_t sequence = 0;
  int64_t sent_ns = 0, acked_ns = 0;
  if (parser.parse(line.data(), line.size()).get(entry) != simdjson::SUCCESS ||
      entry["id"].get(id) != simdjson::SUCCESS || entry["tag"].get(tag) != simdjson::SUCCESS ||
      entry["seq"].get(sequence) != simdjson::SUCCESS ||
      entry["sent_ns"].get(sent_ns) != simdjson::SUCCESS ||
      entry["acked_ns"].get(acked_ns) != simdjson::SUCCESS) {
    return false;
  }
  Event& event = events_[std::string(id)];
  if (event.acked++ == 0) {
    event.tag = tag_number(tag);
    event.sequence = sequence;
    event.sent_ns = sent_ns;
    event.acked_ns = acked_ns;
  }
  return true;
}

Result<void, Error> AckedEvents::add_lines(std::string_view text, const std::string& name) {
  for (uint64_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};  // torn
    if (end > 0 && !add_line(text.substr(0, end))) {
      return run_error(name + ", line " + std::to_string(number) +
                       ": not an entry of a ledger that penstock send has written");
    }
    text.remove_prefix(end + 1);
  }
  return {};
}

Result<void, Error> AckedEvents::load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return usage_error("cannot open ledger " + path + ": " + std::strerror(errno));
  std::ostringstream text;
  text << file.rdbuf();
  return add_lines(text.str(), path);
}

void AckedEvents::found(std::string_view id, std::string_view place, int64_t arrival_ms) {
  const auto known = events_.find(std::string(id));
  if (known == events_.end()) {
    ++foreign_;
    return;
  }
  Event& event = known->second;
  const bool is_first = event.found++ == 0;
  if (!is_first) return;
  if (arrival_ms > 0) latencies_ms_.push_back(arrival_ms - event.sent_ns / 1'000'000);
  const std::string_view run = run_of(id);
  if (run.empty()) return;
  std::string line(place);
  line.append("\n").append(run).append("\n").append(std::to_string(event.tag));
  const auto [last, is_new] = latest_.try_emplace(std::move(line), event.sequence);
  if (is_new) return;
  if (event.sequence < last->second) ++disordered_;
  last->second = std::max(last->second, event.sequence);
}

AckedEvents::Report AckedEvents::report(size_t gaps_max) const {
  Report report;
  report.foreign = foreign_;
  report.disordered = disordered_;
  for (const auto& [id, event] : events_) {
    report.acked += event.acked;
    report.found += std::min(event.acked, event.found);
    if (event.found > event.acked) report.repeated += event.found - event.acked;
    if (event.found < event.acked) {
      const uint64_t missing = event.acked - event.found;
      report.missing += missing;
      report.gaps.push_back({id, tags_[event.tag], event.sequence, event.acked_ns, missing});
    }
  }
  std::sort(report.gaps.begin(), report.gaps.end(), [](const Gap& a, const Gap& b) {
    return std::pair(a.acked_ns, a.sequence) < std::pair(b.acked_ns, b.sequence);
  });
  if (report.gaps.size() > gaps_max) report.gaps.resize(gaps_max);
  report.measured = latencies_ms_.size();
  if (!latencies_ms_.empty()) {
    std::vector<int64_t> sorted = latencies_ms_;
    std::sort(sorted.begin(), sorted.end());
    report.latency_ms_p50 = percentile(sorted, 0.50);
    report.latency_ms_p99 = percentile(sorted, 0.99);
    report.latency_ms_max = sorted.back();
  }
  return report;
}

}  // namespace penstock::cli
