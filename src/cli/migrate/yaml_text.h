// Writes a penstock.yaml by hand: mappings in the order given, strings quoted where YAML would read
// something else.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock::cli {

// A plain YAML scalar, or a double-quoted one where a plain one would mean something else.
[[nodiscard]] std::string yaml_scalar(std::string_view text);

// A mapping whose values are scalars, lists of mappings, or mappings.
struct YamlMap {
  struct Entry {
    std::string key;
    std::string scalar;            // as written: already a YAML scalar or flow collection
    std::vector<YamlMap> list;     // not empty: a block sequence
    std::vector<YamlMap> mapping;  // not empty: one nested mapping
  };
  std::vector<Entry> entries;

  void text(std::string key, std::string_view value) {
    entries.push_back({std::move(key), yaml_scalar(value), {}, {}});
  }
  void raw(std::string key, std::string value) {
    entries.push_back({std::move(key), std::move(value), {}, {}});
  }
  void map(std::string key, YamlMap value) {
    if (value.entries.empty()) return;
    std::vector<YamlMap> one;
    one.push_back(std::move(value));
    entries.push_back({std::move(key), {}, {}, std::move(one)});
  }
  void list(std::string key, std::vector<YamlMap> values) {
    if (values.empty()) return;
    entries.push_back({std::move(key), {}, std::move(values), {}});
  }
  // In the place of an entry with that key, or as a new one.
  void set(const Entry& entry);
  [[nodiscard]] bool has(std::string_view key) const;
  void write(std::string& out, size_t indent) const;
};

}  // namespace penstock::cli
