#include "cli/top/screen.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "admin/words.h"

namespace penstock::cli {
namespace {

using nlohmann::json;

constexpr const char* kReset = "\x1b[0m";
constexpr const char* kBold = "\x1b[1m";
constexpr const char* kDim = "\x1b[2m";

const char* color_of(std::string_view level) {
  if (level == "good") return "\x1b[32m";
  if (level == "warning") return "\x1b[33m";
  if (level == "bad") return "\x1b[31m";
  return "\x1b[36m";
}

// One line of the screen; color is for all of it.
struct Line {
  std::string text;
  std::string color = {};
};
using Lines = std::vector<Line>;

// Bytes that begin a character: what a terminal counts as columns, near enough.
size_t columns_of(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string cut(std::string_view text, size_t columns) {
  size_t end = 0;
  size_t count = 0;
  while (end < text.size()) {
    const bool begins = (static_cast<unsigned char>(text[end]) & 0xc0) != 0x80;
    if (begins && ++count > columns) break;
    ++end;
  }
  return std::string(text.substr(0, end));
}

std::string padded(std::string text, size_t columns, bool right = false) {
  text = cut(text, columns);
  const std::string blanks(columns - std::min(columns, columns_of(text)), ' ');
  return right ? blanks + text : text + blanks;
}

// At words, no line longer than the screen.
void add_wrapped(Lines& lines, const std::string& text, size_t columns, const std::string& color) {
  std::string line;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    if (!line.empty() && columns_of(line) + 1 + columns_of(word) > columns) {
      lines.push_back({line, color});
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
    at = end + 1;
  }
  if (!line.empty()) lines.push_back({line, color});
}

std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

double number_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

uint64_t count_of(const json& object, const char* key) {
  return static_cast<uint64_t>(std::max(number_of(object, key), 0.0));
}

const json& list_of(const json& object, const char* key) {
  static const json kNone = json::array();
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : kNone;
}

const json& part_of(const json& object, const char* key) {
  static const json kNone = json::object();
  const auto found = object.find(key);
  return found != object.end() && found->is_object() ? *found : kNone;
}

void add_head(Lines& lines, const json& status, const TopView& view) {
  const json& process = part_of(status, "process");
  lines.push_back({"penstock " + text_of(status, "version") + " on " + text_of(process, "host") +
                       ", up " + admin::duration_text(number_of(process, "uptime_seconds")) +
                       ", memory " + admin::size_text(count_of(process, "memory_bytes")) + " of " +
                       admin::size_text(count_of(process, "memory_limit")) + "  " +
                       text_of(status, "time") + (view.paused ? "  PAUSED" : ""),
                   kDim});
  const json& banner = part_of(status, "banner");
  const std::string level = text_of(banner, "level");
  const char* mark = level == "good"      ? "✓ "
                     : level == "warning" ? "▲ "
                     : level == "bad"     ? "✕ "
                                          : "○ ";
  add_wrapped(lines, mark + text_of(banner, "text"), view.columns,
              std::string(kBold) + color_of(level));
}

std::vector<const json*> in_order(const json& streams, TopOrder order) {
  std::vector<const json*> sorted;
  for (const json& stream : streams) sorted.push_back(&stream);
  std::stable_sort(sorted.begin(), sorted.end(), [order](const json* a, const json* b) {
    if (order == TopOrder::behind) {
      return number_of(*a, "oldest_pending_seconds") > number_of(*b, "oldest_pending_seconds");
    }
    if (order == TopOrder::rate) {
      return number_of(*a, "out_per_second") > number_of(*b, "out_per_second");
    }
    return text_of(*a, "name") < text_of(*b, "name");
  });
  return sorted;
}

struct Cell {
  std::string text;
  size_t columns;
  bool right = true;
};

// As many cells as the screen has room for; none is cut at its edge.
std::string row(const std::vector<Cell>& cells, size_t columns) {
  std::string line;
  size_t used = 0;
  for (const Cell& cell : cells) {
    used += cell.columns + (used == 0 ? 0 : 1);
    if (used > columns && !line.empty()) break;
    line += (line.empty() ? "" : " ") + padded(cell.text, cell.columns, cell.right);
  }
  return line;
}

std::vector<Cell> stream_cells(const std::array<std::string, 8>& texts) {
  return {{texts[0], 18, false}, {texts[1], 28, false}, {texts[2], 8},  {texts[3], 8},
          {texts[4], 12},        {texts[5], 12},        {texts[6], 20}, {texts[7], 12}};
}

void add_streams(Lines& lines, const json& status, const TopView& view) {
  lines.push_back(
      {row(stream_cells(
               {"STREAM", "STATE", "IN/S", "OUT/S", "BEHIND", "WAITING", "SHARE", "FULL IN"}),
           view.columns),
       kBold});
  for (const json* stream : in_order(list_of(status, "streams"), view.order)) {
    const std::string level = text_of(*stream, "level");
    const auto full = stream->find("full_in_seconds");
    const bool fills = full != stream->end() && full->is_number() && full->get<double>() < 2592000;
    const auto cells = stream_cells(
        {text_of(*stream, "name"), text_of(*stream, "state"),
         admin::rate_text(number_of(*stream, "in_per_second")),
         admin::rate_text(number_of(*stream, "out_per_second")),
         admin::duration_text(number_of(*stream, "oldest_pending_seconds")),
         admin::count_text(count_of(*stream, "events_pending")),
         admin::size_text(count_of(*stream, "spool_bytes")) + " of " +
             admin::size_text(count_of(*stream, "spool_bytes_max")),
         fills ? admin::duration_text(full->get<double>()) : "-"});
    lines.push_back({row(cells, view.columns),
                     level == "good" ? "" : color_of(level)});
  }
}

std::string counts_text(const json& counts) {
  std::string text;
  for (const auto& [name, value] : counts.items()) {
    if (!value.is_number() || value.get<double>() <= 0) continue;
    text += (text.empty() ? "" : ", ") + name + " " +
            admin::count_text(static_cast<uint64_t>(value.get<double>()));
  }
  return text.empty() ? "0" : text;
}

void add_sources(Lines& lines, const json& status) {
  lines.push_back({padded("SOURCE", 18) + " " + padded("LISTENS ON", 28) + " " +
                       padded("EVENTS/S", 8, true) + " " + padded("CONNECTIONS", 11, true) +
                       "  REJECTED",
                   kBold});
  for (const json& source : list_of(status, "sources")) {
    json rejected = part_of(source, "auth_failures");
    for (const auto& [reason, value] : part_of(source, "messages_refused").items()) {
      rejected[reason] = value;
    }
    lines.push_back({padded(text_of(source, "name"), 18) + " " +
                     padded(text_of(source, "type") + " " + text_of(source, "address"), 28) + " " +
                     padded(admin::rate_text(number_of(source, "in_per_second")), 8, true) + " " +
                     padded(admin::count_text(count_of(source, "connections")), 11, true) + "  " +
                     counts_text(rejected)});
  }
}

void add_problems(Lines& lines, const json& status, const TopView& view) {
  for (const json& problem : list_of(status, "problems")) {
    const std::string since = text_of(problem, "since");
    add_wrapped(lines,
                (since.size() >= 19 ? since.substr(11, 8) : since) + " " +
                    text_of(problem, "text") + " " + text_of(problem, "cure"),
                view.columns, color_of(text_of(problem, "level")));
    if (const std::string command = text_of(problem, "command"); !command.empty()) {
      lines.push_back({"         $ " + command});
    }
  }
  const auto& solved = list_of(status, "solved_problems");
  if (!solved.empty()) lines.push_back({std::to_string(solved.size()) + " solved", kDim});
}

void add_losses(Lines& lines, const json& status) {
  const json& spool = part_of(status, "spool");
  lines.push_back({"dead letters: " + admin::count_text(count_of(spool, "dead_letters")) +
                   " stored (" + admin::size_text(count_of(spool, "dead_letter_bytes")) +
                   "); since the start: " + counts_text(part_of(status, "dead_lettered")) +
                   "; dropped: " + counts_text(part_of(status, "dropped"))});
}

constexpr const char* kHelp =
    "q quit   space pause   n/b/r order streams by name, behind, rate   j/k or arrows scroll   "
    "? help";

std::string written(const Lines& lines, const TopView& view) {
  std::string out;
  const size_t room = view.rows > 1 ? view.rows - 1 : 1;
  const size_t first = std::min(view.scrolled, lines.size() > room ? lines.size() - room : 0);
  for (size_t i = first; i < lines.size() && i - first < room; ++i) {
    const bool colored = view.colors && !lines[i].color.empty();
    if (colored) out += lines[i].color;
    out += cut(lines[i].text, view.columns);
    if (colored) out += kReset;
    out += '\n';
  }
  const std::string last = cut(view.help ? kHelp : "q quit, ? help", view.columns);
  return out + (view.colors ? kDim + last + kReset : last);
}

}  // namespace

bool is_status(std::string_view status_json) {
  const json status = json::parse(status_json, nullptr, false);
  return status.is_object() && status.contains("banner");
}

std::string top_screen(std::string_view status_json, const TopView& view) {
  const json status = json::parse(status_json, nullptr, false);
  Lines lines;
  add_head(lines, status, view);
  lines.push_back({});
  add_streams(lines, status, view);
  lines.push_back({});
  add_sources(lines, status);
  lines.push_back({});
  add_losses(lines, status);
  if (!list_of(status, "problems").empty() || !list_of(status, "solved_problems").empty()) {
    lines.push_back({});
    lines.push_back({"PROBLEMS", kBold});
    add_problems(lines, status, view);
  }
  return written(lines, view);
}

std::string top_screen_without(const std::string& error, const TopView& view) {
  Lines lines;
  add_wrapped(lines, "✕ " + error, view.columns, std::string(kBold) + color_of("bad"));
  return written(lines, view);
}

}  // namespace penstock::cli
