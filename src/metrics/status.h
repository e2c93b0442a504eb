// Status: what the admin port tells beside the ledger and the counters: the state of things that
// somebody owns. StatusSource is the daemon's to implement.
//
// Never holds a record's content or a secret.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace penstock::metrics {

struct SourceStatus {
  std::string name;
  std::string type;     // forward, http, syslog
  std::string address;  // as bound, with the real port
  bool tls = false;
};

struct RouteStatus {
  std::string condition;  // "log_type: audit", "tag: app.**"; empty: everything
  std::string stream;
};

struct StreamStatus {
  std::string name;    // configuration name
  std::string target;  // "my-stream (us-east-1)"
  uint64_t spool_bytes = 0;
  uint64_t spool_bytes_max = 0;             // 0: unknown
  std::optional<WallTime> oldest_received;  // of what is not yet delivered
  bool pushing_back = false;                // senders wait for room in it
};

struct CertificateStatus {
  std::string name;  // the source's, with "/client_ca" for authorities
  std::string subject;
  WallTime expires;
};

struct CredentialsStatus {
  std::string identity;             // whose: of a stream's own `aws`; empty: of the common one
  std::string provider;             // empty: none found yet
  std::string account_id;           // empty: not known
  std::optional<WallTime> expires;  // nullopt: they do not
  std::string last_error;           // of the last attempt to renew them; empty: it succeeded
};

struct ErrorStatus {
  std::string where;  // "stream audit", "spool", "source http"
  std::string message;
  WallTime when;
};

struct SpoolStatus {
  std::string directory;  // empty: in memory
  uint64_t bytes = 0;
  uint64_t bytes_max = 0;
  uint64_t dead_letter_bytes = 0;
};

struct Status {
  std::vector<SourceStatus> sources;
  std::vector<RouteStatus> routes;  // in order; both texts label Metrics::routed
  std::vector<StreamStatus> streams;
  SpoolStatus spool;
  std::vector<CertificateStatus> certificates;
  std::vector<CredentialsStatus> credentials;  // one for each identity, the common one first
  std::vector<ErrorStatus> last_errors;        // a bounded number, newest first
};

class StatusSource {
 public:
  virtual ~StatusSource() = default;
  // Thread: the admin's. Must not block on a disk or a peer.
  [[nodiscard]] virtual Status status() const = 0;
};

}  // namespace penstock::metrics
