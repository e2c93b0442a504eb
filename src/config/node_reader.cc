#include "config/node_reader.h"

#include <set>

#include "config/values.h"

namespace penstock::config {
namespace {

int line_of(const YAML::Node& node) {
  const YAML::Mark mark = node.Mark();
  return mark.is_null() ? 0 : mark.line + 1;
}

}  // namespace

int Lines::of(std::string_view key) const {
  for (;;) {
    const auto found = lines_.find(key);
    if (found != lines_.end()) return found->second;
    const size_t cut = key.find_last_of(".[");
    if (cut == std::string_view::npos) return 0;
    key = key.substr(0, cut);
  }
}

std::string NodeReader::joined(std::string_view key) const {
  if (path_.empty() || key.starts_with('[')) return path_ + std::string(key);
  return path_ + "." + std::string(key);
}

NodeReader::Inside::Inside(NodeReader& reader, std::string_view key, const YAML::Node& at)
    : reader_(reader), length_before_(reader.path_.size()) {
  reader_.path_ = reader_.joined(key);
  reader_.lines_.note(reader_.path_, line_of(at));
}

std::optional<std::string> NodeReader::scalar(const YAML::Node& node) {
  if (node.IsNull()) {
    complain(node, "has no value", "give it one, or remove the key");
    return std::nullopt;
  }
  if (!node.IsScalar()) {
    complain(node, node.IsMap() ? "expected one value, found keys below it"
                                : "expected one value, found a list");
    return std::nullopt;
  }
  const std::string written = as_written(node);
  auto expanded = expand_variables(written, environment_);
  if (!expanded) {
    complain(node, expanded.error(), "set it, or write ${NAME:-default}");
    return std::nullopt;
  }
  if (*expanded != written) expansions_.emplace(trimmed(*expanded), written);
  return std::move(*expanded);
}

std::vector<NodeReader::Entry> NodeReader::entries(const YAML::Node& map) {
  std::vector<Entry> all;
  std::set<std::string> seen;
  std::vector<YAML::Node> merged;
  for (const auto& entry : map) {
    const bool is_merge = entry.first.IsScalar() && entry.first.Scalar() == "<<";
    if (!is_merge) {
      if (entry.first.IsScalar()) seen.insert(entry.first.Scalar());
      all.emplace_back(entry.first, entry.second);
    } else if (entry.second.IsSequence()) {
      for (const YAML::Node& each : entry.second) merged.push_back(each);
    } else {
      merged.push_back(entry.second);
    }
  }
  for (const YAML::Node& from : merged) {
    if (!from.IsMap()) {
      complain(from, "a merge key takes a map, or a list of maps", "write <<: *name");
      continue;
    }
    for (Entry& entry : entries(from)) {
      const bool is_new = entry.first.IsScalar() && seen.insert(entry.first.Scalar()).second;
      if (is_new) all.push_back(std::move(entry));
    }
  }
  return all;
}

std::string NodeReader::as_written(const YAML::Node& node) { return show_variables(node.Scalar()); }

std::string NodeReader::without_values(std::string message) const {
  // A short value would be found inside other words: only where it stands in quotes.
  constexpr size_t kDistinct = 4;
  for (const auto& [value, written] : expansions_) {
    if (value.empty()) continue;
    const bool is_distinct = value.size() >= kDistinct;
    const std::string sought = is_distinct ? value : "'" + value + "'";
    const std::string instead = is_distinct ? written : "'" + written + "'";
    for (size_t at = message.find(sought); at != std::string::npos;
         at = message.find(sought, at + instead.size())) {
      message.replace(at, sought.size(), instead);
    }
  }
  return message;
}

void NodeReader::complain(const YAML::Node& at, std::string message, std::string cure) {
  // What is not there is marked where the next thing begins; its key is nearer.
  const int line = at.IsNull() ? lines_.of(path_) : line_of(at);
  problems_.push_back(Problem{file_, line, path_, without_values(std::move(message)),
                              std::move(cure), Severity::error});
}

void NodeReader::complain_about_key(const YAML::Node& at, std::string_view key, std::string message,
                                    std::string cure) {
  problems_.push_back(Problem{file_, line_of(at), joined(key), std::move(message), std::move(cure),
                              Severity::error});
}

}  // namespace penstock::config
