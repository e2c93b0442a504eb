#include "ingest/unanswered_requests.h"

#include <algorithm>
#include <utility>

#include "base/big_endian.h"
#include "net/stream.h"

namespace penstock::ingest {

void UnansweredRequests::Request::watch(std::shared_ptr<net::Event> event) {
  const std::lock_guard lock(mutex_);
  if (outcome_) return event->set();
  watching_.push_back(std::move(event));
}

void UnansweredRequests::Request::finish(spool::AppendOutcome outcome) {
  std::vector<std::shared_ptr<net::Event>> watching;
  {
    const std::lock_guard lock(mutex_);
    if (outcome_) return;
    outcome_ = outcome;
    watching = std::exchange(watching_, {});
  }
  for (const auto& event : watching) event->set();
}

std::optional<spool::AppendOutcome> UnansweredRequests::Request::outcome() const {
  const std::lock_guard lock(mutex_);
  return outcome_;
}

UnansweredRequests::Claim& UnansweredRequests::Claim::operator=(Claim&& other) noexcept {
  if (this != &other) {
    give_up();
    table_ = std::move(other.table_);
    request_ = std::move(other.request_);
    number_ = other.number_;
    window_ = other.window_;
    undecided_ = std::exchange(other.undecided_, false);
  }
  return *this;
}

void UnansweredRequests::Claim::answering() {
  if (!table_) return;
  const std::lock_guard lock(table_->mutex_);
  if (request_->claim_ == number_) request_->is_answering_ = true;
}

void UnansweredRequests::Claim::answered() {
  window_ = nanoseconds(0);
  give_up();
}

void UnansweredRequests::Claim::give_up() {
  const auto table = std::exchange(table_, nullptr);
  const auto request = std::exchange(request_, nullptr);
  if (!table) return;
  std::vector<std::shared_ptr<net::Event>> deciding;
  bool is_unanswered = false;
  const bool is_unknown_to_spool = number_ == 0 && window_.count() == 0;
  {
    std::unique_lock lock(table->mutex_);
    if (request->claim_ != number_) {  // another connection answers it
      lock.unlock();
      if (is_unknown_to_spool) request->finish(spool::AppendOutcome::cancelled);
      return;
    }
    deciding = std::exchange(request->deciding_, {});
    const auto outcome = request->outcome();
    const bool is_kept = !outcome || *outcome == spool::AppendOutcome::done;
    request->probe_ = nullptr;
    request->is_answering_ = false;
    is_unanswered = window_.count() > 0 && is_kept;
    if (is_unanswered) {
      request->expiry_ = table->clock_.steady() + window_;
    } else if (const auto place = table->find(*request); place != table->requests_.end()) {
      table->requests_.erase(place);
    }
  }
  for (const auto& event : deciding) event->set();
  // Whoever has waited for a request of which nothing was kept stores it.
  if (!is_unanswered) request->finish(spool::AppendOutcome::cancelled);
}

UnansweredRequests::Claim UnansweredRequests::claim(const Hash128& key, Probe probe,
                                                    const std::shared_ptr<net::Event>& decided) {
  Claim claim;
  Request* answering = nullptr;
  const std::lock_guard lock(mutex_);
  const SteadyTime now = clock_.steady();
  const auto [begin, end] = requests_.equal_range(key);
  for (auto place = begin; place != end;) {
    Request& request = *place->second;
    if (request.is_answering_) {
      if (request.probe_->has_hung_up()) answering = &request;
      ++place;
      continue;
    }
    if (request.probe_ == nullptr && request.expiry_ <= now) {
      place = requests_.erase(place);
      continue;
    }
    if (request.probe_ == nullptr || request.probe_->has_hung_up()) {
      request.probe_ = std::move(probe);
      request.expiry_ = SteadyTime::max();
      claim.table_ = shared_from_this();
      claim.request_ = place->second;
      claim.number_ = ++request.claim_;
      return claim;
    }
    ++place;
  }
  if (answering != nullptr) {
    answering->deciding_.push_back(decided);
    claim.undecided_ = true;
  }
  return claim;
}

UnansweredRequests::Claim UnansweredRequests::begin(const Hash128& key, Probe probe) {
  Claim claim;
  claim.table_ = shared_from_this();
  claim.request_ = std::make_shared<Request>();
  claim.request_->key_ = key;
  claim.request_->probe_ = std::move(probe);
  const std::lock_guard lock(mutex_);
  make_room();
  requests_.emplace(key, claim.request_);
  return claim;
}

UnansweredRequests::Requests::iterator UnansweredRequests::find(const Request& request) {
  const auto [begin, end] = requests_.equal_range(request.key_);
  const auto found =
      std::find_if(begin, end, [&](const auto& each) { return each.second.get() == &request; });
  return found == end ? requests_.end() : found;
}

// A sender's repeats come within its own time for retries: the longest unanswered goes first.
void UnansweredRequests::make_room() {
  if (requests_.size() < kRequestsMax) return;
  const SteadyTime now = clock_.steady();
  std::erase_if(requests_, [&](const auto& each) { return each.second->expiry_ <= now; });
  if (requests_.size() < kRequestsMax) return;
  const auto oldest =
      std::min_element(requests_.begin(), requests_.end(), [](const auto& one, const auto& other) {
        return one.second->expiry_ < other.second->expiry_;
      });
  requests_.erase(oldest);
}

Hash128 UnansweredRequests::key_of(std::string_view peer, std::string_view head, ByteView body) {
  const std::string_view address = net::address_of(peer);
  const Hash128 of_body = hash128(body);
  ByteBuffer all(address.size() + head.size() + 32);
  const auto number = [&](uint64_t value) {
    uint8_t bytes[8];
    store_le<uint64_t>(bytes, value);
    all.append(ByteView(bytes, sizeof bytes));
  };
  number(address.size());
  all.append(address);
  all.append(head);
  number(of_body.low);
  number(of_body.high);
  return hash128(all.view());
}

}  // namespace penstock::ingest
