#include "kinesis/credentials/ini_file.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace penstock::kinesis {
namespace {

constexpr std::string_view kBlanks = " \t\v\f\r\n";

// A line ends with LF, CRLF or CR.
std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find_first_of("\r\n"), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end);
  if (text.starts_with("\r\n")) {
    text.remove_prefix(2);
  } else if (!text.empty()) {
    text.remove_prefix(1);
  }
  return line;
}

class Parser {
 public:
  Result<std::vector<IniSection>, std::string> parse(std::string_view text) {
    while (!text.empty()) {
      ++number_;
      std::string problem = take(take_line(text));
      if (!problem.empty()) return failure("line " + std::to_string(number_) + " " + problem);
    }
    return finish();
  }

 private:
  std::string take(std::string_view line) {
    const std::string_view content = trimmed(line, kBlanks);
    if (content.empty()) {
      if (value_ != nullptr) *value_ += '\n';
      return {};
    }
    if (content[0] == '#' || content[0] == ';') return {};
    const size_t indent = line.find_first_not_of(kBlanks);
    if (value_ != nullptr && indent > indent_) {
      value_->append("\n").append(content);
      return {};
    }
    indent_ = indent;
    value_ = nullptr;
    const size_t close = content.rfind(']');
    if (content[0] == '[' && close != std::string_view::npos && close > 1) {
      return open_section(content.substr(1, close - 1));
    }
    if (sections_.empty()) return "is before the first [section]";
    return take_pair(content);
  }

  std::string open_section(std::string_view name) {
    if (!names_.emplace(name).second) return "gives a section a second time";
    sections_.push_back({std::string(name), {}});
    return {};
  }

  std::string take_pair(std::string_view content) {
    const size_t separator = content.find_first_of("=:");
    if (separator == std::string_view::npos) return "is neither a [section] nor key = value";
    const std::string_view key = trimmed(content.substr(0, separator), kBlanks);
    if (key.empty()) return "has no key before its '='";
    const auto [entry, is_new] = sections_.back().values.emplace(
        lowercase(key), std::string(trimmed(content.substr(separator + 1), kBlanks)));
    if (!is_new) return "gives a key a second time in its section";
    value_ = &entry->second;
    return {};
  }

  // [DEFAULT] gives values to every section that does not have its own.
  std::vector<IniSection> finish() {
    std::map<std::string, std::string, std::less<>> defaults;
    std::vector<IniSection> sections;
    for (IniSection& section : sections_) {
      for (auto& [key, value] : section.values) {
        value.resize(value.find_last_not_of(kBlanks) + 1);  // blank lines behind it
      }
      if (section.name == "DEFAULT") {
        defaults = std::move(section.values);
      } else {
        sections.push_back(std::move(section));
      }
    }
    for (IniSection& section : sections) section.values.insert(defaults.begin(), defaults.end());
    return sections;
  }

  std::vector<IniSection> sections_;
  std::set<std::string, std::less<>> names_;
  std::string* value_ = nullptr;  // the last one, which an indented line continues
  size_t indent_ = 0;             // of the last section or key
  size_t number_ = 0;
};

}  // namespace

Result<std::vector<IniSection>, std::string> parse_ini(std::string_view text) {
  return Parser().parse(text);
}

}  // namespace penstock::kinesis
