#include "auth/http_auth.h"

#include <gtest/gtest.h>

namespace penstock::auth {
namespace {

using Verdict = HttpAuth::Verdict;

TEST(HttpAuth, TakesEachOfItsTokensAndPasswordsAndNothingElse) {
  HttpAuth auth;
  auth.add_bearer_token("new");
  auth.add_bearer_token("old");
  auth.add_basic("alice", "sword:fish");
  EXPECT_EQ(auth.check(""), Verdict::missing);
  EXPECT_EQ(auth.check("Bearer new"), Verdict::welcome);
  EXPECT_EQ(auth.check("bearer   old "), Verdict::welcome);
  EXPECT_EQ(auth.check("Bearer newer"), Verdict::unknown);
  EXPECT_EQ(auth.check("Bearer "), Verdict::unknown);
  EXPECT_EQ(auth.check("Basic YWxpY2U6c3dvcmQ6ZmlzaA=="), Verdict::welcome);
  EXPECT_EQ(auth.check("Basic YWxpY2U6c3dvcmQ6ZmlzSA=="), Verdict::unknown);
  EXPECT_EQ(auth.check("Basic new"), Verdict::unknown);
  EXPECT_EQ(auth.check("Digest new"), Verdict::unknown);
  EXPECT_EQ(auth.check("Bearernew"), Verdict::unknown);
}

TEST(HttpAuth, ATokenItDoesNotKnowIsTheClustersToJudgeWhereAccountsAreListed) {
  HttpAuth auth;
  auth.add_bearer_token("ours");
  auth.add_service_account("openshift-logging/kds-collector");
  EXPECT_EQ(auth.check("Bearer ours"), Verdict::welcome);
  EXPECT_EQ(auth.check("Bearer theirs"), Verdict::needs_review);
  EXPECT_TRUE(auth.is_listed("system:serviceaccount:openshift-logging:kds-collector"));
  EXPECT_FALSE(auth.is_listed("system:serviceaccount:default:kds-collector"));
  EXPECT_FALSE(auth.is_listed(""));
}

}  // namespace
}  // namespace penstock::auth
