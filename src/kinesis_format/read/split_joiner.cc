#include "kinesis_format/read/split_joiner.h"

#include "base/check.h"
#include "base/hash.h"
#include "codec/json_scan.h"
#include "kinesis_format/split_marker.h"

namespace penstock::kinesis_format {
namespace {

constexpr size_t kSupersededMax = 16;

}  // namespace

SplitJoiner::SplitJoiner(Sink sink, size_t bytes_max)
    : sink_(std::move(sink)), bytes_max_(bytes_max) {}

bool SplitJoiner::add(ByteView record, const std::string& note) {
  const std::string_view text = as_text(record);
  const auto marker = find_split_marker(text);
  if (!marker) return false;
  // A set for each number of parts: when the limit of a stream changes while an event is being
  // sent, all of it is cut again. If that makes as many parts as before, the checksum tells which
  // belong together.
  const std::string id = std::string(marker->id) + '/' + std::to_string(marker->count);
  auto [found, is_new] = events_.try_emplace(id);
  Event& event = found->second;
  if (is_new) {
    event.count = marker->count;
    event.size = marker->bytes;
    event.hash = marker->hash;
    event.age = ages_.insert(ages_.end(), id);
  } else if (event.count != marker->count || event.size != marker->bytes ||
             event.hash != marker->hash) {
    return false;  // says it belongs to this event, but to another one's parts
  }
  const auto [place, is_first] =
      event.parts.try_emplace(marker->index, Part{std::string(text), note});
  if (!is_first) {
    if (place->second.record == text) return true;  // it came twice
    if (event.superseded.size() == kSupersededMax) return false;
    event.superseded.emplace_back(marker->index,
                                  std::exchange(place->second, Part{std::string(text), note}));
  }
  event.bytes += text.size() + note.size();
  bytes_ += text.size() + note.size();

  if (event.parts.size() == event.count) {
    ByteBuffer whole;
    if (join_any(event, whole)) {
      sink_(whole.view(), note);
      bytes_ -= event.bytes;
      ages_.erase(event.age);
      events_.erase(found);
      drop_other_sets(marker->id);
    } else if (event.superseded.empty()) {
      give_up(id);
    }
  }
  while (bytes_ > bytes_max_) give_up(ages_.front());
  return true;
}

bool SplitJoiner::join(const Event& event, ByteBuffer& out) {
  std::string scratch;
  for (const auto& [index, part] : event.parts) {
    const std::string_view record = part.record;
    const SplitMarker marker = *find_split_marker(record);
    if (!marker.in_field) {
      out.append(codec::unescape_json(marker.text, scratch));
      continue;
    }
    const std::string bare =
        std::string(record.substr(0, marker.begin)).append(record.substr(marker.end));
    if (index == 0) out.append(std::string_view(bare).substr(0, marker.prefix));
    out.append(
        std::string_view(bare).substr(marker.prefix, bare.size() - marker.prefix - marker.suffix));
    if (index == event.count - 1) {
      out.append(std::string_view(bare).substr(bare.size() - marker.suffix));
    }
  }
  return out.size() == event.size && checksum64(out.view()) == event.hash;
}

// Of the parts that came last, or with one of those that came before.
bool SplitJoiner::join_any(Event& event, ByteBuffer& out) {
  if (join(event, out)) return true;
  for (auto& [index, part] : event.superseded) {
    std::swap(event.parts.at(index), part);
    out.clear();
    if (join(event, out)) return true;
    std::swap(event.parts.at(index), part);
  }
  return false;
}

// The event is whole: what came of it in other parts is not wanted.
void SplitJoiner::drop_other_sets(std::string_view id) {
  std::erase_if(events_, [&](const auto& entry) {
    const std::string_view other = entry.first;
    if (other.substr(0, other.rfind('/')) != id) return false;
    bytes_ -= entry.second.bytes;
    ages_.erase(entry.second.age);
    return true;
  });
}

void SplitJoiner::give_up(const std::string& id) {
  const auto found = events_.find(id);
  CHECK(found != events_.end());
  const Event event = std::move(found->second);
  bytes_ -= event.bytes;
  ages_.erase(event.age);
  events_.erase(found);
  for (const auto& [index, part] : event.superseded) sink_(as_bytes(part.record), part.note);
  for (const auto& [index, part] : event.parts) sink_(as_bytes(part.record), part.note);
}

void SplitJoiner::flush() {
  while (!ages_.empty()) {
    const std::string oldest = ages_.front();
    give_up(oldest);
  }
}

}  // namespace penstock::kinesis_format
