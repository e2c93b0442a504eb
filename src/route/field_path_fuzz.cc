// Any bytes as a record, in both encodings: nothing is read outside them, and what is found in a
// checked JSON object is what nlohmann's reader finds there.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "base/check.h"
#include "codec/json_check.h"
#include "route/field_path.h"

namespace {

using penstock::ByteBuffer;
using penstock::ByteView;
using penstock::route::FieldSet;
using penstock::route::FieldValue;

const std::vector<FieldSet::Wanted>& wanted() {
  static const std::vector<FieldSet::Wanted> all{
      {{"a"}, false}, {{"a", "b"}, false}, {{"a", "b", "c.d"}, false}, {{"log_type"}, false}};
  return all;
}

void compare(ByteView object, const std::vector<FieldValue>& found) {
  bool repeats = false;  // nlohmann keeps the last of repeated keys
  std::vector<std::vector<std::string>> keys;
  const auto watch = [&](int, nlohmann::json::parse_event_t event, nlohmann::json& value) {
    if (event == nlohmann::json::parse_event_t::object_start) keys.emplace_back();
    if (event == nlohmann::json::parse_event_t::object_end) keys.pop_back();
    if (event == nlohmann::json::parse_event_t::key) {
      const std::string key = value.get<std::string>();
      repeats = repeats || std::count(keys.back().begin(), keys.back().end(), key) > 0;
      keys.back().push_back(key);
    }
    return true;
  };
  const auto tree = nlohmann::json::parse(object.begin(), object.end(), watch, false);
  if (tree.is_discarded() || repeats) return;
  std::string scratch;
  for (size_t i = 0; i < found.size(); ++i) {
    const nlohmann::json* value = &tree;
    for (const std::string& key : wanted()[i].path) {
      const auto member = value->is_object() ? value->find(key) : value->end();
      value = value->is_object() && member != value->end() ? &*member : nullptr;
      if (value == nullptr) break;
    }
    CHECK((value == nullptr) == (found[i].kind == FieldValue::Kind::absent));
    if (value != nullptr && value->is_string()) {
      CHECK(found[i].text(scratch) == value->get<std::string>());
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const FieldSet set(wanted());
  std::vector<FieldValue> found(set.size());
  const std::vector<uint8_t> exact(data, data + size);  // a sanitizer sees the byte behind
  std::string scratch;
  for (const auto encoding :
       {penstock::record::Encoding::msgpack, penstock::record::Encoding::json}) {
    set.find(exact, encoding, found);
    for (const FieldValue& value : found) (void)value.text(scratch);
  }
  ByteBuffer text = ByteBuffer::copy_of(exact);
  penstock::codec::terminate(text);
  const uint8_t* const end = text.data() + text.size();
  const auto checked = penstock::codec::check_json(text.data(), end);
  if (checked.fault == penstock::codec::JsonFault::none && checked.end == end && size > 0 &&
      data[0] == '{' && !checked.bad_utf8) {
    compare(text.view(), found);
  }
  return 0;
}
