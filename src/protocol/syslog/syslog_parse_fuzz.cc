// Any bytes as a message: one event each time, a JSON object in UTF-8.
#include "protocol/json_entries_oracle.h"
#include "protocol/syslog/message.h"

using namespace penstock;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  for (const bool unwrap_json : {false, true}) {
    protocol::JsonEntries entries({1'718'093'700, 0}, 1_MiB, 0);
    protocol::syslog::append_message(entries, {data, size}, {{1'718'093'700, 0}, unwrap_json});
    CHECK(entries.count() == 1);
    protocol::check_entries(entries.take(), 1_MiB);
  }
  return 0;
}
