// Where the loader is in the YAML document: the key path of what is being read, the line it stands
// on, the environment for ${NAME}, and the list of what was wrong. Only schema.cc and loader.cc
// include it (and with it yaml-cpp).
#pragma once

#include <yaml-cpp/yaml.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/environment.h"
#include "config/problem.h"

namespace penstock::config {

// Which key of the document stands on which line; for problems found after reading.
class Lines {
 public:
  void note(const std::string& key, int line) { lines_.emplace(key, line); }
  [[nodiscard]] bool has(const std::string& key) const { return lines_.contains(key); }
  // Of the key, or of the nearest key around it; 0 when there is none.
  [[nodiscard]] int of(std::string_view key) const;

 private:
  std::map<std::string, int, std::less<>> lines_;
};

struct LongerFirst {
  bool operator()(const std::string& a, const std::string& b) const {
    return a.size() != b.size() ? a.size() > b.size() : a < b;
  }
};

class NodeReader {
 public:
  NodeReader(std::string file, const Environment& environment)
      : file_(std::move(file)), environment_(environment) {}

  // While it lives, what is read stands under this key ("streams", "[2]").
  class Inside {
   public:
    Inside(NodeReader& reader, std::string_view key, const YAML::Node& at);
    ~Inside() { reader_.path_.resize(length_before_); }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

   private:
    NodeReader& reader_;
    size_t length_before_;
  };

  using Entry = std::pair<YAML::Node, YAML::Node>;
  // A map's entries: its own, then what its merge keys (<<) bring in and it does not have.
  [[nodiscard]] std::vector<Entry> entries(const YAML::Node& map);

  // A scalar with its variables expanded; nullopt (and a problem) when the node is none, or empty.
  [[nodiscard]] std::optional<std::string> scalar(const YAML::Node& node);

  // A scalar as the file has it: ${NAME} stays, for its value may be a secret.
  [[nodiscard]] static std::string as_written(const YAML::Node& node);
  // A message that was made of values, with ${NAME} where a variable's value stands.
  [[nodiscard]] std::string without_values(std::string message) const;

  void complain(const YAML::Node& at, std::string message, std::string cure = {});
  void complain_about_key(const YAML::Node& at, std::string_view key, std::string message,
                          std::string cure = {});

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] Lines& lines() { return lines_; }
  [[nodiscard]] std::vector<Problem>& problems() { return problems_; }
  // Name of a source to its path, such as "sources[0].forward".
  [[nodiscard]] std::map<std::string, std::string>& source_paths() { return source_paths_; }

 private:
  [[nodiscard]] std::string joined(std::string_view key) const;

  std::string file_;
  const Environment& environment_;
  std::string path_;
  Lines lines_;
  std::vector<Problem> problems_;
  std::map<std::string, std::string> source_paths_;
  // What scalars with variables became, and how they were written; the longest first.
  std::map<std::string, std::string, LongerFirst> expansions_;
};

}  // namespace penstock::config
