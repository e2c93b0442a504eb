#include "cli/migrate/fluent_config.h"

#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/text.h"

namespace penstock::cli {
namespace {

constexpr std::string_view kBlanks = " \t\r";

// Up to a `#` at the beginning or behind a blank, outside of quotes and of embedded Ruby.
std::string_view without_comment(std::string_view text) {
  char quote = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == '\\') {
        ++i;
      } else if (c == quote) {
        quote = 0;
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '#' && (i == 0 || kBlanks.find(text[i - 1]) != std::string_view::npos)) {
      return text.substr(0, i);
    }
  }
  return text;
}

// How many brackets are open at the end of a JSON value that may go on in the next line.
int open_brackets(std::string_view text) {
  int open = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (!quoted) {
      open += text[i] == '[' || text[i] == '{' ? 1 : text[i] == ']' || text[i] == '}' ? -1 : 0;
    }
  }
  return open;
}

// 'text' as it is (except \' and \\), "text" with the escapes undone, anything else unchanged.
std::string unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != text.back()) return std::string(text);
  const char quote = text.front();
  if (quote != '"' && quote != '\'') return std::string(text);
  std::string value;
  for (size_t i = 1; i + 1 < text.size(); ++i) {
    char c = text[i];
    if (c == '\\' && i + 2 < text.size()) {
      const char next = text[++i];
      if (quote == '\'') {
        if (next != '\'' && next != '\\') value += '\\';
        c = next;
      } else {
        c = next == 'n' ? '\n' : next == 't' ? '\t' : next == 'r' ? '\r' : next;
      }
    }
    value += c;
  }
  return value;
}

// "${" would be a variable of penstock.yaml; in Fluentd it is a placeholder, or text.
void append_literally(std::string& result, std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("${")) result += '$';
    result += text[i];
  }
}

class Parser {
 public:
  Result<FluentSection, Error> parse(std::string_view text, const std::string& file) {
    FluentSection root;
    root.place = {file, 1};
    std::vector<FluentSection*> open{&root};
    if (auto error = parse_into(text, file, open, 0)) return usage_error(*error);
    return root;
  }

 private:
  using Problem = std::optional<std::string>;

  static std::string at(const FluentPlace& place) {
    return place.file + ":" + std::to_string(place.line) + ": ";
  }

  // `open`: the sections around the text, innermost last; an included file must leave them as it
  // found them.
  Problem parse_into(std::string_view text, const std::string& file,
                     std::vector<FluentSection*>& open, unsigned depth) {
    bytes_ += text.size();
    if (bytes_ > kFluentBytesMax) return file + ": more than 4 MiB of configuration";
    const size_t depth_before = open.size();
    FluentPlace place{file, 0};
    size_t begin = 0;
    const auto next_line = [&]() -> std::optional<std::string_view> {
      if (begin >= text.size()) return std::nullopt;
      const size_t end = std::min(text.find('\n', begin), text.size());
      const std::string_view line = text.substr(begin, end - begin);
      begin = end + 1;
      ++place.line;
      return line;
    };
    while (const auto raw = next_line()) {
      const std::string_view line = trimmed(without_comment(*raw), kBlanks);
      if (line.empty()) continue;
      if (line.front() == '<') {
        if (auto problem = tag_line(line, place, open, depth_before)) return problem;
      } else if (line.starts_with("@include ") || line.starts_with("include ")) {
        const std::string pattern = unquoted(trimmed(line.substr(line.find(' ')), kBlanks));
        if (auto problem = include(pattern, place, open, depth)) return problem;
      } else {
        const FluentPlace first = place;
        const size_t split = std::min(line.find_first_of(kBlanks), line.size());
        std::string value(trimmed(line.substr(split), kBlanks));
        const bool is_json = !value.empty() && (value[0] == '[' || value[0] == '{');
        while (is_json && open_brackets(value) > 0) {
          const auto more = next_line();
          if (!more) return at(first) + "the value has no end: a ] or } is missing";
          value += trimmed(without_comment(*more), kBlanks);
        }
        open.back()->parameters.push_back(
            {std::string(line.substr(0, split)), unquoted(value), first});
      }
    }
    if (open.size() != depth_before) {
      return at(open.back()->place) + "<" + open.back()->name + "> is not closed";
    }
    return std::nullopt;
  }

  Problem tag_line(std::string_view line, const FluentPlace& place,
                   std::vector<FluentSection*>& open, size_t depth_before) {
    if (line.back() != '>') return at(place) + "a section's line must end with '>'";
    const std::string_view inside = trimmed(line.substr(1, line.size() - 2), kBlanks);
    if (inside.starts_with('/')) {
      const std::string_view name = trimmed(inside.substr(1), kBlanks);
      if (open.size() <= depth_before || open.back()->name != name) {
        return at(place) + "</" + std::string(name) + "> closes nothing that is open";
      }
      open.pop_back();
      return std::nullopt;
    }
    if (open.size() > kFluentNestingMax) return at(place) + "sections are nested too deep";
    const size_t split = std::min(inside.find_first_of(kBlanks), inside.size());
    FluentSection section;
    section.name = inside.substr(0, split);
    section.argument = unquoted(trimmed(inside.substr(split), kBlanks));
    section.place = place;
    if (section.name.empty()) return at(place) + "a section needs a name";
    // A section grows only while it is the innermost open one, so pointers to those around stay.
    open.back()->sections.push_back(std::move(section));
    open.push_back(&open.back()->sections.back());
    return std::nullopt;
  }

