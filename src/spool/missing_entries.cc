#include "spool/missing_entries.h"

#include <algorithm>

#include "spool/log_directory.h"

namespace penstock::spool {
namespace {

// How much more is expected than there is; 0 if there is more.
uint64_t beyond(uint64_t expected, uint64_t found) { return expected - std::min(expected, found); }

std::string file_name(uint64_t number) { return segment_path("", number).substr(1); }

}  // namespace

void MissingEntries::found(const SegmentHeader& header, Tally all, Tally pending) {
  found_ += all;
  found_pending_ += pending;
  const bool is_counted = (header.flags & kCountedSegment) != 0;
  const Tally before{header.entries_before, header.events_before};
  if (!stored_ && is_counted) {
    stored_ = before + all + uncounted_;
    newest_counted_ = header.number;
  }
  if (!stored_) uncounted_ += all;
  if (oldest_ == 0) {
    newest_ = header.number;
  } else if (header.number + 1 < oldest_) {
    const bool was_empty =
        is_counted && oldest_before_ && before.entries + all.entries >= oldest_before_->entries;
    if (!was_empty) gaps_.push_back({header.number + 1, oldest_ - 1});
  }
  oldest_ = header.number;
  oldest_before_ = is_counted ? std::optional(before) : std::nullopt;
}

bool MissingEntries::covers(uint64_t number) const {
  return totals_ && (number < newest_counted_ || (totals_->closed && number <= totals_->newest));
}

Tally MissingEntries::stored() const {
  Tally stored = found_;
  for (const Tally& said : {stored_.value_or(Tally{}), totals_.value_or(LogTotals{}).stored}) {
    stored.entries = std::max(stored.entries, said.entries);
    stored.events = std::max(stored.events, said.events);
  }
  return stored;
}

Tally MissingEntries::missing() const {
  if (!totals_) return {};
  Tally since;
  if (stored_) {
    since.entries = beyond(stored_->entries, totals_->stored.entries);
    since.events = beyond(stored_->events, totals_->stored.events);
  }
  const Tally expected = totals_->pending + since;
  const uint64_t entries = beyond(expected.entries, found_pending_.entries);
  if (entries == 0) return {};
  return {entries, std::max(entries, beyond(expected.events, found_pending_.events))};
}

std::string MissingEntries::missing_files(uint64_t first) const {
  std::vector<Gap> gaps(gaps_.rbegin(), gaps_.rend());
  if (oldest_ > 1) gaps.insert(gaps.begin(), {1, oldest_ - 1});
  if (totals_ && totals_->newest > newest_) gaps.push_back({newest_ + 1, totals_->newest});
  std::string names;
  for (const Gap& gap : gaps) {
    const uint64_t begin = std::max(gap.begin, first);
    if (begin > gap.end) continue;
    if (!names.empty()) names += ", ";
    names += file_name(begin);
    if (begin < gap.end) names += " to " + file_name(gap.end);
  }
  return names;
}

}  // namespace penstock::spool
