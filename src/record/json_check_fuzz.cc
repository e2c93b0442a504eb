// Any bytes as JSON: the verdict has to be that of nlohmann's parser, and a checked value ends for
// skip_json_value where it ends for check_json.
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/check.h"
#include "record/json_check.h"
#include "record/json_scan.h"
#include "record/utf8.h"

using namespace penstock;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteBuffer text = ByteBuffer::copy_of({data, size});
  record::terminate(text);
  const uint8_t* const end = text.data() + text.size();
  const record::JsonChecked checked = record::check_json(text.data(), end);
  CHECK(checked.end >= text.data() && checked.end <= end);
  ByteBuffer repaired;
  record::append_repaired_utf8(repaired, text.view());
  CHECK(record::is_utf8(repaired.data(), repaired.data() + repaired.size()));
  const bool ours = checked.fault == record::JsonFault::none;
  // Where a value may end; "01" is 0 and an error behind it.
  const bool ends = ours && (checked.end == end || record::is_json_space(*checked.end) ||
                             std::string_view(",]}").find(static_cast<char>(*checked.end)) !=
                                 std::string_view::npos);
  if (ends) CHECK(record::skip_json_value(text.data(), end) == checked.end);
  // The other parser refuses floats that do not fit a double, has no bound on nesting, and takes a
  // zero byte for the end.
  const std::string_view whole = as_text(text.view());
  if (whole.find_first_of(std::string_view("eE\0", 3)) != std::string_view::npos || size > 300 ||
      checked.bad_utf8 || checked.fault == record::JsonFault::too_deep ||
      (size > 0 && record::is_json_space(data[0]))) {
    return 0;
  }
  const bool all = ours && record::skip_json_space(checked.end, end) == end;
  CHECK(all == nlohmann::json::accept(whole.begin(), whole.end()) || whole.starts_with("\xef"));
  return 0;
}
