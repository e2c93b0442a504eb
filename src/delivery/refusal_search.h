// RefusalSearch: what follows from an answer that rejects a whole request. The answer does not say
// which record is at fault, so the request is halved until one record is alone. Whether that record
// or the whole stream is at fault is decided by what else the stream accepts meanwhile.
//
//            rejected, several records: halve                      stream unavailable
//   flowing ───────────────────────────────► searching    flowing ───────────────────► paused
//      ▲   rejected alone, others accepted:      │           ▲    until; then one asks   │
//      │     reject the record                   │           └──────────────────────────┘
//      └──── rejected alone, nothing accepted: suspect; pause, retest it, try others ────┘
//
// A state machine without sockets, queues or a clock.
//
// Thread: the delivery thread's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"

namespace penstock::delivery {

class RefusalSearch {
 public:
  // What to do with a request, or the record that is alone in it.
  enum class Action : uint8_t {
    halve,          // ask for each half of its records
    reject_record,  // it is the record: others are accepted
    suspect,        // keep it; whether it is the record is not known yet
    pause_stream,   // keep it; it may as well be the stream: pause(), then retest all suspects
  };
  struct Rejected {
    size_t records = 0;
    bool is_probe = false;
    bool probes_open = false;    // other probes wait, or one is in flight
    bool requests_open = false;  // or any request is in flight
    // When its one record moved to an overflow log, after it had been rejected alone.
    std::optional<SteadyTime> set_aside = {};
  };
  [[nodiscard]] Action on_rejected(const Rejected& rejected, SteadyTime now);
  // Records were accepted. True: suspects are there that are to be asked about once more now.
  [[nodiscard]] bool on_accepted(SteadyTime now);
  // All suspects have become probes.
  void retesting() { suspects_ = 0; }

  // ---- the stream takes nothing

  // reason: for people, the service's code. For credentials the pause ends when there are new ones.
  void pause(std::string reason, bool for_credentials, milliseconds wait, SteadyTime now);
  // Something was answered for each of its records. Returns why the stream was paused, or "".
  std::string on_answered();
  // False: the pause has another reason.
  [[nodiscard]] bool on_new_credentials(SteadyTime now);
  [[nodiscard]] bool is_paused() const { return !reason_.empty(); }
  [[nodiscard]] const std::string& reason() const { return reason_; }
  // Nothing is sent before; afterwards one request asks.
  [[nodiscard]] SteadyTime paused_until() const { return paused_until_; }
  // After a pause for a suspect other records are tried, too: they show whether the stream is bad.
  [[nodiscard]] bool wants_others() const { return wants_others_; }
  [[nodiscard]] bool may_try_others(SteadyTime now) const {
    return wants_others_ && (others_awaited_ || !is_paused() || now >= paused_until_);
  }
  // There are none yet: they go as soon as there are, whatever is paused meanwhile.
  void await_others() { others_awaited_ = true; }
  // There were still none when the suspects had been asked about once more.
  [[nodiscard]] bool awaited_in_vain() const { return awaited_in_vain_; }
  // They are on their way, or no longer needed.
  void others_tried(SteadyTime now);
  // What would have asked was put back among the records: all of them go on.
  void resume() { reason_.clear(); }

 private:
  SteadyTime began_{};  // what is accepted after this speaks against the suspects
  SteadyTime last_accepted_{};
  size_t suspects_ = 0;
  bool wants_others_ = false;
  bool others_awaited_ = false;
  bool awaited_in_vain_ = false;
  SteadyTime paused_until_{};
  std::string reason_;  // empty: not paused
  bool for_credentials_ = false;
};

}  // namespace penstock::delivery
