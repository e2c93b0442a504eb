// Ledger: what happened to each event, in numbers that add up at every look:
//
//   received = delivered + dead_lettered + dropped + duplicate + pending
//
// Every exit of an event is entered here and only here. One lock, taken once a batch and
// transition, never once an event. pending is counted on its own, not derived.
//
// Thread: any.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace penstock::record {

class Ledger {
 public:
  struct Admitted {
    std::string_view stream;  // configuration name; "" while there is no route
    uint64_t events;
  };

  // events came in by source and are now pending under the streams named.
  void receive(std::string_view source, std::span<const Admitted> parts);

  // The four exits, each out of pending{stream}.
  void deliver(std::string_view stream, uint64_t events);
  void dead_letter(std::string_view stream, std::string_view reason, uint64_t events);
  void drop(std::string_view stream, std::string_view reason, uint64_t events);
  void duplicate(std::string_view stream, std::string_view source, uint64_t events);

  struct Snapshot {
    std::map<std::string, uint64_t, std::less<>> received;                  // source
    std::map<std::string, uint64_t, std::less<>> delivered;                 // stream
    std::map<std::pair<std::string, std::string>, uint64_t> dead_lettered;  // stream, reason
    std::map<std::string, uint64_t, std::less<>> dropped;                   // reason
    std::map<std::string, uint64_t, std::less<>> duplicate;                 // source
    std::map<std::string, uint64_t, std::less<>> pending;                   // stream
  };
  [[nodiscard]] Snapshot snapshot() const;

  // Makes the label known with a count of 0, so that a scrape shows it from the start.
  void announce_source(std::string_view source);
  void announce_stream(std::string_view stream);

 private:
  void leave_pending(std::string_view stream, uint64_t events);

  mutable std::mutex mutex_;
  Snapshot counts_;
};

}  // namespace penstock::record
