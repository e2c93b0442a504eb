#include "delivery/entry_sources.h"

#include <utility>

#include "base/check.h"

namespace penstock::delivery {
namespace {

// Entries of overflow logs that are opened before one of the main log: so what was deferred comes
// nearer though the main log goes on.
constexpr uint32_t kOverflowInRow = 4;
// Of entries of one overflow log that are read and not final.
constexpr size_t kOverflowWindow = 1_MiB;

}  // namespace

EventCursor& EntrySources::cursor(size_t source) {
  return source == kMain ? main_cursor_ : overflow_.cursor(source);
}

void EntrySources::begin_pass() {
  blocked_.reset();
  if (passing_ && window_.large() != passing_->ticket) pass_large();
}

void EntrySources::passed(size_t source, uint64_t ticket) {
  if (source == kMain) return;
  if (window_.large() == ticket) {
    passing_ = Passing{source, ticket, overflow_.passage(source)};
  } else {
    overflow_.passed(source, overflow_.passage(source));
  }
}

void EntrySources::pass_large() {
  overflow_.passed(passing_->source, passing_->entry);
  passing_.reset();
}

std::optional<size_t> EntrySources::next(const Limits& limits) {
  if (!blocked_.test(source_) && cursor(source_).is_open()) return source_;
  const bool is_main_first = limits.wants_others || overflow_in_row_ >= kOverflowInRow;
  if (!is_main_first && open_overflow(limits)) return source_;
  if (choose_main(limits) || (is_main_first && open_overflow(limits))) return source_;
  return std::nullopt;
}

bool EntrySources::choose_main(const Limits& limits) {
  if (blocked_.test(kMain) || !(main_cursor_.is_open() || open_main(limits))) return false;
  source_ = kMain;
  overflow_in_row_ = 0;
  return true;
}

bool EntrySources::open_overflow(const Limits& limits) {
  // The large one that shows more is waited for.
  const bool may_be_large =
      may_read_large(limits) && !(limits.wants_others && main_.next_is_large());
  for (size_t log = 0; log < overflow_.logs(); ++log) {
    if (blocked_.test(log)) continue;
    // What is read after a large entry pins it; the main log may need its place.
    const bool is_after_large = passing_ && passing_->source == log;
    if (is_after_large && !limits.wants_others) continue;
    const spool::StreamLog& next = overflow_.log(log);
    const size_t bytes = bytes_max(next, kOverflowWindow, limits);
    const bool may_this = may_be_large && !window_.large() && &next != limits.barred;
    if (!overflow_.open_next(log, bytes, may_this)) continue;
    if (is_after_large) pass_large();
    if (!overflow_.has_turn(log)) continue;
    source_ = log;
    ++overflow_in_row_;
    return true;
  }
  return false;
}

bool EntrySources::open_main(const Limits& limits) {
  if (is_main_full(bytes_max(main_, limits.window_bytes_max, limits))) return false;
  if (main_.next_is_large() && !may_read_large(limits)) return false;
  std::optional<spool::Entry> entry = main_.read();
  if (!entry) return false;
  const uint64_t ticket = window_.open(main_, std::move(*entry));
  main_cursor_.begin(ticket, window_.entry(ticket));
  return true;
}

// All of the window may be suspects: their retest takes a record from beyond. A log in memory has
// all of its entries there in any case.
size_t EntrySources::bytes_max(const spool::StreamLog& log, size_t usual,
                               const Limits& limits) const {
  if (!limits.wants_others) return usual;
  return window_.entries(log) <= 1 || overflow_.logs() == 0 ? ~size_t{0} : 2 * usual;
}

void EntrySources::allow_one_more() {
  main_.allow_one_more();
  for (size_t log = 0; log < overflow_.logs(); ++log) overflow_.log(log).allow_one_more();
}

void EntrySources::leave(uint64_t ticket) {
  if (passing_ && passing_->ticket == ticket) passing_.reset();
  if (EventCursor* const events = cursor_at(ticket)) events->close();
}

bool EntrySources::is_at(uint64_t ticket) {
  const EventCursor* const events = cursor_at(ticket);
  return events != nullptr && events->has_event();
}

void EntrySources::skip_if(const std::function<bool(const EventSpan&)>& went) {
  for (size_t source = 0; source <= kMain; ++source) {
    if (source != kMain && source >= overflow_.logs()) continue;
    EventCursor& events = cursor(source);
    if (events.has_event() && went(events.event()->span)) events.skip();
  }
}

EventCursor* EntrySources::cursor_at(uint64_t ticket) {
  for (size_t source = 0; source <= kMain; ++source) {
    if (source != kMain && source >= overflow_.logs()) continue;
    EventCursor& events = cursor(source);
    if (events.is_open() && events.ticket() == ticket) return &events;
  }
  return nullptr;
}

}  // namespace penstock::delivery
