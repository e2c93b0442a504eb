#include "cli/migrate/account.h"

#include <algorithm>
#include <tuple>

namespace penstock::cli {
namespace {

void mark_seen(FluentSection& section) {
  section.seen = true;
  for (FluentParameter& parameter : section.parameters) parameter.seen = true;
  for (FluentSection& inner : section.sections) mark_seen(inner);
}

}  // namespace

std::string title_of(const FluentSection& section) {
  std::string title = section.name.empty() ? "top level" : section.name;
  if (!section.argument.empty()) title += " " + section.argument;
  for (const FluentParameter& parameter : section.parameters) {
    if (parameter.key == "@type" || parameter.key == "type") title += " (" + parameter.value + ")";
  }
  return title;
}

void Account::add(Verdict verdict, const FluentPlace& place, std::string setting,
                  std::string_view text) {
  findings_.push_back({verdict, place, std::move(setting), std::string(text)});
}

void Account::add_section(Verdict verdict, FluentSection& section, std::string_view text) {
  add(verdict, section.place, "<" + title_of(section) + ">", text);
  mark_seen(section);
}

std::optional<std::string> Account::take(FluentSection& section, std::string_view key) {
  FluentParameter* const parameter = section.find(key);
  if (parameter == nullptr) return std::nullopt;
  for (FluentParameter& each : section.parameters) each.seen |= each.key == key;
  std::optional<std::string> value = ruby_free(parameter->value);
  if (!value) {
    say(section, key, Verdict::impossible,
        "embedded Ruby is not evaluated: write the value, or use ${NAME} from the environment");
  }
  return value;
}

std::optional<std::string> Account::exact(FluentSection& section, std::string_view key,
                                          std::string_view option) {
  std::optional<std::string> value = take(section, key);
  if (value) say(section, key, Verdict::exact, option);
  return value;
}

void Account::say(FluentSection& section, std::string_view key, Verdict verdict,
                  std::string_view text) {
  FluentParameter* const parameter = section.find(key);
  if (parameter == nullptr) return;
  for (FluentParameter& each : section.parameters) each.seen |= each.key == key;
  add(verdict, parameter->place, title_of(section) + ": " + std::string(key), text);
}

bool Account::is_true(FluentSection& section, std::string_view key, bool otherwise) {
  const std::optional<std::string> value = take(section, key);
  if (!value) return otherwise;
  // A boolean parameter without a value is true in Fluentd.
  return value->empty() || *value == "true" || *value == "yes";
}

void Account::apply(FluentSection& section, std::span<const Rule> rules) {
  section.seen = true;
  for (const Rule& rule : rules) say(section, rule.key, rule.verdict, rule.text);
}

void Account::add_unseen(FluentSection& section) {
  for (FluentParameter& parameter : section.parameters) {
    if (parameter.seen || parameter.key == "@id" || parameter.key == "@log_level") continue;
    parameter.seen = true;
    add(Verdict::impossible, parameter.place, title_of(section) + ": " + parameter.key,
        "no counterpart in penstock is known: check whether you need it");
  }
  for (FluentSection& inner : section.sections) {
    if (!inner.seen) {
      add_section(Verdict::impossible, inner, "no counterpart in penstock is known");
    } else {
      add_unseen(inner);
    }
  }
}

std::vector<Finding> Account::findings() && {
  std::stable_sort(findings_.begin(), findings_.end(), [](const Finding& a, const Finding& b) {
    return std::tie(a.place.file, a.place.line) < std::tie(b.place.file, b.place.line);
  });
  return std::move(findings_);
}

}  // namespace penstock::cli
