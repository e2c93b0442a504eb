#include "cli/read/event_printer.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "cli/subcommands.h"
#include "codec/base64.h"
#include "kinesis_format/read/unpack.h"

namespace penstock::cli {

void EventPrinter::print(ByteView event, std::string_view wrap) {
  if (!wants_more()) return;
  --left_;
  line_.clear();
  line_.append(wrap);
  if (kinesis_format::is_json_object(event)) {
    line_.append(event);
    // Line breaks can only stand between tokens: blanks mean the same there.
    std::replace(line_.data(), line_.data() + line_.size(), uint8_t{'\n'}, uint8_t{' '});
  } else {
    line_.append("{\"base64\":\"");
    codec::append_base64(line_, event);
    line_.append("\"}");
  }
  if (!wrap.empty()) line_.push_back('}');
  line_.push_back('\n');
  if (std::fwrite(line_.data(), 1, line_.size(), stdout) != line_.size()) error_ = errno;
}

void EventPrinter::flush() {
  if (std::fflush(stdout) != 0 && error_ == 0) error_ = errno;
}

int EventPrinter::finish() {
  flush();
  if (error_ == 0 || error_ == EPIPE) return kDone;
  report_error("stdout cannot be written");
  return kFailed;
}

}  // namespace penstock::cli
