#include "config/node_reader.h"

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
  auto expanded = expand_variables(show_variables(node.Scalar()), environment_);
  if (!expanded) {
    complain(node, expanded.error(), "set it, or write ${NAME:-default}");
    return std::nullopt;
  }
  return std::move(*expanded);
}

void NodeReader::complain(const YAML::Node& at, std::string message, std::string cure) {
  // What is not there is marked where the next thing begins; its key is nearer.
  const int line = at.IsNull() ? lines_.of(path_) : line_of(at);
  problems_.push_back(
      Problem{file_, line, path_, std::move(message), std::move(cure), Severity::error});
}

void NodeReader::complain_about_key(const YAML::Node& at, std::string_view key, std::string message,
                                    std::string cure) {
  problems_.push_back(Problem{file_, line_of(at), joined(key), std::move(message), std::move(cure),
                              Severity::error});
}

}  // namespace penstock::config
