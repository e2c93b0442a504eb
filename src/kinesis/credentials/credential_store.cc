#include "kinesis/credentials/credential_store.h"

#include <algorithm>

#include "base/log.h"

namespace penstock::kinesis {
namespace {

using std::chrono::minutes;

// botocore's lead for renewing in the background; of short-lived ones half their life.
constexpr nanoseconds kLead = minutes(15);
constexpr nanoseconds kJitter = minutes(5);
// How often files are looked at, and how soon a refused set may be renewed again.
constexpr nanoseconds kLook = seconds(1);
constexpr nanoseconds kRefreshInterval = seconds(10);
constexpr nanoseconds kRetryMax = minutes(1);

}  // namespace

CredentialStore::CredentialStore(std::unique_ptr<CredentialProvider> provider, const Clock& clock,
                                 uint64_t seed)
    : clock_(clock), provider_(std::move(provider)), random_(seed) {
  fetch_at_ = clock_.steady();
}

CredentialStore::~CredentialStore() { stop(); }

void CredentialStore::start(milliseconds wait) {
  thread_ = std::thread([this] { run(); });
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, wait, [this] { return tried_; });
}

void CredentialStore::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void CredentialStore::run() {
  for (;;) {
    const nanoseconds sleep = step();
    std::unique_lock lock(mutex_);
    wake_.notify_all();
    wake_.wait_for(lock, sleep, [this] { return stopping_ || refresh_wanted_ || replacement_; });
    if (!stopping_) continue;
    ended_ = true;
    return;
  }
}

bool CredentialStore::end_soon() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  wake_.notify_all();
  return ended_ || !thread_.joinable();
}

std::shared_ptr<const Credentials> CredentialStore::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

void CredentialStore::refresh_soon() {
  const std::lock_guard lock(mutex_);
  refresh_wanted_ = true;
  wake_.notify_all();
}

void CredentialStore::replace(std::unique_ptr<CredentialProvider> provider) {
  const std::lock_guard lock(mutex_);
  replacement_ = std::move(provider);
  wake_.notify_all();
}

CredentialStore::Status CredentialStore::status() const {
  const std::lock_guard lock(mutex_);
  Status status;
  if (current_) status = {current_->provider, current_->expiry, current_->account_id, {}};
  status.last_error = last_error_;
  return status;
}

nanoseconds CredentialStore::random_up_to(nanoseconds most) {
  return nanoseconds(std::uniform_int_distribution<int64_t>(0, most.count())(random_));
}

nanoseconds CredentialStore::until_renewal(const Credentials& credentials, WallTime now) {
  if (!credentials.expiry) return nanoseconds::max();
  const nanoseconds life = *credentials.expiry - now;
  // Handed out already expired: the provider has trouble of its own. They are used as they are, and
  // it is called again later (as the SDKs do with the instance metadata service).
  if (life <= nanoseconds(0)) return minutes(17) + random_up_to(minutes(8));
  const nanoseconds lead = std::min(kLead, life / 2);
  const nanoseconds wait = life - lead - random_up_to(std::min(kJitter, lead / 3));
  return std::max<nanoseconds>(wait, seconds(1));
}

void CredentialStore::fetch() {
  last_fetch_ = clock_.steady();
  auto found = provider_->fetch();
  const std::lock_guard lock(mutex_);
  tried_ = true;
  if (found && *found) {
    failures_ = 0;
    last_error_.clear();
    const nanoseconds wait = until_renewal(**found, clock_.wall());
    fetch_at_ = wait == nanoseconds::max() ? SteadyTime::max() : last_fetch_ + wait;
    if (!current_ || current_->provider != (*found)->provider) {
      log_info("credentials found", {{"provider", (*found)->provider}});
    }
    if (!current_ || *current_ != **found) {
      current_ = std::make_shared<const Credentials>(std::move(**found));
    }
    return;
  }
  ++failures_;
  last_error_ = found ? "no credentials" : found.error().message;
  const nanoseconds ceiling =
      std::min<nanoseconds>(kRetryMax, seconds(1) * (1 << std::min(failures_, 6u)));
  fetch_at_ = last_fetch_ + ceiling / 2 + random_up_to(ceiling / 2);
  log_limited(LogLevel::warn, "credentials", "credentials could not be renewed",
              {{"error", last_error_}, {"in_use", current_ ? current_->provider : "none"}});
}

nanoseconds CredentialStore::step() {
  const SteadyTime now = clock_.steady();
  bool wanted = false;
  {
    const std::lock_guard lock(mutex_);
    if (replacement_) {
      provider_ = std::move(replacement_);
      fetch_at_ = now;
    }
    wanted = std::exchange(refresh_wanted_, false);
  }
  if (wanted) fetch_at_ = std::min(fetch_at_, std::max(now, last_fetch_ + kRefreshInterval));
  if (now >= fetch_at_ || provider_->changed()) fetch();
  const nanoseconds left = fetch_at_ - clock_.steady();
  return std::clamp<nanoseconds>(left, milliseconds(10), kLook);
}

}  // namespace penstock::kinesis
