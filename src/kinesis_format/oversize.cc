#include "kinesis_format/oversize.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/hash.h"
#include "codec/json_scan.h"
#include "codec/json_writer.h"
#include "codec/utf8.h"
#include "kinesis_format/split_marker.h"

namespace penstock::kinesis_format {
namespace {

// A part that is mostly its siblings' copies is not worth it: at least a quarter must be news.
constexpr size_t kNewsShare = 4;
constexpr size_t kPieceBytesMin = 32;

// What stands between the quotes of a string value.
struct Text {
  size_t offset = 0;
  size_t size = 0;
  [[nodiscard]] size_t end() const { return offset + size; }
};

// Calls visit(Text) for every string of the JSON text that is a value and not a key.
template <class Visit>
void for_each_text(std::string_view json, Visit visit) {
  const ByteView bytes = as_bytes(json);
  const uint8_t* const start = bytes.data();
  const uint8_t* const end = start + bytes.size();
  codec::Quotes quotes(start, end);
  const uint8_t* at = start;
  while (at != end) {
    at = quotes.find(at);  // outside strings there are no backslashes
    if (at == end) return;
    const uint8_t* const text = at + 1;
    bool escaped = false;
    const uint8_t* const close = codec::find_string_end(quotes, text, end, escaped);
    if (close == end) return;
    at = close + 1;
    const uint8_t* const behind = codec::skip_json_space(at, end);
    if (behind != end && *behind == ':') continue;
    visit(Text{static_cast<size_t>(text - start), static_cast<size_t>(close - text)});
  }
}

bool is_surrogate_escape(std::string_view text, size_t at, char from, char to) {
  if (text.size() - at < 6 || text[at] != '\\' || text[at + 1] != 'u') return false;
  const char second = static_cast<char>(text[at + 3] | 0x20);
  return (text[at + 2] | 0x20) == 'd' && second >= from && second <= to;
}

// Size of the character, or escape, that begins at at; never beyond the text's end. A pair of
// surrogate escapes is one character.
size_t unit_size(std::string_view text, size_t at) {
  const auto byte = static_cast<uint8_t>(text[at]);
  const size_t left = text.size() - at;
  if (byte == '\\') {
    if (left < 2 || text[at + 1] != 'u') return std::min<size_t>(2, left);
    const bool pair = is_surrogate_escape(text, at, '8', 'b') && left >= 12 &&
                      is_surrogate_escape(text, at + 6, 'c', 'f');
    return std::min<size_t>(pair ? 12 : 6, left);
  }
  if (byte < 0x80) return 1;
  const ByteView bytes = as_bytes(text);
  return codec::utf8_step(bytes.data() + at, bytes.data() + bytes.size()).size;
}

// What a character of JSON text takes inside a string.
size_t escaped_size(std::string_view text, size_t at, size_t unit) {
  const auto byte = static_cast<uint8_t>(text[at]);
  if (byte == '"' || byte == '\\' || byte == '\n' || byte == '\r' || byte == '\t') return 2;
  return byte < 0x20 ? 6 : std::max<size_t>(unit, byte < 0x80 ? 1 : codec::kReplacement.size());
}

size_t closing_brace(std::string_view json) {
  const size_t close = json.find_last_not_of(" \t\r\n");
  return close == std::string_view::npos || json[close] != '}' ? std::string_view::npos : close;
}

}  // namespace

std::optional<Splitter> Splitter::plan(ByteView json, size_t part_bytes_max, std::string_view id) {
  Splitter splitter;
  splitter.json_ = as_text(json);
  splitter.hash_ = checksum64(json);
  splitter.id_ = id;
  splitter.close_ = closing_brace(splitter.json_);
  if (splitter.close_ == std::string_view::npos) return std::nullopt;
  if (!splitter.plan_field(part_bytes_max) && !splitter.plan_text(part_bytes_max)) {
    return std::nullopt;
  }
  return splitter;
}

bool Splitter::plan_field(size_t part_bytes_max) {
  Text largest;
  for_each_text(json_, [&largest](Text text) {
    if (text.size > largest.size) largest = text;
  });
  const size_t around = json_.size() - largest.size + kSplitMarkerBytesMax + id_.size();
  if (largest.size < 2 * kPieceBytesMin || around > part_bytes_max) return false;
  const size_t piece_max = part_bytes_max - around;
  if (piece_max < std::max(part_bytes_max / kNewsShare, kPieceBytesMin)) return false;

  in_field_ = true;
  cuts_ = {largest.offset};
  const std::string_view whole = json_.substr(0, largest.end());
  for (size_t at = largest.offset; at < whole.size();) {
    const size_t unit = unit_size(whole, at);
    if (at + unit - cuts_.back() > piece_max) cuts_.push_back(at);
    at += unit;
  }
  // An event of one part is no split event: two halves of it are.
  if (cuts_.size() == 1) cuts_.push_back(cuts_[0] + unit_size(whole, cuts_[0]));
  cuts_.push_back(largest.end());
  return true;
}

bool Splitter::plan_text(size_t part_bytes_max) {
  const size_t around = kSplitMarkerBytesMax + id_.size();
  if (part_bytes_max < around + kPieceBytesMin) return false;
  const size_t piece_max = part_bytes_max - around;
  in_field_ = false;
  cuts_ = {0};
  size_t piece = 0;
  for (size_t at = 0; at < json_.size();) {
    // Characters, not escapes: the text is escaped again as a whole.
    const auto byte = static_cast<uint8_t>(json_[at]);
    const size_t unit = byte < 0x80 ? 1 : unit_size(json_, at);
    const size_t cost = escaped_size(json_, at, unit);
    if (piece + cost > piece_max) {
      cuts_.push_back(at);
      piece = 0;
    }
    piece += cost;
    at += unit;
  }
  if (cuts_.size() == 1) cuts_.push_back(1);  // the opening brace alone
  cuts_.push_back(json_.size());
  return true;
}

void Splitter::append_part(ByteBuffer& out, uint32_t index) const {
  CHECK(index < part_count());
  SplitMarker marker;
  marker.id = id_;
  marker.index = index;
  marker.count = part_count();
  marker.bytes = json_.size();
  marker.hash = hash_;
  const std::string_view piece = json_.substr(cuts_[index], cuts_[index + 1] - cuts_[index]);
  if (!in_field_) {
    marker.text = piece;
    append_text_part(out, marker);
    return;
  }
  marker.prefix = cuts_.front();
  marker.suffix = json_.size() - cuts_.back();
  out.append(json_.substr(0, cuts_.front()));
  out.append(piece);
  out.append(json_.substr(cuts_.back(), close_ - cuts_.back()));
  append_field_marker(out, marker);
  out.append(json_.substr(close_));
}

bool append_truncated(ByteBuffer& out, ByteView json, size_t bytes_max) {
  const std::string_view text = as_text(json);
  const size_t close = closing_brace(text);
  if (close == std::string_view::npos) return false;
  constexpr std::string_view kMarker = R"(,"penstock":{"truncated":{"bytes":)";
  const size_t around = kMarker.size() + 20 + 2;

  std::vector<Text> texts;
  size_t texts_size = 0;
  size_t largest = 0;
  for_each_text(text, [&](Text found) {
    if (found.size < kPieceBytesMin) return;  // cutting those would buy nothing
    texts.push_back(found);
    texts_size += found.size;
    largest = std::max(largest, found.size);
  });
  const size_t rest = text.size() - texts_size + around;
  const auto fits = [&](size_t length) {
    size_t total = rest;
    for (const Text& found : texts) total += std::min(found.size, length);
    return total <= bytes_max;
  };
  if (!fits(0)) return false;
  size_t length = 0;  // the greatest that fits, by halves
  for (size_t above = largest + 1; above - length > 1;) {
    const size_t middle = length + (above - length) / 2;
    (fits(middle) ? length : above) = middle;
  }

  size_t copied = 0;
  size_t kept_size = 0;
  for (const Text& found : texts) {
    if (found.size <= length) {
      kept_size += found.size;
      continue;
    }
    const std::string_view whole = text.substr(0, found.end());
    size_t at = found.offset;
    for (size_t unit = 0; at < whole.size(); at += unit) {
      unit = unit_size(whole, at);
      if (at + unit - found.offset > length) break;
    }
    out.append(text.substr(copied, at - copied));
    copied = found.end();
    kept_size += at - found.offset;
  }
  out.append(text.substr(copied, close - copied));
  // `{}` cannot come here with anything to cut, but with white space it can be too large.
  out.append(text.substr(0, close).find_last_not_of(" \t\r\n") == text.find('{') ? kMarker.substr(1)
                                                                                 : kMarker);
  uint8_t digits[20];
  const uint8_t* const end = codec::write_unsigned(digits, texts_size - kept_size);
  out.append(ByteView(digits, static_cast<size_t>(end - digits)));
  out.append("}}");
  out.append(text.substr(close));
  return true;
}

}  // namespace penstock::kinesis_format
