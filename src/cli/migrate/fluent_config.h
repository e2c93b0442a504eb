// Fluentd's configuration file, syntax v1, as a tree of sections.
//
// Source: docs.fluentd.org, "Config File Syntax": sections `<name argument>` … `</name>`, one
// parameter a line, comments from `#`, `@include` with globs relative to the including file, values
// plain, 'single' or "double" quoted, or JSON arrays and objects that may span lines. Embedded Ruby
// (`#{…}`) stays in the text: ruby_free() replaces what has a counterpart.
//
// Pure except read_fluent_config(), which opens files. Thread: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace penstock::cli {

// Where a setting was read: FILE:LINE.
struct FluentPlace {
  std::string file;
  uint32_t line = 0;
};

struct FluentParameter {
  std::string key;
  std::string value;  // quotes removed, escapes undone
  FluentPlace place;
  bool seen = false;  // the migration has said what becomes of it
};

struct FluentSection {
  std::string name;      // source, match, filter, label, store, buffer, …; empty: the whole file
  std::string argument;  // of a match: its patterns
  FluentPlace place;
  std::vector<FluentParameter> parameters;
  std::vector<FluentSection> sections;
  bool seen = false;

  [[nodiscard]] FluentParameter* find(std::string_view key);
  [[nodiscard]] FluentSection* find_section(std::string_view section_name);
  // The value of `@type` (or the older `type`); empty: there is none. Marks it as seen.
  [[nodiscard]] std::string type();
};

inline constexpr unsigned kFluentNestingMax = 32;   // sections, and files that include each other
inline constexpr size_t kFluentBytesMax = 4 << 20;  // of all files together

// Errors name file and line: an unreadable file, an unclosed section, an include that includes
// itself, more than the limits above.
[[nodiscard]] Result<FluentSection, Error> read_fluent_config(const std::string& file);
// The same for text at hand; `@include` is resolved relative to `file`.
[[nodiscard]] Result<FluentSection, Error> parse_fluent_config(std::string_view text,
                                                               const std::string& file);

// "#{ENV['NAME']}" becomes ${NAME}, "#{ENV.fetch('NAME', 'x')}" and "#{ENV['NAME'] || 'x'}"
// ${NAME:-x}, "#{hostname}" and "#{Socket.gethostname}" ${HOSTNAME}; a plain "${" becomes "$${",
// which is itself in penstock.yaml. nullopt: other Ruby is left in it.
[[nodiscard]] std::optional<std::string> ruby_free(std::string_view value);

}  // namespace penstock::cli
