#include "delivery/event_splitter.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace penstock::delivery {

size_t paid_beside(const record::Batch& batch) {
  const size_t own = batch.storage.capacity();
  return batch.lease.bytes() > own ? batch.lease.bytes() - own : 0;
}

size_t text_bytes_max(const record::Batch& batch, const memory::MemoryBudget& memory) {
  return paid_beside(batch) + std::max(MemoryShare::most_of(memory), kTextOfAnyBudget);
}

namespace {

// A text of more than this, and more than the batch's lease pays for, is made again for each
// request.
constexpr size_t kTextKept = 4_MiB;

}  // namespace

void EventSplitter::begin(const EventSpan& event, std::string_view partition_key) {
  CHECK(!is_active_);
  is_active_ = true;
  is_rejected_ = false;
  event_ = event;
  partition_key_ = partition_key;
  split_ = 0;
  next_ = 0;
  text_bytes_ = 0;
  has_made_part_ = true;  // there is time for the first
}

void EventSplitter::end() {
  CHECK(is_active_);
  is_active_ = false;
  plan_.reset();
  json_.release();
  memory_.release();
}

// The event is larger than data_bytes_max: how much larger turns out when there is room for it.
// With nothing held when there is none: others may wait for the same.
EventSplitter::Ready EventSplitter::make_text(Packer& packer, const Event& event,
                                              size_t data_bytes_max) {
  paid_ = paid_beside(event.batch);
  const size_t most = text_bytes_max(event.batch, memory_.budget());
  for (size_t size_max = std::max({2 * data_bytes_max, 256_KiB, text_bytes_, paid_});;
       size_max *= 2) {
    size_max = std::min(size_max, most);
    json_.release();
    if (size_max > paid_ && !memory_.ensure_up_to_most(size_max - paid_)) {
      memory_.release();
      return Ready::no_memory;
    }
    if (packer.append_bare(json_, event, size_max)) {
      text_bytes_ = json_.size();
      return Ready::part;
    }
    if (size_max == most) return Ready::text_too_large;
  }
}

EventSplitter::Ready EventSplitter::prepare(Packer& packer, const Event& event,
                                            size_t data_bytes_max) {
  CHECK(is_for(event.span) && !is_rejected_);
  const bool is_begun = split_ != 0 && window_.is_split_alive(split_);
  const bool is_valid = is_begun && data_bytes_max >= data_bytes_max_;
  if (is_valid && plan_) return Ready::part;
  const Ready made = make_text(packer, event, data_bytes_max);
  if (made == Ready::no_memory) return made;
  if (made == Ready::text_too_large) {
    restart();
    end();
    return made;
  }
  if (!is_valid) {
    if (is_begun) window_.abandon_split(split_);
    data_bytes_max_ = data_bytes_max;
    split_ = 0;
    next_ = 0;
  }
  plan_ = packer.plan_parts(json_.view(), event, data_bytes_max_);
  if (!plan_) {
    CHECK(!is_valid);  // it could be planned before
    end();
    return Ready::too_large;
  }
  if (split_ == 0) split_ = window_.begin_split(event_.ticket, plan_->part_count());
  CHECK(next_ < plan_->part_count());
  return Ready::part;
}

bool EventSplitter::part_made() {
  has_made_part_ = true;
  if (++next_ < plan_->part_count()) return false;
  end();
  return true;
}

void EventSplitter::reject() { is_rejected_ = true; }

bool EventSplitter::take_rejected() {
  if (!is_rejected_) return false;
  end();
  return true;
}

void EventSplitter::restart() {
  if (!is_active_) return;
  if (split_ != 0) window_.abandon_split(split_);
  split_ = 0;
  plan_.reset();
}

void EventSplitter::cancel() {
  restart();
  if (is_active_) end();
}

void EventSplitter::rest() {
  const bool goes_on = std::exchange(has_made_part_, false) && json_.capacity() <= kTextKept;
  if (goes_on || json_.size() <= paid_) return;
  plan_.reset();
  json_.release();
  memory_.release();
}

// ---- all of them

EventSplitter* EventSplitters::find(const EventSpan& event) {
  const auto found = std::find_if(splitters_.begin(), splitters_.end(),
                                  [&](const EventSplitter& each) { return each.is_for(event); });
  return found == splitters_.end() ? nullptr : &*found;
}

EventSplitter& EventSplitters::begin(const EventSpan& event, std::string_view partition_key) {
  CHECK(!is_for(event));
  const auto free = std::find_if(splitters_.begin(), splitters_.end(),
                                 [](const EventSplitter& each) { return !each.is_active(); });
  CHECK(free != splitters_.end());  // what is cut is at the cursor of a source
  free->begin(event, partition_key);
  return *free;
}

void EventSplitters::reject(const EventSpan& event) {
  if (EventSplitter* const splitter = find(event)) splitter->reject();
}

bool EventSplitters::take_rejected(const EventSpan& event) {
  EventSplitter* const splitter = find(event);
  return splitter != nullptr && splitter->take_rejected();
}

void EventSplitters::cancel(const EventSpan& event) {
  if (EventSplitter* const splitter = find(event)) splitter->cancel();
}

void EventSplitters::cancel_all_of(uint64_t ticket) {
  for (EventSplitter& splitter : splitters_) {
    if (splitter.is_of(ticket)) splitter.cancel();
  }
}

void EventSplitters::restart_all() {
  for (EventSplitter& splitter : splitters_) splitter.restart();
}

void EventSplitters::rest() {
  for (EventSplitter& splitter : splitters_) splitter.rest();
}

}  // namespace penstock::delivery
