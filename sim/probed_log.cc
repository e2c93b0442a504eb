#include "probed_log.h"

#include <algorithm>
#include <array>

#include "trace.h"

namespace penstock::sim {

using spool::Entry;
using spool::OverflowEntry;
using spool::Position;
using namespace std::chrono_literals;

namespace {

// The spool writes what was released into a checkpoint about a second later, in its next turn.
constexpr auto kMarkedAfter = 2s;

std::string text_of(Position position) {
  return std::to_string(position.segment) + "/" + std::to_string(position.offset);
}

}  // namespace

const char* to_string(Fault fault) {
  constexpr std::array kNames = {"none",
                                 "ack before sync",
                                 "checkpoint before release",
                                 "release before answer",
                                 "answer misread",
                                 "accepted taken for failed",
                                 "entries swapped",
                                 "overflow entry skipped",
                                 "overflow appended twice",
                                 "overflow done before sync",
                                 "overflow out of order",
                                 "overflowed events forgotten",
                                 "occupied buckets forgotten",
                                 "dead letter lost"};
  return kNames[static_cast<size_t>(fault)];
}

void ReadJournal::read(const spool::StreamLog& log, Position position,
                       std::vector<uint32_t> numbers) {
  for (const uint32_t number : numbers) oracle_.read(number);
  open_[{&log, position}] = {std::move(numbers), {}};
}

void ReadJournal::unread(const spool::StreamLog& log, Position position) {
  const auto entry = open_.find({&log, position});
  for (const uint32_t number : entry->second.numbers) {
    oracle_.explain(DeliveryOracle::Cause::given_back, number);
  }
  open_.erase(entry);
}

void ReadJournal::released(const spool::StreamLog& log, Position position, SteadyTime now) {
  const auto entry = open_.find({&log, position});
  if (entry != open_.end()) entry->second.released = now;
}

void ReadJournal::turned(SteadyTime now, bool disk_works) {
  if (!disk_works) {
    works_since_ = now;
    return;
  }
  std::erase_if(open_, [this](const auto& entry) {
    const auto& released = entry.second.released;
    return released && std::max(*released, works_since_) + kMarkedAfter < last_turn_;
  });
  last_turn_ = now;
}

std::vector<uint32_t> ReadJournal::open() const {
  std::set<uint32_t> numbers;
  for (const auto& [where, open] : open_) numbers.insert(open.numbers.begin(), open.numbers.end());
  return {numbers.begin(), numbers.end()};
}

void ReadJournal::crash() {
  open_.clear();
  last_turn_ = {};
}

ProbedLog::ProbedLog(spool::StreamLog& real, ReadJournal& journal, const Clock& clock, Fault fault,
                     Reached& reached, std::optional<size_t> slot)
    : real_(real), journal_(journal), clock_(clock), fault_(fault), reached_(reached), slot_(slot) {
  if (slot) return;
  for (size_t number = 0; number < spool::kOverflowLogs; ++number) {
    spool::StreamLog* const log = real_.overflow(number);
    if (log == nullptr) break;
    overflow_.push_back(
        std::make_unique<ProbedLog>(*log, journal_, clock_, fault_, reached_, number));
    if (real_.recovered_overflow(number).buckets.any()) ++reached_["recovered overflow log"];
  }
}

void ProbedLog::note(const Entry& entry) {
  const std::vector<uint32_t> all = numbers_in(as_text(entry.batch->entries()));
  std::vector<uint32_t> numbers;
  for (uint32_t i = 0; i < all.size(); ++i) {
    const auto& skipped = entry.overflowed;
    if (!std::binary_search(skipped.begin(), skipped.end(), i)) numbers.push_back(all[i]);
  }
  if (!entry.overflowed.empty()) ++reached_["an entry whose events are partly in an overflow log"];
  if (slot_) ++reached_["overflow entry read"];
  if (entry.is_large) ++reached_[slot_ ? "large overflow entry read" : "large entry read"];
  trace_numbers(name() + ": read " + text_of(entry.position), numbers);
  journal_.read(*this, entry.position, std::move(numbers));
}

std::optional<Entry> ProbedLog::read() {
  if (kept_back_) return std::exchange(kept_back_, std::nullopt);
  std::optional<Entry> entry = real_.read();
  if (!entry) return entry;
  ++reads_;
  note(*entry);
  if (fault_ == Fault::overflowed_forgotten) entry->overflowed.clear();
  if (fault_ == Fault::overflow_entry_skipped && slot_.has_value() && reads_ % 5 == 0) {
    real_.release(entry->position);
    return read();
  }
  if (fault_ == Fault::release_before_answer && !slot_) {
    real_.release(entry->position);
    released_early_.insert(entry->position);
  }
  if (fault_ == Fault::entries_swapped && !slot_ && reads_ % 7 == 0) {
    std::optional<Entry> next = real_.read();
    if (!next) return entry;
    note(*next);
    kept_back_ = std::move(entry);
    return next;
  }
  return entry;
}

void ProbedLog::release(Position position) {
  trace_numbers(name() + ": release " + text_of(position), {});
  journal_.released(*this, position, clock_.steady());
  if (released_early_.erase(position) > 0) return;
  real_.release(position);
}

void ProbedLog::unread(Position position) {
  ++reached_["a large entry is given back"];
  trace_numbers(name() + ": unread " + text_of(position), {});
  journal_.unread(*this, position);
  real_.unread(position);
}

spool::StreamLog::Reloaded ProbedLog::reload(Position position) {
  Reloaded reloaded = real_.reload(position);
  if (reloaded.batch == nullptr) return reloaded;
  ++reached_["a large entry that was let go is read again"];
  trace_numbers(name() + ": reload " + text_of(position),
                numbers_in(as_text(reloaded.batch->entries())));
  return reloaded;
}

void ProbedLog::allow_one_more() {
  ++reached_["one more entry is allowed"];
  real_.allow_one_more();
}

spool::StreamLog* ProbedLog::overflow(size_t number) {
  return number < overflow_.size() ? overflow_[number].get() : nullptr;
}

spool::StreamLog::RecoveredOverflow ProbedLog::recovered_overflow(size_t number) const {
  if (fault_ == Fault::occupied_buckets_forgotten) return {};
  return real_.recovered_overflow(number);
}

void ProbedLog::append_overflow(size_t number, OverflowEntry entry,
                                std::function<void(bool)> done) {
  ++reached_["overflow entry appended"];
  trace_numbers("append to overflow " + std::to_string(number),
                numbers_in(as_text(entry.batch.entries())));
  ++appends_;
  if (fault_ == Fault::overflow_appended_twice && appends_ % 5 == 0) {
    OverflowEntry copy;
    copy.batch.source = entry.batch.source;
    copy.batch.tag = entry.batch.tag;
    copy.batch.encoding = entry.batch.encoding;
    copy.batch.event_count = entry.batch.event_count;
    copy.batch.received_ns = entry.batch.received_ns;
    copy.batch.id = entry.batch.id;
    copy.batch.first_index = entry.batch.first_index;
    copy.batch.storage = ByteBuffer::copy_of(entry.batch.entries());
    copy.batch.entries_size = entry.batch.entries_size;
    copy.origin = entry.origin;
    copy.events = entry.events;
    copy.buckets = entry.buckets;
    real_.append_overflow(number, std::move(copy), [](bool) {});
  }
  if (fault_ == Fault::overflow_done_before_sync) {
    done(true);
    return real_.append_overflow(number, std::move(entry), [](bool) {});
  }
  if (fault_ == Fault::overflow_out_of_order && !append_kept_back_ && appends_ % 3 == 0) {
    append_kept_back_.emplace(std::move(entry), std::move(done));
    return;
  }
  real_.append_overflow(number, std::move(entry), std::move(done));
  if (append_kept_back_) {
    auto [late, late_done] = std::move(*append_kept_back_);
    append_kept_back_.reset();
    real_.append_overflow(number, std::move(late), std::move(late_done));
  }
}

void ProbedSpool::dead_letter(std::vector<spool::DeadLetter> letters,
                              std::function<void(bool)> done) {
  ++reached_["dead letter: " + letters.front().reason];
  for (const spool::DeadLetter& letter : letters) {
    for (const uint32_t number : numbers_in(as_text(letter.batch.entries()))) {
      oracle_.leave_order(number);
    }
  }
  if (fault_ == Fault::dead_letter_lost) {
    schedule_.after(1ms, [done = std::move(done)] { done(true); });
    return;
  }
  real_.dead_letter(std::move(letters), std::move(done));
}

}  // namespace penstock::sim
