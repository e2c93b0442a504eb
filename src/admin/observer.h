// Observer: looks at the process once a second and remembers: rates, problems, history. What the
// status page and its JSON show comes from its last look.
//
// Thread: one, the admin's.
#pragma once

#include "admin/diagnosis.h"
#include "admin/history.h"
#include "admin/problem_log.h"
#include "admin/trend.h"

namespace penstock::admin {

class Observer {
 public:
  void look(const metrics::Scrape& scrape, const Health::Answer& healthz,
            const Health::Answer& readyz, SteadyTime now) {
    trend_.look(scrape, now);
    history_.look(scrape, now);
    problems_.look(diagnose({scrape, trend_, healthz, readyz}).findings, scrape.now, now);
  }

  [[nodiscard]] const Trend& trend() const { return trend_; }
  [[nodiscard]] const History& history() const { return history_; }
  [[nodiscard]] const ProblemLog& problems() const { return problems_; }

 private:
  Trend trend_;
  History history_;
  ProblemLog problems_;
};

}  // namespace penstock::admin
