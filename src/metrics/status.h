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
  std::optional<WallTime> last_event = {};  // nullopt: none since the start
};

struct RouteStatus {
  std::string condition;  // "log_type: audit", "tag: app.**"; empty: everything
  std::string stream;
};

struct CredentialsStatus {
  std::string identity;             // whose: of a stream's own `aws`; empty: of the common one
  std::string provider;             // empty: none found yet
  std::string account_id;           // empty: not known
  std::optional<WallTime> expires;  // nullopt: they do not
  std::string last_error;           // of the last attempt to renew them; empty: it succeeded
};

// Why the requests of a stream fail, as far as their answers tell.
enum class DeliveryTrouble : uint8_t {
  none,
  unreachable,       // no answer: name look-up, connection, TLS, deadline
  service_fault,     // the service answers with an error of its own
  not_found,         // there is no such stream
  access_denied,     // IAM, or the key of the stream
  credentials,       // none, expired, or wrong
  throttled,         // whole requests, not single records
  request_rejected,  // the service rejects what is sent
};

struct DeliveryStatus {
  std::string endpoint;  // "kinesis.us-east-1.amazonaws.com:443"
  std::optional<WallTime> last_success;
  DeliveryTrouble trouble = DeliveryTrouble::none;
  std::optional<WallTime> failing_since;  // the first failure since the last success
  uint64_t failures = 0;                  // requests, since then
  std::string error;       // the code or the network's error of the last failure; never content
  std::string last_error;  // the same, kept after a success
  std::optional<WallTime> last_error_at;
  uint32_t shards = 0;                     // open ones; 0: unknown
  std::vector<uint32_t> shards_throttled;  // which throttled a moment ago, by number
  // The service chooses the shards of records itself (RecordDistributionStrategy AUTO).
  std::optional<WallTime> keys_ignored_since;
};

struct StreamStatus {
  std::string name;    // configuration name
  std::string target;  // "my-stream (us-east-1)"
  uint64_t spool_bytes = 0;
  uint64_t spool_bytes_max = 0;             // 0: unknown
  std::optional<WallTime> oldest_received;  // of what is not yet delivered
  bool pushing_back = false;                // senders wait for room in it
  bool disk_failing = false;                // its files cannot be written
  bool ordered = false;                     // order: per_key
  bool kpl_aggregates = false;              // aggregation: kpl
  seconds flush_interval{0};
  CredentialsStatus credentials;  // what its requests are signed with
  std::string paused_because;  // delivery asks only now and then; empty: it does not pause
  DeliveryStatus delivery;

  // The service ignores partition keys, and the configuration depends on them.
  [[nodiscard]] bool lacks_keys() const {
    return delivery.keys_ignored_since && (ordered || kpl_aggregates);
  }
};

struct CertificateStatus {
  std::string name;  // the source's, with "/client_ca" for authorities
  std::string subject;
  WallTime expires;
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
  std::string dead_letter_directory;  // empty: there are no dead letters
  uint64_t dead_letter_bytes = 0;
  uint64_t dead_letter_bytes_max = 0;
  uint64_t dead_letters = 0;
  uint64_t volume_bytes = 0;  // of the file system of the directory; 0: unknown
  uint64_t volume_bytes_free = 0;
  std::string last_error;
};

struct ProcessStatus {
  std::string host = {};  // in a pod the name of the pod
  std::string version = {};
  std::string commit = {};
  std::string config_file = {};  // empty: the environment alone
  WallTime started{};
  std::optional<WallTime> last_reload;  // when the last successful one began to read
  std::string reload_error;             // of the last one; empty: it succeeded
  uint64_t memory_limit = 0;
  bool memory_short = false;  // senders wait for memory
};

struct Status {
  std::vector<SourceStatus> sources;
  std::vector<RouteStatus> routes;  // in order; both texts label Metrics::routed
  std::vector<StreamStatus> streams;
  SpoolStatus spool;
  ProcessStatus process;
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
