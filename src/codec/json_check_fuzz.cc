// Any bytes as JSON: the verdict has to be that of nlohmann's parser, and a checked value ends for
// skip_json_value where it ends for check_json. The index makes no difference to the verdict, and
// says of each container what skip_json_value finds.
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/check.h"
#include "codec/json_check.h"
#include "codec/json_scan.h"
#include "codec/utf8.h"

using namespace penstock;

namespace {

void check_index(const ByteBuffer& text, const codec::JsonChecked& plain) {
  const uint8_t* const begin = text.data();
  const uint8_t* const end = begin + text.size();
  codec::JsonIndex index(text.size());
  const codec::JsonChecked checked = codec::check_json(begin, end, index);
  CHECK(checked.fault == plain.fault && checked.end == plain.end);
  CHECK(checked.bad_utf8 == plain.bad_utf8);
  const codec::JsonContainer* container = index.first();
  if (container == nullptr) return;
  codec::Quotes quotes(begin, end);
  const codec::JsonContainer* const last = container + container->count;
  for (const uint8_t* at = begin; at != checked.end; ++at) {
    bool escaped = false;
    if (*at == '"') at = codec::find_string_end(quotes, at + 1, checked.end, escaped);
    if (*at != '{' && *at != '[') continue;
    CHECK(container != last);
    CHECK(codec::skip_json_value(at, end) == at + container->size);
    uint32_t inside = 0;
    codec::Quotes inner_quotes(at, end);
    for (const uint8_t* inner = at; inner != at + container->size; ++inner) {
      if (*inner == '"') inner = codec::find_string_end(inner_quotes, inner + 1, end, escaped);
      if (*inner == '{' || *inner == '[') ++inside;
    }
    CHECK(container->count == inside);
    ++container;
  }
  CHECK(container == last);
}

// Whether a \u escape names half a surrogate pair, with its other half or without.
bool escapes_surrogate(std::string_view text) {
  for (size_t at = 0; (at = text.find("\\u", at)) != std::string_view::npos; at += 2) {
    const std::string_view unit = text.substr(at + 2, 2);
    if (unit.size() == 2 && (unit[0] | 0x20) == 'd' && unit[1] >= '8') {
      return true;
    }
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteBuffer text = ByteBuffer::copy_of({data, size});
  codec::terminate(text);
  const uint8_t* const end = text.data() + text.size();
  const codec::JsonChecked checked = codec::check_json(text.data(), end);
  CHECK(checked.end >= text.data() && checked.end <= end);
  if (size <= 2048) check_index(text, checked);
  ByteBuffer repaired;
  codec::append_repaired_utf8(repaired, text.view());
  CHECK(codec::is_utf8(repaired.data(), repaired.data() + repaired.size()));
  const bool ours = checked.fault == codec::JsonFault::none;
  // Where a value may end; "01" is 0 and an error behind it.
  const bool ends = ours && (checked.end == end || codec::is_json_space(*checked.end) ||
                             std::string_view(",]}").find(static_cast<char>(*checked.end)) !=
                                 std::string_view::npos);
  if (ends) CHECK(codec::skip_json_value(text.data(), end) == checked.end);
  // The other parser refuses floats that do not fit a double and escaped surrogates without their
  // partner, has no bound on nesting, and takes a zero byte for the end.
  const std::string_view whole = as_text(text.view());
  if (whole.find_first_of(std::string_view("eE\0", 3)) != std::string_view::npos || size > 300 ||
      checked.bad_utf8 || escapes_surrogate(whole) || checked.fault == codec::JsonFault::too_deep ||
      (size > 0 && codec::is_json_space(data[0]))) {
    return 0;
  }
  const bool all = ours && codec::skip_json_space(checked.end, end) == end;
  CHECK(all == nlohmann::json::accept(whole.begin(), whole.end()) || whole.starts_with("\xef"));
  return 0;
}
