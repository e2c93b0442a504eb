#include "admin/problem_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penstock::admin {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class AProblem : public testing::Test {
 protected:
  static Finding stuck(double size = 0) {
    Finding finding;
    finding.kind = "not_delivering";
    finding.subject = "projects";
    finding.level = Level::bad;
    finding.text = "Not delivering to projects.";
    finding.cure = "Check DNS.";
    finding.solved = "stream projects delivers again";
    finding.size = size;
    return finding;
  }
  void look(std::vector<Finding> findings, int times = 1) {
    for (int i = 0; i < times; ++i) {
      clock.advance(seconds(1));
      problems.look(findings, clock.wall(), clock.steady());
    }
  }

  ManualClock clock;
  std::vector<std::string> lines;
  ProblemLog problems{[this](LogLevel level, const std::string& text, const Finding&) {
    lines.push_back((level == LogLevel::error ? "error " : "info ") + text);
  }};
};

TEST_F(AProblem, IsLoggedWhenItBeginsAndWhenItIsOver) {
  look({stuck(30)}, 60);
  EXPECT_THAT(lines, ElementsAre("error Not delivering to projects. Check DNS."));
  EXPECT_EQ(problems.open().size(), 1u);
  look({}, 9);
  EXPECT_EQ(problems.open().size(), 1u);  // it rests
  look({}, 2);
  EXPECT_THAT(problems.open(), IsEmpty());
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1], "info stream projects delivers again, after 59 s; it was up to 30 s behind");
  ASSERT_EQ(problems.solved().size(), 1u);
}

TEST_F(AProblem, ThatComesAndGoesIsOne) {
  for (int i = 0; i < 20; ++i) {
    look({stuck()});
    look({}, 5);
  }
  EXPECT_EQ(lines.size(), 1u);
  EXPECT_THAT(problems.solved(), IsEmpty());
}

TEST_F(AProblem, ThatLastsIsLoggedEveryTenMinutes) {
  look({stuck()}, 1801);
  EXPECT_EQ(lines.size(), 4u);
}

TEST_F(AProblem, OfOldIsForgottenByAndBy) {
  for (size_t i = 0; i < ProblemLog::kSolvedMax + 10; ++i) {
    Finding finding = stuck();
    finding.subject = std::to_string(i);
    look({finding});
    look({}, 11);
  }
  EXPECT_EQ(problems.solved().size(), ProblemLog::kSolvedMax);
  EXPECT_EQ(problems.solved().front().finding.subject, "59");
}

}  // namespace
}  // namespace penstock::admin
