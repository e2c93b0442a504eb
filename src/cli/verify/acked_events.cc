#include "cli/verify/acked_events.h"

#include <simdjson.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>

#include "cli/send/event_sources.h"
#include "cli/send/sample_record.h"
#include "kinesis_format/u128.h"

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

// Of `count` equal parts of all numbers of 64 bits, the one that holds this number.
uint64_t part_of(uint64_t number, uint64_t count) {
  return static_cast<uint64_t>((kinesis_format::Uint128{number} * count) >> 64);
}

struct LedgerLine {
  std::string_view id, tag;
  uint64_t sequence = 0;
  int64_t sent_ns = 0, acked_ns = 0;
};

bool parse_line(simdjson::dom::parser& parser, const std::string& text, LedgerLine& line) {
  simdjson::dom::element entry;
  return parser.parse(text.data(), text.size()).get(entry) == simdjson::SUCCESS &&
         entry["id"].get(line.id) == simdjson::SUCCESS &&
         entry["tag"].get(line.tag) == simdjson::SUCCESS &&
         entry["seq"].get(line.sequence) == simdjson::SUCCESS &&
         entry["sent_ns"].get(line.sent_ns) == simdjson::SUCCESS &&
         entry["acked_ns"].get(line.acked_ns) == simdjson::SUCCESS;
}

Result<void, Error> for_each_line(std::istream& ledger, const std::string& name,
                                  const std::function<void(const LedgerLine&)>& visit) {
  simdjson::dom::parser parser;
  std::string text;
  for (uint64_t number = 1; std::getline(ledger, text); ++number) {
    if (ledger.eof()) return {};  // torn
    LedgerLine line;
    if (text.empty()) continue;
    if (!parse_line(parser, text, line)) {
      return run_error(name + ", line " + std::to_string(number) +
                       ": not an entry of a ledger that penstock send has written");
    }
    visit(line);
  }
  return {};
}

Result<std::ifstream, Error> open_ledger(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return usage_error("cannot open ledger " + path + ": " + std::strerror(errno));
  return file;
}

