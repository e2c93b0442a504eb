// Account: says of each setting of a Fluentd configuration what becomes of it, and notices which
// settings nobody has spoken of.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/migrate/migration.h"

namespace penstock::cli {

// What becomes of a parameter that needs no value of its own in penstock.yaml.
struct Rule {
  std::string_view key;
  Verdict verdict;
  std::string_view text;
};

class Account {
 public:
  void add(Verdict verdict, const FluentPlace& place, std::string setting, std::string_view text);
  // A whole section, its parameters and sections included.
  void add_section(Verdict verdict, FluentSection& section, std::string_view text);

  // The value, with environment variables in penstock's form; nullopt: not set, or Ruby that has no
  // counterpart (which is reported). Marks it as seen and says nothing else.
  std::optional<std::string> take(FluentSection& section, std::string_view key);
  // The same, reported as taken over exactly into `option` of penstock.yaml.
  std::optional<std::string> exact(FluentSection& section, std::string_view key,
                                   std::string_view option);
  // Reports a parameter that was taken.
  void say(FluentSection& section, std::string_view key, Verdict verdict, std::string_view text);
  bool is_true(FluentSection& section, std::string_view key, bool otherwise = false);
  // Reports each parameter that is set and has a rule.
  void apply(FluentSection& section, std::span<const Rule> rules);
  // Reports as impossible whatever is below `section` and was not seen.
  void add_unseen(FluentSection& section);

  [[nodiscard]] std::vector<Finding> findings() &&;

 private:
  std::vector<Finding> findings_;
};

// "match audit.** (kinesis_streams)": how findings call a section.
[[nodiscard]] std::string title_of(const FluentSection& section);

}  // namespace penstock::cli
