#include "auth/access.h"

namespace penstock::auth {

boost::asio::awaitable<Judgement> Access::judge(std::string authorization, std::string peer,
                                                net::WaitLimit& limit) const {
  const HttpAuth::Verdict verdict = listed.check(authorization);
  if (verdict == HttpAuth::Verdict::welcome) co_return Judgement::granted;
  if (verdict == HttpAuth::Verdict::missing) co_return Judgement::missing;
  if (verdict == HttpAuth::Verdict::unknown) co_return Judgement::wrong;
  std::string token(*HttpAuth::bearer_token(authorization));
  const auto review = token_review;
  const auto user = co_await review->user_of(std::move(token), std::move(peer), limit);
  if (!user) co_return Judgement::unreachable;
  if (user->empty()) co_return Judgement::wrong;
  co_return listed.is_listed(*user) ? Judgement::granted : Judgement::not_listed;
}

}  // namespace penstock::auth
