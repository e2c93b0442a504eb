// DeliveryOracle: what was sent into the delivery simulation, what came out of it, and whether that
// is right: nothing lost, changed or invented, each repeat explained by one named cause, and the
// order of each key.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock::sim {

class DeliveryOracle {
 public:
  // Why an event may be accepted once more.
  enum class Cause : uint8_t {
    crash,        // before its entry was marked as released on disk
    lost_ack,     // the sender sent it once more
    lost_answer,  // of a request that carried it
    given_back,   // its large entry went back to the log while it was being sent
    misplaced,    // its aggregate was accepted in a shard that does not own its key
    replayed,     // its dead letter was handed back
  };

  // A new event; returns its number.
  uint32_t add(std::string key, std::string text);
  [[nodiscard]] uint32_t count() const { return static_cast<uint32_t>(events_.size()); }
  [[nodiscard]] const std::string& text(uint32_t number) const { return events_[number].text; }

  void explain(Cause cause, uint32_t number);
  // The event was accepted. is_readable: readers made with the KCL are given it.
  void accept(uint32_t number, std::string_view text, bool is_readable);
  [[nodiscard]] bool is_accepted(uint32_t number) const {
    return number < events_.size() && events_[number].copies > 0;
  }

  // ---- order

  // `order` of the stream from now on. open: events that were read and are not final; nobody knows
  // by which of the two they are made into records.
  void set_ordered(bool is_ordered, const std::vector<uint32_t>& open);
  // Read from the main log.
  void read(uint32_t number);
  // It became a dead letter, or was rejected by itself: it has left the order of its key, also if a
  // crash loses the dead letter.
  void leave_order(uint32_t number);

  // ---- the end

  // What was found wrong so far.
  [[nodiscard]] const std::optional<std::string>& violation() const { return violation_; }
  // All is over. Throws Violation.
  void check(uint32_t number, bool is_acked, bool is_dead_letter, bool must_be_readable) const;
  [[nodiscard]] uint64_t copies() const { return copies_; }
  [[nodiscard]] uint64_t repeats() const { return repeats_; }

 private:
  struct Event {
    std::string key;
    std::string text;
    uint32_t copies = 0;
    bool is_readable = false;
    std::array<uint32_t, 6> causes{};
    std::optional<uint64_t> place;   // when it was read first
    std::optional<uint32_t> period;  // in which it was read, of one setting of `order`
    bool is_unordered = false;
  };
  void fail(uint32_t number, const std::string& what);

  std::vector<Event> events_;
  uint64_t reads_ = 0;
  uint32_t period_ = 0;
  bool is_ordered_ = false;
  // Place of what was first accepted last, by period and key.
  std::map<std::pair<uint32_t, std::string>, uint64_t> last_;
  std::optional<std::string> violation_;
  uint64_t copies_ = 0;
  uint64_t repeats_ = 0;
};

}  // namespace penstock::sim
