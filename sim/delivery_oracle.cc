#include "delivery_oracle.h"

#include <algorithm>
#include <numeric>

#include "model.h"

namespace penstock::sim {

uint32_t DeliveryOracle::add(std::string key, std::string text) {
  Event& event = events_.emplace_back();
  event.key = std::move(key);
  event.text = std::move(text);
  return count() - 1;
}

void DeliveryOracle::explain(Cause cause, uint32_t number) {
  ++events_.at(number).causes[static_cast<size_t>(cause)];
}

void DeliveryOracle::fail(uint32_t number, const std::string& what) {
  if (!violation_) violation_ = "event " + std::to_string(number) + " " + what;
}

void DeliveryOracle::accept(uint32_t number, std::string_view text, bool is_readable) {
  if (number >= events_.size()) return fail(number, "was never sent");
  Event& event = events_[number];
  const bool is_shortened = text.find("\"penstock\":{\"truncated\"") != std::string_view::npos;
  if (!is_shortened && text != event.text) return fail(number, "was changed");
  ++copies_;
  event.is_readable |= is_readable;
  if (++event.copies > 1) {
    ++repeats_;
    return;
  }
  if (!event.place) return fail(number, "was accepted and never read");
  if (event.is_unordered || !event.period) return;
  uint64_t& last = last_[{*event.period, event.key}];
  if (*event.place < last) fail(number, "was accepted out of order");
  last = std::max(last, *event.place);
}

void DeliveryOracle::set_ordered(bool is_ordered, const std::vector<uint32_t>& open) {
  if (is_ordered == is_ordered_) return;
  is_ordered_ = is_ordered;
  ++period_;
  for (const uint32_t number : open) events_.at(number).is_unordered = true;
}

void DeliveryOracle::read(uint32_t number) {
  Event& event = events_.at(number);
  if (!event.place) event.place = ++reads_;
  if (event.period && *event.period != period_) event.is_unordered = true;
  event.period = period_;
  event.is_unordered |= !is_ordered_;
}

void DeliveryOracle::leave_order(uint32_t number) { events_.at(number).is_unordered = true; }

void DeliveryOracle::check(uint32_t number, bool is_acked, bool is_dead_letter,
                           bool must_be_readable) const {
  const Event& event = events_[number];
  const std::string name = "event " + std::to_string(number);
  if (is_acked && !is_dead_letter) {
    if (event.copies == 0) violate("acknowledged " + name + " is lost");
    if (must_be_readable && !event.is_readable) {
      violate(name + " is in a misplaced aggregate alone: KCL readers are not given it");
    }
  }
  const uint32_t explained = std::accumulate(event.causes.begin(), event.causes.end(), 1u);
  if (event.copies <= explained) return;
  std::string causes;
  for (const uint32_t count : event.causes) causes += " " + std::to_string(count);
  violate(
      name + " came " + std::to_string(event.copies) +
      " times; what explains it (crash, lost ack, lost answer, given back, misplaced, replayed):" +
      causes);
}

}  // namespace penstock::sim
