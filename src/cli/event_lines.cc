#include "cli/event_lines.h"

#include <cerrno>
#include <cstdio>

#include "cli/subcommands.h"
#include "codec/json_writer.h"
#include "codec/rfc3339.h"
#include "record/event.h"

namespace penstock::cli {

void EventLines::print(const record::Batch& batch, const std::string& before) {
  // What the checksums vouch for was walked when it came in; looked at again, because the reader
  // below takes it for granted.
  if (batch.encoding == record::Encoding::msgpack) {
    const auto walked = record::walk_entries(batch.entries());
    if (!walked || walked->malformed_count > 0) return;
    if (walked->event_count + walked->marker_count != batch.event_count) return;
  }
  record::EntryReader reader(batch);
  record::EventView event;
  for (uint32_t index = 0; wants_more() && reader.next(event); ++index) {
    print_event(batch, event, index, before);
  }
}

void EventLines::print_event(const record::Batch& batch, const record::EventView& event,
                             uint32_t index, const std::string& before) {
  --left_;
  line_.clear();
  line_.append(before);
  if (encoder_.append(line_, batch, event, index) != kinesis_format::EncodeOutcome::done) return;
  if (!before.empty()) line_.push_back('}');
  line_.push_back('\n');
  if (std::fwrite(line_.data(), 1, line_.size(), stdout) != line_.size()) error_ = errno;
}

int EventLines::finish() {
  if (std::fflush(stdout) != 0 && error_ == 0) error_ = errno;
  if (error_ == 0 || error_ == EPIPE) return kDone;
  report_error("stdout cannot be written");
  return kFailed;
}

std::string json_field(std::string_view name, std::string_view text) {
  ByteBuffer field;
  codec::append_json_string(field, name);
  field.push_back(':');
  codec::append_json_string(field, text);
  field.push_back(',');
  return std::string(as_text(field.view()));
}

std::string rfc3339_of(int64_t unix_ns) {
  const codec::EventTime time = codec::event_time_of(unix_ns);
  if (!codec::has_rfc3339(time)) return {};
  uint8_t text[codec::kRfc3339Size];
  codec::write_rfc3339(text, time);
  return {reinterpret_cast<const char*>(text), sizeof text};
}

}  // namespace penstock::cli
