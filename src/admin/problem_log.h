// ProblemLog: what is wrong now and what was, with since, until and the worst of it; and says so in
// the log when it begins and when it is over. What comes and goes within kRest is one problem.
//
// Thread: one, the admin's.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "admin/diagnosis.h"
#include "base/log.h"

namespace penstock::admin {

struct Problem {
  Finding finding;  // as last seen
  WallTime since{};
  WallTime last_seen{};
  double worst = 0;  // the largest Finding::size
};

class ProblemLog {
 public:
  // A problem that was not seen for so long is over.
  static constexpr seconds kRest{10};
  // A problem that lasts is logged again.
  static constexpr seconds kReminder{600};
  static constexpr size_t kSolvedMax = 50;
  static constexpr size_t kOpenMax = 500;

  using Log = std::function<void(LogLevel, const std::string& text, const Finding&)>;

  // log: for tests; else the process's.
  explicit ProblemLog(Log log = {});

  void look(const std::vector<Finding>& findings, WallTime wall, SteadyTime now);

  // In the order of the last look, the worst first; then those that rest.
  [[nodiscard]] std::vector<Problem> open() const;
  // The last ones that are over, newest first; their last_seen is their end.
  [[nodiscard]] const std::deque<Problem>& solved() const { return solved_; }

 private:
  struct Entry {
    Problem problem;
    SteadyTime last_seen{};
    SteadyTime logged{};
    size_t rank = 0;
  };
  using Key = std::pair<std::string, std::string>;

  void log_begin(Entry& entry, SteadyTime now);
  void end(Entry& entry);

  const Log log_;
  std::map<Key, Entry> open_;
  std::deque<Problem> solved_;
};

}  // namespace penstock::admin
