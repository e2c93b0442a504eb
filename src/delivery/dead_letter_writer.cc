#include "delivery/dead_letter_writer.h"

#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "delivery/event_cursor.h"

namespace penstock::delivery {

void DeadLetterWriter::write(const EventSpan& span, std::string_view reason,
                             std::string_view detail) {
  const Event event = EventCursor::find(span.ticket, window_.entry(span.ticket), span.first);
  window_.pin(span.ticket);
  spool::DeadLetter letter;
  letter.stream = options_.stream;
  letter.reason = reason;
  letter.detail = detail;
  letter.batch.source = event.batch.source;
  letter.batch.tag = event.batch.tag;
  letter.batch.encoding = event.batch.encoding;
  letter.batch.event_count = 1;
  letter.batch.received_ns = event.batch.received_ns;
  letter.batch.id = event.batch.id;
  letter.batch.first_index = event.batch.first_index + event.id_index;
  letter.batch.storage = ByteBuffer::copy_of(event.view.entry);
  letter.batch.entries_size = event.view.entry.size();
  log_limited(LogLevel::warn, options_.stream + "/dead_letter/" + std::string(reason),
              "event goes to the dead letters",
              {{"stream", options_.stream}, {"reason", reason}, {"detail", detail}});
  std::vector<spool::DeadLetter> letters;
  letters.push_back(std::move(letter));
  spool_.dead_letter(std::move(letters), post_.posted([this, span](bool is_safe) {
    if (is_safe) window_.finish(span.ticket, span.count);
    written_();
  }));
}

}  // namespace penstock::delivery
