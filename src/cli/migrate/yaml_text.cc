#include "cli/migrate/yaml_text.h"

#include <algorithm>
#include <array>

namespace penstock::cli {
namespace {

bool is_plain(std::string_view text) {
  if (text.empty() || text.front() == ' ' || text.back() == ' ') return false;
  constexpr std::array<std::string_view, 9> kReserved = {"true", "false", "yes", "no",  "on",
                                                         "off",  "null",  "~",   "Null"};
  if (std::find(kReserved.begin(), kReserved.end(), text) != kReserved.end()) return false;
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+${}";
  if (text.find_first_not_of(kPlain) != std::string_view::npos) return false;
  const char first = text.front();
  return first != '-' && first != '{' && first != '}' && first != '.' && first != '+';
}

}  // namespace

std::string yaml_scalar(std::string_view text) {
  if (is_plain(text)) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        quoted += "\\\"";
        break;
      case '\\':
        quoted += "\\\\";
        break;
      case '\n':
        quoted += "\\n";
        break;
      case '\t':
        quoted += "\\t";
        break;
      case '\r':
        quoted += "\\r";
        break;
      default:
        quoted += c;
    }
  }
  return quoted + "\"";
}

void YamlMap::set(const Entry& entry) {
  for (Entry& each : entries) {
    if (each.key != entry.key) continue;
    each = entry;
    return;
  }
  entries.push_back(entry);
}

bool YamlMap::has(std::string_view key) const {
  return std::any_of(entries.begin(), entries.end(),
                     [&](const Entry& entry) { return entry.key == key; });
}

void YamlMap::write(std::string& out, size_t indent) const {
  for (const Entry& entry : entries) {
    // The first line of an item of a list stands behind its dash.
    if (out.empty() || out.back() == '\n') out.append(indent, ' ');
    out += entry.key + ":";
    if (!entry.mapping.empty()) {
      out += '\n';
      entry.mapping.front().write(out, indent + 2);
    } else if (!entry.list.empty()) {
      out += '\n';
      for (const YamlMap& item : entry.list) {
        out.append(indent + 2, ' ');
        out += "- ";
        item.write(out, indent + 4);
      }
    } else {
      out += " " + entry.scalar + "\n";
    }
  }
}

}  // namespace penstock::cli
