#include "delivery/entry_window.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace penstock::delivery {

EntryWindow::Slot& EntryWindow::slot(uint64_t ticket) {
  CHECK(ticket >= first_ticket_ && ticket - first_ticket_ < slots_.size());
  Slot& slot = slots_[ticket - first_ticket_];
  CHECK(slot.outstanding > 0);
  return slot;
}

uint64_t EntryWindow::open(spool::StreamLog& log, spool::Entry entry) {
  CHECK(entry.overflowed.size() < entry.batch->event_count);
  const uint64_t ticket = first_ticket_ + slots_.size();
  if (entry.is_large) {
    CHECK(!large_);
    large_ = ticket;
  } else if (large_ && is_of(*large_, log)) {
    slot(*large_).has_later = true;
  }
  Slot& opened = slots_.emplace_back();
  opened.log = &log;
  opened.outstanding = entry.batch->event_count - static_cast<uint32_t>(entry.overflowed.size());
  opened.bytes = entry.batch->entries_size;
  opened.entry = std::move(entry);
  events_ += opened.outstanding;
  bytes_[&log] += opened.bytes;
  return ticket;
}

void EntryWindow::finish(uint64_t ticket, uint32_t count) {
  Slot& done = slot(ticket);
  CHECK(done.outstanding >= count);
  events_ -= count;
  done.outstanding -= count;
  if (done.outstanding > 0) return;
  CHECK(done.splits == 0);
  const spool::Position position = done.entry.position;
  spool::StreamLog* const log = done.log;
  close(done);
  log->release(position);
}

void EntryWindow::let_go(uint64_t ticket) {
  CHECK(large_ == ticket);
  slot(ticket).entry.batch.reset();
}

void EntryWindow::restore(uint64_t ticket, std::shared_ptr<const record::Batch> batch) {
  CHECK(is_let_go(ticket) && batch->event_count >= slot(ticket).outstanding);
  slot(ticket).entry.batch = std::move(batch);
}

void EntryWindow::give_back(uint64_t ticket) {
  CHECK(!is_pinned(ticket));
  const spool::Position position = entry(ticket).position;
  spool::StreamLog& log = log_of(ticket);
  forget(ticket);
  log.unread(position);
}

void EntryWindow::forget_lost(uint64_t ticket) {
  CHECK(is_let_go(ticket));
  forget(ticket);
}

// Nothing that was made of the entry counts.
void EntryWindow::forget(uint64_t ticket) {
  Slot& given = slot(ticket);
  std::erase_if(splits_, [ticket](const auto& split) { return split.second.ticket == ticket; });
  given_back_.insert(ticket);
  events_ -= given.outstanding;
  given.outstanding = 0;
  close(given);
}

bool EntryWindow::is_abandoned(const RecordMetadata& meta) const {
  if (meta.split != 0) return !is_split_alive(meta.split);
  return meta.more.empty() && is_given_back(meta.span.ticket);
}

void EntryWindow::close(Slot& slot) {
  if (slot.entry.is_large) large_.reset();
  const auto bytes = bytes_.find(slot.log);
  bytes->second -= slot.bytes;
  if (bytes->second == 0) bytes_.erase(bytes);
  slot.entry = {};
  while (!slots_.empty() && slots_.front().outstanding == 0) {
    slots_.pop_front();
    ++first_ticket_;
  }
}

size_t EntryWindow::bytes(const spool::StreamLog& log) const {
  const auto found = bytes_.find(&log);
  return found == bytes_.end() ? 0 : found->second;
}

size_t EntryWindow::entries(const spool::StreamLog& log) const {
  return static_cast<size_t>(std::count_if(slots_.begin(), slots_.end(), [&log](const Slot& open) {
    return open.log == &log && open.outstanding > 0;
  }));
}

uint64_t EntryWindow::begin_split(uint64_t ticket, uint32_t parts) {
  CHECK(parts > 0);
  ++slot(ticket).splits;
  splits_[++last_split_] = {ticket, parts};
  return last_split_;
}

void EntryWindow::forget_split(std::unordered_map<uint64_t, Split>::iterator split) {
  Slot& owner = slot(split->second.ticket);
  CHECK(owner.splits > 0);
  --owner.splits;
  splits_.erase(split);
}

bool EntryWindow::part_accepted(uint64_t split) {
  const auto found = splits_.find(split);
  if (found == splits_.end()) return false;  // abandoned
  if (--found->second.parts_left > 0) return false;
  forget_split(found);
  return true;
}

bool EntryWindow::abandon_split(uint64_t split) {
  const auto found = splits_.find(split);
  if (found == splits_.end()) return false;
  forget_split(found);
  return true;
}

}  // namespace penstock::delivery
