// Where the events of `penstock send` come from: lines of a file descriptor, or made up.
//
// Thread: one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "cli/send/outgoing_event.h"

namespace penstock::cli {

// A line that is a JSON object is the record; any other becomes {"message": line}. Empty lines are
// left out. json_as_it_stands: the object's bytes are sent as they are (HTTP), not by way of
// msgpack. The id is a hash of what will be stored.
[[nodiscard]] std::unique_ptr<EventSource> make_line_source(int fd, bool json_as_it_stands);

// count events with the ids run-0, run-1, …
[[nodiscard]] std::unique_ptr<EventSource> make_generator(std::string run, uint64_t count);

// 32 hexadecimal digits: the id of a record that has no kIdField.
[[nodiscard]] std::string id_of_record(ByteView stored);

}  // namespace penstock::cli