  Problem include(const std::string& pattern, const FluentPlace& place,
                  std::vector<FluentSection*>& open, unsigned depth) {
    if (depth >= kFluentNestingMax) return at(place) + "files include each other without end";
    if (pattern.find("://") != std::string::npos) {
      return at(place) + "@include of a URL is not supported: fetch it and include the file";
    }
    std::filesystem::path path(pattern);
    if (path.is_relative()) path = std::filesystem::path(place.file).parent_path() / path;
    glob_t found{};
    const int status = ::glob(path.c_str(), 0, nullptr, &found);
    std::vector<std::string> files(found.gl_pathv, found.gl_pathv + found.gl_pathc);
    ::globfree(&found);
    const bool is_pattern = pattern.find_first_of("*?[{") != std::string::npos;
    if (status != 0 && !(status == GLOB_NOMATCH && is_pattern)) {
      return at(place) + "cannot read " + path.string() + ": no such file";
    }
    for (const std::string& file : files) {
      std::ifstream stream(file, std::ios::binary);
      std::stringstream text;
      if (!stream || !(text << stream.rdbuf())) {
        if (std::filesystem::file_size(file) == 0) continue;
        return at(place) + "cannot read " + file;
      }
      if (auto problem = parse_into(text.str(), file, open, depth + 1)) return problem;
    }
    return std::nullopt;
  }

  size_t bytes_ = 0;
};

}  // namespace

FluentParameter* FluentSection::find(std::string_view key) {
  // The last one counts, as in Fluentd.
  const auto found = std::find_if(parameters.rbegin(), parameters.rend(),
                                  [&](const auto& parameter) { return parameter.key == key; });
  return found == parameters.rend() ? nullptr : &*found;
}

FluentSection* FluentSection::find_section(std::string_view section_name) {
  const auto found = std::find_if(sections.begin(), sections.end(), [&](const auto& section) {
    return section.name == section_name;
  });
  return found == sections.end() ? nullptr : &*found;
}

std::string FluentSection::type() {
  for (const char* key : {"@type", "type"}) {
    if (FluentParameter* parameter = find(key)) {
      parameter->seen = true;
      return parameter->value;
    }
  }
  return {};
}

Result<FluentSection, Error> parse_fluent_config(std::string_view text, const std::string& file) {
  return Parser().parse(text, file);
}

Result<FluentSection, Error> read_fluent_config(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::stringstream text;
  if (!stream || std::filesystem::is_directory(file)) {
    return usage_error("cannot read " + file + ": name a Fluentd configuration file");
  }
  text << stream.rdbuf();
  return parse_fluent_config(text.str(), file);
}

std::optional<std::string> ruby_free(std::string_view value) {
  std::string result;
  while (true) {
    const size_t begin = value.find("#{");
    append_literally(result, value.substr(0, begin));
    if (begin == std::string_view::npos) return result;
    const size_t end = value.find('}', begin);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view ruby = trimmed(value.substr(begin + 2, end - begin - 2), kBlanks);
    value.remove_prefix(end + 1);
    if (ruby == "hostname" || ruby == "Socket.gethostname") {
      result += "${HOSTNAME}";
      continue;
    }
    // ENV['NAME'], ENV["NAME"], ENV.fetch('NAME'), ENV.fetch('NAME', 'default'), ENV['NAME'] || 'x'
    std::vector<std::string> quoted;
    for (size_t i = 0; i < ruby.size(); ++i) {
      if (ruby[i] != '\'' && ruby[i] != '"') continue;
      const size_t close = ruby.find(ruby[i], i + 1);
      if (close == std::string_view::npos) return std::nullopt;
      quoted.emplace_back(ruby.substr(i + 1, close - i - 1));
      i = close;
    }
    const bool is_index = ruby.starts_with("ENV[") && ruby.ends_with("]") && quoted.size() == 1;
    const bool is_either = ruby.starts_with("ENV[") &&
                           ruby.find("] || ") != std::string_view::npos && quoted.size() == 2 &&
                           (ruby.back() == '\'' || ruby.back() == '"');
    const bool is_fetch = ruby.starts_with("ENV.fetch(") && ruby.ends_with(")") &&
                          (quoted.size() == 1 || quoted.size() == 2);
    if (!is_index && !is_fetch && !is_either) return std::nullopt;
    result += "${" + quoted[0] + (quoted.size() == 2 ? ":-" + quoted[1] : "") + "}";
  }
}

}  // namespace penstock::cli
