#include "admin/problem_log.h"

#include <algorithm>

#include "admin/words.h"

namespace penstock::admin {
namespace {

// The service, the stream and the spool log a loss when it happens, with the reason.
bool is_logged_elsewhere(const Finding& finding) {
  return finding.kind == "dead_letters" || finding.kind == "dropped" ||
         finding.kind == "senders_rejected" || finding.kind == "datagrams_lost" ||
         finding.kind == "reload";
}

void write_log(LogLevel level, const std::string& text, const Finding& finding) {
  if (finding.subject.empty()) {
    log(level, text, {{"problem", finding.kind}});
  } else {
    log(level, text, {{"problem", finding.kind}, {"of", finding.subject}});
  }
}

}  // namespace

ProblemLog::ProblemLog(Log log) : log_(log ? std::move(log) : Log(write_log)) {}

void ProblemLog::log_begin(Entry& entry, SteadyTime now) {
  entry.logged = now;
  const Finding& finding = entry.problem.finding;
  if (is_logged_elsewhere(finding)) return;
  log_(finding.level == Level::bad ? LogLevel::error : LogLevel::warn,
       finding.text + (finding.cure.empty() ? "" : " " + finding.cure), finding);
}

void ProblemLog::end(Entry& entry) {
  const Problem& problem = entry.problem;
  const double lasted = std::chrono::duration<double>(problem.last_seen - problem.since).count();
  if (!problem.finding.solved.empty()) {
    std::string text = problem.finding.solved + ", after " + duration_text(lasted);
    if (problem.worst > 0) text += "; it was up to " + duration_text(problem.worst) + " behind";
    log_(LogLevel::info, text, problem.finding);
  }
  solved_.push_front(std::move(entry.problem));
  if (solved_.size() > kSolvedMax) solved_.pop_back();
}

void ProblemLog::look(const std::vector<Finding>& findings, WallTime wall, SteadyTime now) {
  size_t rank = 0;
  for (const Finding& finding : findings) {
    const Key key(finding.kind, finding.subject);
    const bool is_new = !open_.contains(key);
    if (is_new && open_.size() >= kOpenMax) continue;
    Entry& entry = open_[key];
    entry.problem.finding = finding;
    if (is_new) entry.problem.since = finding.since.value_or(wall);
    entry.problem.last_seen = wall;
    entry.problem.worst = std::max(entry.problem.worst, finding.size);
    entry.last_seen = now;
    entry.rank = rank++;
    if (is_new || now - entry.logged >= kReminder) log_begin(entry, now);
  }
  for (auto entry = open_.begin(); entry != open_.end();) {
    if (now - entry->second.last_seen < kRest) {
      ++entry;
      continue;
    }
    end(entry->second);
    entry = open_.erase(entry);
  }
}

std::vector<Problem> ProblemLog::open() const {
  std::vector<const Entry*> entries;
  SteadyTime latest{};
  for (const auto& [key, entry] : open_) {
    entries.push_back(&entry);
    latest = std::max(latest, entry.last_seen);
  }
  std::sort(entries.begin(), entries.end(), [latest](const Entry* a, const Entry* b) {
    return std::pair(a->last_seen != latest, a->rank) < std::pair(b->last_seen != latest, b->rank);
  });
  std::vector<Problem> problems;
  problems.reserve(entries.size());
  for (const Entry* entry : entries) problems.push_back(entry->problem);
  return problems;
}

}  // namespace penstock::admin
