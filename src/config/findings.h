// Where validation puts what it finds. It speaks of keys ("streams.audit.name"); this knows which
// line of the file, or which environment variable, said so.
//
// Used while loading only, by one thread.
#pragma once

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "config/options.h"
#include "config/problem.h"

namespace penstock::config {

class Findings {
 public:
  // locate: fills in file, line and the operator's name of a key.
  using Locate = std::function<Problem(const std::string& key)>;
  // words: what a text that was made of values may say of them.
  using Words = std::function<std::string(std::string text)>;

  // `problems` may hold what reading has found.
  Findings(std::vector<Problem>& problems, Locate locate, std::vector<std::string> source_paths,
           Words words)
      : problems_(problems),
        locate_(std::move(locate)),
        source_paths_(std::move(source_paths)),
        words_(std::move(words)) {
    for (const Problem& problem : problems_) note_error(problem.key, problem.severity);
  }

  void error(const std::string& key, std::string message, std::string cure) {
    add(key, std::move(message), std::move(cure), Severity::error);
  }
  void warn(const std::string& key, std::string message, std::string cure) {
    add(key, std::move(message), std::move(cure), Severity::warning);
  }
  // Whether something at the key or below it is wrong: what follows from that is not worth a word.
  [[nodiscard]] bool has_error(const std::string& key) const {
    const auto is_below = [this](const std::string& prefix) {
      const auto next = wrong_.lower_bound(prefix);
      return next != wrong_.end() && next->starts_with(prefix);
    };
    return wrong_.contains(key) || is_below(key + ".") || is_below(key + "[");
  }
  // The key path of the i-th source in the order of for_each_source().
  [[nodiscard]] std::string source_path(size_t i) const {
    return i < source_paths_.size() ? source_paths_[i] : "sources";
  }

 private:
  void add(const std::string& key, std::string message, std::string cure, Severity severity) {
    if (has_error(key)) return;  // one bad value is one error
    Problem problem = locate_(key);
    problem.message = words_(std::move(message));
    problem.cure = words_(std::move(cure));
    problem.severity = severity;
    note_error(key, severity);
    // A variable that every stream takes over is wrong once.
    const auto is_told = [&](const Problem& other) {
      return to_string(other) == to_string(problem);
    };
    if (std::any_of(problems_.begin(), problems_.end(), is_told)) return;
    problems_.push_back(std::move(problem));
  }
  void note_error(const std::string& key, Severity severity) {
    if (severity == Severity::error) wrong_.insert(key);
  }

  std::vector<Problem>& problems_;
  Locate locate_;
  std::vector<std::string> source_paths_;
  Words words_;
  std::set<std::string> wrong_;
};

// Fills in what depends on other values or on the environment: names and regions out of ARNs,
// AWS_REGION and its kin, the dead letters' directory, the acknowledgement mode.
class Environment;
void complete(Config& config, const Environment& environment, bool ack_given, Findings& findings);

// Everything that one value alone does not tell.
void validate(const Config& config, Findings& findings);
void validate_sources(const Config& config, Findings& findings);   // part of validate()
void validate_delivery(const Config& config, Findings& findings);  // part of validate()
// Whether each of the stream's readers understands its records. Part of validate_delivery().
void validate_readers(const std::string& at, const StreamOptions& stream, Findings& findings);

}  // namespace penstock::config
