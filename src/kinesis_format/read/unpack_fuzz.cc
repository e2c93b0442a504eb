// Anything may stand in a stream: unpacking neither crashes nor passes its bound, and what was
// split comes together again byte for byte. The first byte says what the others are: the data of a
// record, the protobuf of an aggregate, records with line feeds between them, a text to split.
#include "kinesis_format/read/unpack.h"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/check.h"
#include "codec/json_writer.h"
#include "kinesis_format/md5.h"
#include "kinesis_format/oversize.h"

namespace {

using namespace penstock;

constexpr size_t kInflatedMax = 1 << 20;

std::vector<std::string> unpack(const std::vector<std::string>& records) {
  std::vector<std::string> events;
  kinesis_format::Unpacker unpacker(
      [&events](ByteView event, const std::string&) { events.emplace_back(as_text(event)); },
      {.inflated_bytes_max = kInflatedMax, .parts_bytes_max = 4096});
  for (const std::string& record : records) unpacker.add(as_bytes(record));
  unpacker.finish();
  return events;
}

void unpack_bounded(const std::vector<std::string>& records) {
  size_t in = 0;
  size_t out = 0;
  for (const std::string& record : records) in += record.size();
  for (const std::string& event : unpack(records)) out += event.size();
  CHECK(out <= in + records.size() * kInflatedMax);
}

// Two texts, so that there is something around the larger one.
void split_and_join(ByteView text, size_t part_bytes_max) {
  ByteBuffer event;
  event.append("{\"a\":\"around\",\"b\":[");
  codec::append_json_string(event, as_text(text));
  event.append("]}");
  const std::string whole(as_text(event.view()));
  const auto splitter = kinesis_format::Splitter::plan(event.view(), part_bytes_max, "ab-12");
  ByteBuffer shorter;
  if (kinesis_format::append_truncated(shorter, event.view(), part_bytes_max)) {
    CHECK(shorter.size() <= part_bytes_max);
    CHECK(nlohmann::json::accept(as_text(shorter.view())));
  }
  if (!splitter) return;
  std::vector<std::string> events;
  kinesis_format::Unpacker unpacker(
      [&events](ByteView joined, const std::string&) { events.emplace_back(as_text(joined)); });
  for (uint32_t i = splitter->part_count(); i-- > 0;) {
    ByteBuffer part;
    splitter->append_part(part, i);
    CHECK(part.size() <= part_bytes_max && nlohmann::json::accept(as_text(part.view())));
    unpacker.add(part.view());
  }
  CHECK(events.size() == 1 && events[0] == whole);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const ByteView rest(data + 2, size - 2);
  const std::string text(as_text(rest));
  switch (data[0] % 4) {
    case 0:
      unpack_bounded({text});
      break;
    case 1: {
      const kinesis_format::Md5Digest digest = kinesis_format::md5(rest);
      unpack_bounded({"\xf3\x89\x9a\xc2" + text +
                      std::string(reinterpret_cast<const char*>(digest.data()), digest.size())});
      break;
    }
    case 2: {
      std::vector<std::string> records = {""};
      for (const char c : text) {
        if (c == '\n') {
          records.emplace_back();
        } else {
          records.back() += c;
        }
      }
      unpack_bounded(records);
      break;
    }
    default:
      split_and_join(rest, 300 + size_t{data[1]} * 4);
  }
  return 0;
}
