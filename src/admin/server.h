// Server: the admin port. GET and HEAD of /healthz, /readyz, /metrics, /api/status, /api/history
// and /.
//
// HTTP/1.1 on a thread of its own, so that probes are answered however busy the others are. A
// second port, where there is one, speaks TLS and shows everything except health only to those
// whom its Access admits. Everything is bounded: connections of each port (the one that has been
// silent longest makes room for a new one, so that nobody can lock the probes out), header size,
// and time for each step.
//
// Ownership: holds references to what it asks; these outlive it. Thread: start and stop from one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "admin/health.h"
#include "auth/access.h"
#include "base/clock.h"
#include "base/result.h"
#include "metrics/counter.h"
#include "metrics/status.h"
#include "net/listen_address.h"
#include "net/tls_context.h"
#include "record/ledger.h"

namespace penstock::admin {

// Both are there.
struct SecureSettings {
  std::shared_ptr<const net::TlsContext> tls;
  std::shared_ptr<const auth::Access> access;
};

struct SecurePort {
  net::ListenAddress listen;
  SecureSettings settings;
};

struct ServerOptions {
  net::ListenAddress listen{"0.0.0.0", 9880};
  std::optional<SecurePort> secure = {};
  size_t connections_max = 64;
  milliseconds request_timeout{10'000};  // from its first byte to the end of the answer
  milliseconds idle_timeout{120'000};    // between requests; Prometheus asks every 15 to 60 s
  std::string version;
};

// What it asks; all must outlive the server.
struct ServerSources {
  Health& health;
  const record::Ledger& ledger;
  metrics::Metrics& metrics;  // counts what was refused
  const metrics::StatusSource& status;
  const Clock& clock = Clock::system();
};

class Server {
 public:
  // Listens and starts its thread. The error names the address and why.
  [[nodiscard]] static Result<std::unique_ptr<Server>, Error> start(ServerOptions options,
                                                                    ServerSources sources);
  virtual ~Server() = default;

  [[nodiscard]] virtual uint16_t port() const = 0;
  [[nodiscard]] virtual uint16_t secure_port() const = 0;  // 0: there is none
  // For connections and requests from now on. Thread: any.
  virtual void reconfigure(SecureSettings settings) = 0;
  // Closes everything and joins the thread. Idempotent; the destructor calls it.
  virtual void stop() = 0;
};

}  // namespace penstock::admin
