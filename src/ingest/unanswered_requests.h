// UnansweredRequests: HTTP requests that were admitted and whose senders do not know it. HTTP has
// no chunk ids: a sender that got no 200 sends the same body again. Such a request is recognized
// and takes over the outcome of the first one, instead of being stored a second time.
//
//   begin()    admitted ──► answered 200            forgotten: an equal body is another request
//                      ├──► answered `ack_timeout`  unanswered for the repeat window
//                      └──► connection lost         likewise
//   claim()    of an unanswered one, or of one whose peer has hung up: it is under way again.
//              While an answer to a peer that has hung up is being written, nobody knows whether it
//              arrives: the claim is undecided until then
//
// Kept in memory only: after a restart such a request is stored again.
//
// Thread: any.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/hash.h"
#include "ingest/http_body.h"
#include "net/event.h"
#include "net/hang_up_probe.h"
#include "spool/spool.h"

namespace penstock::ingest {

class UnansweredRequests : public std::enable_shared_from_this<UnansweredRequests> {
 public:
  static constexpr size_t kRequestsMax = 4096;

  explicit UnansweredRequests(const Clock& clock = Clock::system()) : clock_(clock) {}

  using Probe = std::shared_ptr<const net::HangUpProbe>;

  // What the request came to. Shared by its claims and the append.
  class Request {
   public:
    // Sets event when the outcome is known, perhaps at once.
    void watch(std::shared_ptr<net::Event> event);
    void finish(spool::AppendOutcome outcome);
    [[nodiscard]] std::optional<spool::AppendOutcome> outcome() const;
    // For the answer; written before finish().
    HttpBodyKind kind = HttpBodyKind::json;
    uint32_t events = 0;
    uint32_t malformed = 0;

   private:
    friend class UnansweredRequests;
    mutable std::mutex mutex_;
    std::optional<spool::AppendOutcome> outcome_;
    std::vector<std::shared_ptr<net::Event>> watching_;
    // Of the table, under its lock:
    Hash128 key_;
    uint64_t claim_ = 0;         // the last one; those before have nothing to say any more
    Probe probe_;                // of the connection it is to be answered on; null: of none
    bool is_answering_ = false;  // a 200 is being written: perhaps its sender has it
    std::vector<std::shared_ptr<net::Event>> deciding_;  // set when that is known
    SteadyTime expiry_ = SteadyTime::max();              // while it is unanswered
  };

  // That this connection is to answer the request. Given up without answered(): what is kept is
  // unanswered, and anything else forgotten.
  class Claim {
   public:
    Claim() = default;
    Claim(Claim&& other) noexcept = default;
    Claim& operator=(Claim&& other) noexcept;
    ~Claim() { give_up(); }

    explicit operator bool() const { return request_ != nullptr; }
    // There is perhaps a request that this one repeats: claim again when `decided` has been set.
    [[nodiscard]] bool is_undecided() const { return undecided_; }
    [[nodiscard]] const std::shared_ptr<Request>& request() const { return request_; }
    // The spool has it: whatever becomes of the connection, it need not come again.
    void kept(nanoseconds window) { window_ = window; }
    // From now on, until the claim is given up, what is equal is another request.
    void answering();
    void answered();

   private:
    friend class UnansweredRequests;
    void give_up();

    std::shared_ptr<UnansweredRequests> table_;
    std::shared_ptr<Request> request_;
    uint64_t number_ = 0;    // 0: it began the request, and hands it to the spool
    nanoseconds window_{0};  // 0: not yet kept
    bool undecided_ = false;
  };

  // The request that this one repeats; empty: none, or undecided. decided: of an undecided claim.
  [[nodiscard]] Claim claim(const Hash128& key, Probe probe,
                            const std::shared_ptr<net::Event>& decided);
  [[nodiscard]] Claim begin(const Hash128& key, Probe probe);

  // peer: address and port; the port does not count, senders come back from another. head: what
  // else tells requests apart.
  [[nodiscard]] static Hash128 key_of(std::string_view peer, std::string_view head, ByteView body);

 private:
  using Requests = std::multimap<Hash128, std::shared_ptr<Request>>;
  [[nodiscard]] Requests::iterator find(const Request& request);
  void make_room();

  const Clock& clock_;
  std::mutex mutex_;
  Requests requests_;  // under mutex_
};

}  // namespace penstock::ingest
