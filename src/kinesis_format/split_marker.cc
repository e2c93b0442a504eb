#include "kinesis_format/split_marker.h"

#include <algorithm>
#include <charconv>

#include "codec/hex.h"
#include "codec/json_scan.h"
#include "codec/json_writer.h"

namespace penstock::kinesis_format {
namespace {

constexpr std::string_view kOpen = R"("penstock":{"split":{"id":")";
constexpr size_t kIdSizeMax = 80;

void append_number(ByteBuffer& out, std::string_view name, uint64_t value) {
  uint8_t digits[20];
  const uint8_t* const end = codec::write_unsigned(digits, value);
  out.append(name);
  out.append(ByteView(digits, static_cast<size_t>(end - digits)));
}

void append_common(ByteBuffer& out, const SplitMarker& marker) {
  out.append(kOpen);
  out.append(marker.id);
  append_number(out, R"(","index":)", marker.index);
  append_number(out, R"(,"count":)", marker.count);
  append_number(out, R"(,"bytes":)", marker.bytes);
  out.append(R"(,"hash":")");
  codec::append_hex(out, marker.hash);
  out.push_back('"');
}

// Takes pieces off the front of a text; once one is missing, nothing is right any more.
class Taker {
 public:
  explicit Taker(std::string_view text) : text_(text) {}

  void literal(std::string_view expected) {
    good_ = good_ && text_.starts_with(expected);
    if (good_) text_.remove_prefix(expected.size());
  }
  template <class T>
  T number(int base = 10) {
    T value = 0;
    if (!good_) return value;
    const char* const end = text_.data() + text_.size();
    const auto [rest, error] = std::from_chars(text_.data(), end, value, base);
    good_ = error == std::errc() && rest != text_.data();
    if (good_) text_ = {rest, static_cast<size_t>(end - rest)};
    return value;
  }
  std::string_view id() {
    size_t size = 0;
    const auto is_letter = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-';
    };
    while (size < text_.size() && size <= kIdSizeMax && is_letter(text_[size])) ++size;
    good_ = good_ && size > 0 && size <= kIdSizeMax;
    const std::string_view taken = text_.substr(0, size);
    if (good_) text_.remove_prefix(size);
    return taken;
  }
  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] std::string_view rest() const { return text_; }

 private:
  std::string_view text_;
  bool good_ = true;
};

void take_common(Taker& taker, SplitMarker& marker) {
  taker.literal(kOpen);
  marker.id = taker.id();
  taker.literal(R"(","index":)");
  marker.index = taker.number<uint32_t>();
  taker.literal(R"(,"count":)");
  marker.count = taker.number<uint32_t>();
  taker.literal(R"(,"bytes":)");
  marker.bytes = taker.number<uint64_t>();
  taker.literal(R"(,"hash":")");
  marker.hash = taker.number<uint64_t>(16);
  taker.literal("\"");
}

std::optional<SplitMarker> find_text_part(std::string_view part) {
  SplitMarker marker;
  Taker taker(part);
  taker.literal("{");
  take_common(taker, marker);
  taker.literal(R"(,"text":")");
  if (!taker.good() || !taker.rest().ends_with(R"("}}})")) return std::nullopt;
  marker.text = taker.rest().substr(0, taker.rest().size() - 4);
  // Its closing quote must be the one before the braces.
  const ByteView text = as_bytes(taker.rest());
  bool escaped = false;
  const uint8_t* const end = text.data() + text.size();
  codec::Quotes quotes(text.data(), end);
  const uint8_t* const close = codec::find_string_end(quotes, text.data(), end, escaped);
  if (close != text.data() + marker.text.size()) return std::nullopt;
  return marker;
}

std::optional<SplitMarker> find_field_part(std::string_view part) {
  const size_t close = part.find_last_not_of(" \t\r\n");
  if (close == std::string_view::npos || part[close] != '}') return std::nullopt;
  const size_t window = std::min(close, kSplitMarkerBytesMax + kIdSizeMax);
  const size_t found = part.substr(close - window, window).rfind(kOpen);
  if (found == std::string_view::npos) return std::nullopt;
  const size_t begin = close - window + found;
  if (begin == 0 || part[begin - 1] != ',') return std::nullopt;

  SplitMarker marker;
  marker.in_field = true;
  Taker taker(part.substr(begin, close - begin));
  take_common(taker, marker);
  taker.literal(R"(,"prefix":)");
  marker.prefix = taker.number<uint64_t>();
  taker.literal(R"(,"suffix":)");
  marker.suffix = taker.number<uint64_t>();
  taker.literal("}}");
  if (!taker.good() || !taker.rest().empty()) return std::nullopt;
  marker.begin = begin - 1;
  marker.end = close;
  const uint64_t bare = part.size() - (marker.end - marker.begin);
  if (marker.prefix > bare || marker.suffix > bare - marker.prefix) return std::nullopt;
  return marker;
}

}  // namespace

void append_field_marker(ByteBuffer& out, const SplitMarker& marker) {
  out.push_back(',');
  append_common(out, marker);
  append_number(out, R"(,"prefix":)", marker.prefix);
  append_number(out, R"(,"suffix":)", marker.suffix);
  out.append("}}");
}

void append_text_part(ByteBuffer& out, const SplitMarker& marker) {
  out.push_back('{');
  append_common(out, marker);
  out.append(R"(,"text":)");
  codec::append_json_string(out, marker.text);
  out.append("}}}");
}

std::optional<SplitMarker> find_split_marker(std::string_view part) {
  auto marker = find_field_part(part);
  if (!marker) marker = find_text_part(part);
  if (!marker || marker->count < 2 || marker->index >= marker->count) return std::nullopt;
  return marker;
}

}  // namespace penstock::kinesis_format
