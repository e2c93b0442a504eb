// Any bytes as JSON: the verdict has to be that of nlohmann's parser, and a checked value ends for
// skip_json_value where it ends for check_json. The index makes no difference to the verdict, and
// says of each container what skip_json_value finds.
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/check.h"
#include "record/json_check.h"
#include "record/json_scan.h"
#include "record/utf8.h"

using namespace penstock;

namespace {

void check_index(const ByteBuffer& text, const record::JsonChecked& plain) {
  const uint8_t* const begin = text.data();
  const uint8_t* const end = begin + text.size();
  record::JsonIndex index(text.size());
  const record::JsonChecked checked = record::check_json(begin, end, index);
  CHECK(checked.fault == plain.fault && checked.end == plain.end);
  CHECK(checked.bad_utf8 == plain.bad_utf8);
  const record::JsonContainer* container = index.first();
  if (container == nullptr) return;
  record::Quotes quotes(begin, end);
  const record::JsonContainer* const last = container + container->count;
  for (const uint8_t* at = begin; at != checked.end; ++at) {
    bool escaped = false;
    if (*at == '"') at = record::find_string_end(quotes, at + 1, checked.end, escaped);
    if (*at != '{' && *at != '[') continue;
    CHECK(container != last);
    CHECK(record::skip_json_value(at, end) == at + container->size);
    uint32_t inside = 0;
    record::Quotes inner_quotes(at, end);
    for (const uint8_t* inner = at; inner != at + container->size; ++inner) {
      if (*inner == '"') inner = record::find_string_end(inner_quotes, inner + 1, end, escaped);
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
  record::terminate(text);
  const uint8_t* const end = text.data() + text.size();
  const record::JsonChecked checked = record::check_json(text.data(), end);
  CHECK(checked.end >= text.data() && checked.end <= end);
  if (size <= 2048) check_index(text, checked);
  ByteBuffer repaired;
  record::append_repaired_utf8(repaired, text.view());
  CHECK(record::is_utf8(repaired.data(), repaired.data() + repaired.size()));
  const bool ours = checked.fault == record::JsonFault::none;
  // Where a value may end; "01" is 0 and an error behind it.
  const bool ends = ours && (checked.end == end || record::is_json_space(*checked.end) ||
                             std::string_view(",]}").find(static_cast<char>(*checked.end)) !=
                                 std::string_view::npos);
  if (ends) CHECK(record::skip_json_value(text.data(), end) == checked.end);
  // The other parser refuses floats that do not fit a double and escaped surrogates without their
  // partner, has no bound on nesting, and takes a zero byte for the end.
  const std::string_view whole = as_text(text.view());
  if (whole.find_first_of(std::string_view("eE\0", 3)) != std::string_view::npos || size > 300 ||
      checked.bad_utf8 || escapes_surrogate(whole) ||
      checked.fault == record::JsonFault::too_deep ||
      (size > 0 && record::is_json_space(data[0]))) {
    return 0;
  }
  const bool all = ours && record::skip_json_space(checked.end, end) == end;
  CHECK(all == nlohmann::json::accept(whole.begin(), whole.end()) || whole.starts_with("\xef"));
  return 0;
}
