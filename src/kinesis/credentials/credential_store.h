// CredentialStore: the credentials everybody signs with, kept fresh on a thread of its own.
//
// They are renewed well before they expire, with jitter, so that a fleet does not ask at once. When
// renewing fails the old ones go on being used, past their expiry too: the service is the judge,
// and may be reachable when the provider is not (static stability).
//
// Thread: current(), refresh_soon() and status() from any. step() is the thread's, or a test's.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>

#include "kinesis/credentials/provider.h"

namespace penstock::kinesis {

class CredentialStore {
 public:
  struct Status {
    std::string provider;  // "": none found yet
    std::optional<WallTime> expiry;
    std::string account_id;
    std::string last_error;  // of the last attempt; "": it succeeded
  };

  CredentialStore(std::unique_ptr<CredentialProvider> provider, const Clock& clock, uint64_t seed);
  ~CredentialStore();

  // The first fetch has been tried when this returns, at most after `wait`.
  void start(milliseconds wait);
  void stop();
  // Fetches no more; true when the thread has ended, so that stop() does not wait.
  [[nodiscard]] bool end_soon();

  // Null while none have been found.
  [[nodiscard]] std::shared_ptr<const Credentials> current() const;
  // The service refused them: look again now, or when the last look is 10 s ago.
  void refresh_soon();
  // From now on these; takes effect with the next step.
  void replace(std::unique_ptr<CredentialProvider> provider);
  [[nodiscard]] Status status() const;

  // Fetches if it is time; returns how long to sleep.
  nanoseconds step();

 private:
  void run();
  void fetch();
  [[nodiscard]] nanoseconds until_renewal(const Credentials& credentials, WallTime now);
  [[nodiscard]] nanoseconds random_up_to(nanoseconds most);

  const Clock& clock_;
  std::unique_ptr<CredentialProvider> provider_;  // the thread's
  std::mt19937_64 random_;
  SteadyTime fetch_at_{};  // the thread's
  SteadyTime last_fetch_{};
  uint32_t failures_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::shared_ptr<const Credentials> current_;
  std::string last_error_;
  std::unique_ptr<CredentialProvider> replacement_;
  bool refresh_wanted_ = false;
  bool tried_ = false;
  bool stopping_ = false;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace penstock::kinesis
