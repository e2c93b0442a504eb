#include "daemon/shard_watch.h"

#include <algorithm>

#include "base/log.h"

namespace penstock::daemon {
namespace {

constexpr milliseconds kFirstWithin{1'000};
constexpr milliseconds kAgain{300'000};       // 5 minutes and up to as much again
constexpr milliseconds kAfterFailure{2'000};  // doubled up to kAgain
constexpr milliseconds kBetween{5'000};       // at least, however often ask_soon() is called
constexpr milliseconds kPatience{5'000};      // of one question: the thread serves all streams

milliseconds up_to(milliseconds most, uint64_t random) {
  return milliseconds(static_cast<int64_t>(random % static_cast<uint64_t>(most.count() + 1)));
}

}  // namespace

ShardWatch::ShardWatch(Ask ask) : ask_(std::move(ask)), thread_([this] { run(); }) {}

ShardWatch::~ShardWatch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

ShardWatch::Id ShardWatch::watch(ShardTarget target, Told told) {
  const std::lock_guard lock(mutex_);
  Watched watched;
  watched.target = std::move(target);
  watched.told = std::move(told);
  watched.due = std::chrono::steady_clock::now() + up_to(kFirstWithin, random_());
  watched_.emplace(next_id_, std::move(watched));
  changed_.notify_all();
  return next_id_++;
}

void ShardWatch::forget(Id id) {
  const std::lock_guard lock(mutex_);
  watched_.erase(id);
}

void ShardWatch::ask_soon(Id id) {
  const std::lock_guard lock(mutex_);
  const auto found = watched_.find(id);
  if (found == watched_.end() || found->second.tries > 0) return;
  const SteadyTime soon =
      std::max(std::chrono::steady_clock::now() + up_to(kFirstWithin, random_()),
               found->second.asked + kBetween);
  found->second.due = std::min(found->second.due, soon);
  changed_.notify_all();
}

milliseconds ShardWatch::pause_after(const ShardNews& news, uint32_t tries, uint64_t random) {
  if (!news.failed) return kAgain + up_to(kAgain, random);
  if (news.denied) return 2 * kAgain + up_to(kAgain, random);
  const milliseconds pause = kAfterFailure * (1 << std::min(tries > 0 ? tries - 1 : 0, 12u));
  return std::min(pause, kAgain) + up_to(std::min(pause, kAgain), random);
}

void ShardWatch::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto next =
        std::min_element(watched_.begin(), watched_.end(),
                         [](const auto& a, const auto& b) { return a.second.due < b.second.due; });
    if (next == watched_.end()) {
      changed_.wait(lock);
      continue;
    }
    if (next->second.due > std::chrono::steady_clock::now()) {
      const SteadyTime due = next->second.due;  // a copy: it may be forgotten meanwhile
      changed_.wait_until(lock, due);
      continue;
    }
    const Id id = next->first;
    const ShardTarget target = next->second.target;
    lock.unlock();
    const ShardNews news = ask_(target);
    lock.lock();
    const auto still = watched_.find(id);
    if (still == watched_.end()) continue;
    Watched& watched = still->second;
    watched.asked = std::chrono::steady_clock::now();
    watched.tries = news.failed ? watched.tries + 1 : 0;
    watched.due = watched.asked + pause_after(news, watched.tries, random_());
    watched.told(news);
  }
}

ShardNews ask_service(const ShardTarget& target) {
  const auto keys = [&target](bool renew) -> Result<kinesis::Credentials, Error> {
    if (renew) target.credentials->refresh_soon();
    const auto found = target.credentials->current();
    if (!found || found->empty()) return run_error("there are no credentials yet");
    return *found;
  };
  kinesis::ControlClient::Options options;
  options.data = options.control = target.control;
  options.http.ca_bundle = target.ca_bundle;
  options.patience = kPatience;
  kinesis::ClockOffset clock_offset;
  kinesis::ControlClient client(std::move(options), keys, Clock::system(), clock_offset);
  ShardNews news;
  const auto note = [&](const kinesis::ServiceError& error) {
    const bool denied = error.error == kinesis::PutError::access_denied;
    news.denied = denied || news.denied;
    news.failed = true;
    log_limited(denied ? LogLevel::info : LogLevel::warn, target.stream + "/asked/" + error.code,
                "cannot read the shard layout of the stream: delivering without it",
                {{"stream", target.stream}, {"error", error.text}});
  };
  const auto summary = client.describe_stream(target.id);
  if (summary) {
    news.record_bytes_max = summary->record_bytes_max;
    news.distribution = summary->distribution;
  } else {
    note(summary.error());
  }
  const auto listed = client.list_shards(target.id, true);
  if (listed) {
    news.shards = std::make_shared<const kinesis::ShardMap>(kinesis::open_shards(*listed));
  } else {
    note(listed.error());
  }
  return news;
}

}  // namespace penstock::daemon
