// The sample records of tests/data/openshift, for tests and benchmarks: as JSON text, and as the
// msgpack a collector would send.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/test_data.h"

namespace penstock::kinesis_format {

using OrderedJson = nlohmann::ordered_json;

// The records of one file, keys in the order they stand.
inline std::vector<OrderedJson> read_samples(const std::filesystem::path& file) {
  std::vector<OrderedJson> records;
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    OrderedJson record = OrderedJson::parse(line);
    // The fluentd versions' files have an envelope {"tag", "time", "record"}.
    if (record.contains("record") && record.contains("tag")) record = record["record"];
    records.push_back(std::move(record));
  }
  return records;
}

// Every sample record of every version, in a fixed order.
inline std::vector<OrderedJson> read_all_samples() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(
           std::filesystem::path(test_data()) / "openshift")) {
    if (entry.path().extension() == ".jsonl") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<OrderedJson> all;
  for (const auto& file : files) {
    for (OrderedJson& record : read_samples(file)) all.push_back(std::move(record));
  }
  return all;
}

}  // namespace penstock::kinesis_format
