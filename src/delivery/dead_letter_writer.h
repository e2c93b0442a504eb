// DeadLetterWriter: gives events of the window to the spool's dead letters. An event is final when
// its dead letter is on disk.
//
// Thread: the delivery thread's.
#pragma once

#include <string_view>

#include "delivery/alarm.h"
#include "delivery/entry_window.h"
#include "delivery/owner_post.h"
#include "delivery/sender_options.h"

namespace penstock::delivery {

class DeadLetterWriter {
 public:
  // Details of dead letters that are the same for every service.
  static constexpr std::string_view kTooLarge = "larger than the stream takes";
  static constexpr std::string_view kTextTooLarge = "memory_limit has no room for its JSON text";
  static constexpr std::string_view kNoPayload =
      "the record has no text, number or boolean at data_key";

  // written: some are on disk, there is something to do.
  DeadLetterWriter(spool::Spool& spool, const SenderOptions& options, EntryWindow& window,
                   const OwnerPost& post, std::function<void()> written)
      : spool_(spool),
        options_(options),
        window_(window),
        post_(post),
        written_(std::move(written)) {}

  // One event, which is in the window and in no record. detail: for the operator, no content.
  void write(const EventSpan& event, std::string_view reason, std::string_view detail);
  void write_oversized(const EventSpan& event, bool is_text_too_large) {
    write(event, "oversized", is_text_too_large ? kTextTooLarge : kTooLarge);
  }
  void write_without_payload(const EventSpan& event) { write(event, "no_data_key", kNoPayload); }

 private:
  spool::Spool& spool_;
  const SenderOptions& options_;
  EntryWindow& window_;
  const OwnerPost& post_;
  const std::function<void()> written_;
};

}  // namespace penstock::delivery
