#include "cli/send/ack_ledger.h"

#include <cerrno>
#include <cstring>

#include "codec/json_writer.h"

namespace penstock::cli {

Result<AckLedger, Error> AckLedger::open(const std::string& path) {
  AckLedger ledger;
  if (path.empty()) return ledger;
  ledger.path_ = path;
  ledger.file_.reset(std::fopen(path.c_str(), "ae"));
  if (!ledger.file_) {
    return usage_error("--ledger " + path + ": " + std::strerror(errno) +
                       "; name a file that can be written");
  }
  return ledger;
}

Result<void, Error> AckLedger::enter(const Chunk& chunk, std::string_view tag, int64_t sent_ns,
                                     int64_t acked_ns) {
  if (!file_) return {};
  ByteBuffer lines;
  const std::string times = ",\"sent_ns\":" + std::to_string(sent_ns) +
                            ",\"acked_ns\":" + std::to_string(acked_ns) + "}\n";
  for (size_t i = 0; i < chunk.ids.size(); ++i) {
    lines.append("{\"id\":");
    codec::append_json_string(lines, chunk.ids[i]);
    lines.append(",\"seq\":" + std::to_string(chunk.first_sequence + i));
    lines.append(",\"tag\":");
    codec::append_json_string(lines, tag);
    lines.append(times);
  }
  if (std::fwrite(lines.data(), 1, lines.size(), file_.get()) != lines.size() ||
      std::fflush(file_.get()) != 0) {
    return run_error("--ledger " + path_ + ": " + std::strerror(errno));
  }
  return {};
}

}  // namespace penstock::cli
