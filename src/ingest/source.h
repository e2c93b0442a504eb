// Source: what the daemon sees of an input. Adding one touches this folder and one line of the
// daemon.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "metrics/status.h"

namespace penstock::ingest {

struct SourceSettings;

// Thread: the daemon's, all of it.
class Source {
 public:
  virtual ~Source() = default;
  [[nodiscard]] virtual const std::string& name() const = 0;

  virtual void start() = 0;
  // The drain's steps, in this order. First: no new connections.
  virtual void stop_accepting() = 0;
  // Every session ends its own side at the next message boundary, its acks written, and then takes
  // what still comes until the peer ends too.
  virtual void half_close() = 0;
  // Whoever is still there is cut off.
  virtual void close() = 0;
  // Once the IoThreads have stopped: gives up the sockets it listens on, which must go before the
  // io_contexts do, while the source itself outlives them (suspended sessions refer to it).
  virtual void release_listeners() = 0;

  // For connections from now on: renewed certificates and secrets, limits. settings are of the kind
  // that the source was opened with.
  virtual void reconfigure(std::shared_ptr<const SourceSettings> settings,
                           size_t connections_max) = 0;

  [[nodiscard]] virtual size_t connections() const = 0;
  [[nodiscard]] virtual metrics::SourceStatus status() const = 0;
  // Of its TLS listener; none without.
  [[nodiscard]] virtual std::optional<metrics::CertificateStatus> certificate() const = 0;
};

}  // namespace penstock::ingest