// Keeps the earliest acks.
void keep_first(std::vector<AckedEvents::Difference>& differences, size_t most) {
  std::sort(differences.begin(), differences.end(),
            [](const AckedEvents::Difference& a, const AckedEvents::Difference& b) {
              return std::pair(a.acked_ns, a.sequence) < std::pair(b.acked_ns, b.sequence);
            });
  if (differences.size() > most) differences.resize(most);
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

Result<uint64_t, Error> count_acked(const std::vector<std::string>& ledgers) {
  uint64_t count = 0;
  std::vector<char> piece(256_KiB);
  for (const std::string& path : ledgers) {
    auto file = open_ledger(path);
    if (!file) return failure(file.error());
    while (file->read(piece.data(), static_cast<std::streamsize>(piece.size())),
           file->gcount() > 0) {
      count += static_cast<uint64_t>(std::count(piece.data(), piece.data() + file->gcount(), '\n'));
    }
  }
  return count;
}

AckedEvents::AckedEvents(Slice slice) : slice_(slice) {}

uint64_t AckedEvents::memory_bytes(uint64_t events) {
  return (events + events / 3 + 16) * sizeof(Entry);
}

void AckedEvents::reserve(uint64_t events) { grow(events + events / 3 + 16); }

bool AckedEvents::is_ours(const Hash128& id) const {
  return part_of(id.high, slice_.count) == slice_.index;
}

AckedEvents::Entry& AckedEvents::entry_of(const Hash128& id) {
  size_t place = part_of(id.low, entries_.size());
  while (entries_[place].acked > 0 && entries_[place].id != id) {
    place = place + 1 == entries_.size() ? 0 : place + 1;
  }
  return entries_[place];
}

void AckedEvents::grow(uint64_t places) {
  if (places <= entries_.size()) return;
  std::vector<Entry> old(places);
  old.swap(entries_);
  for (const Entry& entry : old) {
    if (entry.acked > 0) entry_of(entry.id) = entry;
  }
}

uint32_t AckedEvents::tag_number(std::string_view tag) {
  const auto known = tag_numbers_.find(tag);
  if (known != tag_numbers_.end()) return known->second;
  const auto number = static_cast<uint32_t>(tag_numbers_.size());
  tag_numbers_.emplace(tag, number);
  return number;
}

Result<void, Error> AckedEvents::load(const std::string& path) {
  auto file = open_ledger(path);
  if (!file) return failure(file.error());
  return load(*file, path);
}

Result<void, Error> AckedEvents::load(std::istream& ledger, const std::string& name) {
  return for_each_line(ledger, name, [this](const LedgerLine& line) {
    const Hash128 id = hash128(as_bytes(line.id));
    if (!is_ours(id)) return;
    if ((entry_count_ + 1) * 4 > entries_.size() * 3) grow(entries_.size() * 2 + 64);
    Entry& entry = entry_of(id);
    if (entry.acked++ > 0) return;
    ++entry_count_;
    entry.id = id;
    entry.sequence = line.sequence;
    entry.sent_ns = line.sent_ns;
    entry.tag = tag_number(line.tag);
  });
}

void AckedEvents::found(std::string_view id, std::string_view place, int64_t arrival_ms) {
  const Hash128 hash = hash128(as_bytes(id));
  if (!is_ours(hash)) return;
  Entry* const entry = entries_.empty() ? nullptr : &entry_of(hash);
  if (entry == nullptr || entry->acked == 0) {
    ++foreign_;
    return;
  }
  const bool is_first = entry->found++ == 0;
  if (!is_first) return;
  if (arrival_ms > 0) latencies_ms_.push_back(arrival_ms - entry->sent_ns / 1'000'000);
  const std::string_view run = run_of(id);
  if (run.empty()) return;
  std::string line(place);
  line.append("\n").append(run).append("\n").append(std::to_string(entry->tag));
  const auto [last, is_new] = latest_.try_emplace(std::move(line), entry->sequence);
  if (is_new) return;
  if (entry->sequence < last->second) ++disordered_;
  last->second = std::max(last->second, entry->sequence);
}

void AckedEvents::Report::add(const Report& other) {
  acked += other.acked;
  found += other.found;
  missing += other.missing;
  repeated += other.repeated;
  foreign += other.foreign;
  disordered += other.disordered;
}

AckedEvents::Report AckedEvents::report() const {
  Report report;
  report.foreign = foreign_;
  report.disordered = disordered_;
  for (const Entry& entry : entries_) {
    report.acked += entry.acked;
    report.found += std::min(entry.acked, entry.found);
    if (entry.found > entry.acked) report.repeated += entry.found - entry.acked;
    if (entry.found < entry.acked) report.missing += entry.acked - entry.found;
  }
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

Result<void, Error> AckedEvents::name_differences(const std::string& path, size_t most,
                                                  Differences& differences) {
  auto file = open_ledger(path);
  if (!file) return failure(file.error());
  return name_differences(*file, path, most, differences);
}

Result<void, Error> AckedEvents::name_differences(std::istream& ledger, const std::string& name,
                                                  size_t most, Differences& differences) {
  const auto result = for_each_line(ledger, name, [&](const LedgerLine& line) {
    const Hash128 id = hash128(as_bytes(line.id));
    if (!is_ours(id) || entries_.empty()) return;
    Entry& entry = entry_of(id);
    if (entry.acked == entry.found || entry.is_named || entry.acked == 0) return;
    entry.is_named = true;  // equal events have several lines
    const bool is_gap = entry.found < entry.acked;
    auto& list = is_gap ? differences.gaps : differences.repeats;
    list.push_back({std::string(line.id), std::string(line.tag), line.sequence, line.acked_ns,
                    is_gap ? entry.acked - entry.found : entry.found - entry.acked});
    if (list.size() > 2 * most + 64) keep_first(list, most);
  });
  keep_first(differences.gaps, most);
  keep_first(differences.repeats, most);
  return result;
}

}  // namespace penstock::cli
