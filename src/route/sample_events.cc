#include "route/sample_events.h"

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/test_data.h"
#include "codec/msgpack_writer.h"
#include "record/event.h"

namespace penstock::route {

using Json = nlohmann::ordered_json;
using record::Batch;
using record::Encoding;

namespace {

void append_msgpack(Batch& batch, codec::EventTime time, const Json& object) {
  const std::vector<uint8_t> packed = Json::to_msgpack(object);
  codec::MsgpackWriter writer(batch.storage);
  writer.array(2);
  writer.event_time(time);
  writer.raw(packed);
  batch.entries_size = batch.storage.size();
  ++batch.event_count;
}

Batch empty_batch(std::string tag, Encoding encoding) {
  Batch batch;
  batch.source = "test";
  batch.tag = std::move(tag);
  batch.encoding = encoding;
  batch.received_ns = 1'718'093'701'000'000'000;
  batch.id = {1, 2};
  return batch;
}

}  // namespace

std::vector<std::string> sample_lines(std::string_view path) {
  std::ifstream file(test_data() + "/openshift/" + std::string(path));
  CHECK(file.is_open());
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) lines.push_back(line);
  }
  CHECK(!lines.empty());
  return lines;
}

std::vector<Batch> forward_batches(std::string_view path, bool message_as_bin) {
  std::map<std::string, Batch> by_tag;
  for (const std::string& line : sample_lines(path)) {
    Json envelope = Json::parse(line);
    const std::string tag = envelope["tag"];
    Json& object = envelope["record"];
    if (message_as_bin && object.contains("message") && object["message"].is_string()) {
      const std::string text = object["message"];
      object["message"] = Json::binary({text.begin(), text.end()});
    }
    const auto batch = by_tag.try_emplace(tag, empty_batch(tag, Encoding::msgpack)).first;
    append_msgpack(batch->second, {envelope["time"][0], envelope["time"][1]}, object);
  }
  std::vector<Batch> batches;
  for (auto& [tag, batch] : by_tag) batches.push_back(std::move(batch));
  return batches;
}

std::vector<std::string> envelope_records(std::string_view path) {
  std::vector<std::string> records;
  for (const std::string& line : sample_lines(path)) {
    records.push_back(Json::parse(line)["record"].dump());
  }
  return records;
}

Batch json_batch(const std::vector<std::string>& objects, std::string tag) {
  Batch batch = empty_batch(std::move(tag), Encoding::json);
  for (const std::string& object : objects) {
    record::append_json_entry(batch.storage, {1'718'093'700, 5}, as_bytes(object));
    ++batch.event_count;
  }
  batch.entries_size = batch.storage.size();
  return batch;
}

Batch msgpack_batch(const std::vector<std::string>& objects, std::string tag) {
  Batch batch = empty_batch(std::move(tag), Encoding::msgpack);
  for (const std::string& object : objects) {
    append_msgpack(batch, {1'718'093'700, 5}, Json::parse(object));
  }
  return batch;
}

std::vector<std::string> objects_of(const Batch& batch) {
  std::vector<std::string> objects;
  record::EventView event;
  for (record::EntryReader reader(batch); reader.next(event);) {
    const ByteView bytes = event.record;
    objects.push_back(batch.encoding == Encoding::json
                          ? std::string(as_text(bytes))
                          : Json::from_msgpack(bytes.data(), bytes.data() + bytes.size()).dump());
  }
  return objects;
}

}  // namespace penstock::route
