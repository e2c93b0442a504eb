#include "spool/dead_letter.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <utility>

#include "base/bytes.h"
#include "base/hash.h"
#include "spool/log_directory.h"

namespace penstock::spool {
namespace {

constexpr std::string_view kGoneName = "gone";
constexpr std::string_view kRequestLine = "penstock replay 1\n";

struct GoneRecord {
  uint64_t segment = 0;
  uint32_t offset = 0;
  uint32_t check = 0;  // of the 12 bytes before it
};
static_assert(sizeof(GoneRecord) == 16);

uint32_t check_of(const GoneRecord& record) {
  return static_cast<uint32_t>(
      checksum64({reinterpret_cast<const uint8_t*>(&record), 12}, 0x676f6e65));
}

void append_record(std::string& to, Position position) {
  GoneRecord record{position.segment, position.offset, 0};
  record.check = check_of(record);
  to.append(reinterpret_cast<const char*>(&record), sizeof record);
}

// One line, whatever a name has in it.
std::string escaped(std::string_view text) {
  std::string line;
  for (const char c : text) {
    if (c == '\\' || c == '\n') line += '\\';
    line += c == '\n' ? 'n' : c;
  }
  return line;
}

std::string unescaped(std::string_view line) {
  std::string text;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\\' || i + 1 == line.size()) {
      text += line[i];
    } else {
      text += line[++i] == 'n' ? '\n' : line[i];
    }
  }
  return text;
}

}  // namespace

void GoneLetters::add(Position position) {
  auto& offsets = offsets_[position.segment];
  const auto place = std::lower_bound(offsets.begin(), offsets.end(), position.offset);
  if (place == offsets.end() || *place != position.offset) offsets.insert(place, position.offset);
}

bool GoneLetters::contains(Position position) const {
  const auto offsets = offsets_.find(position.segment);
  return offsets != offsets_.end() &&
         std::binary_search(offsets->second.begin(), offsets->second.end(), position.offset);
}

IoResult<GoneLetters> GoneFile::load(FileSystem& file_system, const std::string& directory) {
  GoneLetters letters;
  auto file = file_system.open(directory + "/" + std::string(kGoneName), {});
  if (!file) {
    if (file.error().code == ENOENT) return letters;
    return failure(file.error());
  }
  std::vector<uint8_t> window(4096 * sizeof(GoneRecord));
  for (uint64_t offset = 0;; offset += window.size()) {
    const auto got = (*file)->read_at(offset, window);
    if (!got) return failure(got.error());
    for (size_t at = 0; at + sizeof(GoneRecord) <= *got; at += sizeof(GoneRecord)) {
      GoneRecord record;
      std::memcpy(&record, window.data() + at, sizeof record);
      if (record.check == check_of(record)) letters.add({record.segment, record.offset});
    }
    if (*got < window.size()) return letters;
  }
}

IoResult<GoneFile> GoneFile::begin(FileSystem& file_system, const std::string& directory,
                                   const GoneLetters& letters) {
  std::string content;
  for (const auto& [segment, offsets] : letters.by_segment()) {
    for (const uint32_t offset : offsets) append_record(content, {segment, offset});
  }
  const std::string name(kGoneName);
  if (auto done = replace_file(file_system, directory, name, content); !done) {
    return failure(done.error());
  }
  GoneFile gone;
  auto file = file_system.open(directory + "/" + name, {.write = true});
  if (!file) return failure(file.error());
  gone.file_ = std::move(*file);
  gone.size_ = content.size();
  return gone;
}

IoResult<void> GoneFile::append(const std::vector<Position>& positions) {
  std::string records;
  for (const Position& position : positions) append_record(records, position);
  if (auto done = file_->write_at(size_, as_bytes(records)); !done) return done;
  size_ += records.size();
  return file_->sync();
}

std::string dead_letter_directory_in(FileSystem& file_system, const std::string& directory) {
  const std::string below = directory + "/dead-letter";
  return file_system.list(below) ? below : directory;
}

bool is_replay_request(std::string_view file_name) {
  return file_name.starts_with("replay-") && file_name.ends_with(".request");
}

IoResult<std::string> write_replay_request(FileSystem& file_system, const std::string& directory,
                                           const ReplayRequest& request) {
  std::string text(kRequestLine);
  if (!request.reason.empty()) text += "reason " + escaped(request.reason) + "\n";
  if (!request.stream.empty()) text += "stream " + escaped(request.stream) + "\n";
  std::random_device device;
  const std::string name = "replay-" + std::to_string(device()) + ".request";
  if (auto done = replace_file(file_system, directory, name, text); !done) {
    return failure(done.error());
  }
  return directory + "/" + name;
}

IoResult<std::optional<ReplayRequest>> read_replay_request(FileSystem& file_system,
                                                           const std::string& path) {
  const auto text = read_small_file(file_system, path);
  if (!text) {
    if (text.error().code == EFBIG) return std::nullopt;
    return failure(text.error());
  }
  std::string_view left = *text;
  if (!left.starts_with(kRequestLine)) return std::nullopt;
  left.remove_prefix(kRequestLine.size());
  ReplayRequest request;
  while (!left.empty()) {
    const std::string_view line = left.substr(0, left.find('\n'));
    left.remove_prefix(std::min(left.size(), line.size() + 1));
    if (line.starts_with("reason ")) {
      request.reason = unescaped(line.substr(7));
    } else if (line.starts_with("stream ")) {
      request.stream = unescaped(line.substr(7));
    } else {
      return std::nullopt;  // of a later version: not to be misunderstood
    }
  }
  return request;
}

}  // namespace penstock::spool
