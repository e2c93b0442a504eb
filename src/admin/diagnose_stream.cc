#include "admin/diagnose_stream.h"

#include <algorithm>

#include "admin/words.h"

namespace penstock::admin {
namespace {

using metrics::DeliveryTrouble;
using metrics::StreamStatus;

// A lost connection is no news; nothing but failures for so long is.
constexpr double kFailingSeconds = 3;
// Without any answer: longer than one slow request may take.
constexpr double kSilenceSeconds = 15;
// Older than this plus what the configuration has it wait: behind.
constexpr double kBehindSeconds = 15;
constexpr double kFull = 0.95;
constexpr double kMonth = 30 * 86400;

double between(WallTime from, WallTime to) {
  return std::chrono::duration<double>(to - from).count();
}

struct Stream {
  const Observation& seen;
  const StreamStatus& status;
  Rates rates;
  uint64_t pending = 0;
  double age = 0;

  [[nodiscard]] bool on_disk() const { return !seen.scrape.status.spool.directory.empty(); }
  [[nodiscard]] bool is_full() const {
    return status.spool_bytes_max > 0 && static_cast<double>(status.spool_bytes) >=
                                             kFull * static_cast<double>(status.spool_bytes_max);
  }
  [[nodiscard]] double since(const std::optional<WallTime>& when) const {
    return when ? std::max(between(*when, seen.scrape.now), 0.0) : 0;
  }
};

Stream look_at(const Observation& seen, const StreamStatus& status) {
  Stream stream{seen, status, seen.trend.stream(status.name)};
  const auto pending = seen.scrape.ledger.pending.find(status.name);
  if (pending != seen.scrape.ledger.pending.end()) stream.pending = pending->second;
  stream.age = stream.since(status.oldest_received);
  return stream;
}

std::optional<double> full_in(const Stream& stream) {
  const double room = static_cast<double>(stream.status.spool_bytes_max) -
                      static_cast<double>(stream.status.spool_bytes);
  if (stream.status.spool_bytes_max == 0 || stream.rates.bytes_growth < 1) return std::nullopt;
  return std::max(room, 0.0) / stream.rates.bytes_growth;
}

// "145,700 events are safe on disk; room for 6 h 20 min at this rate."
std::string what_is_safe(const Stream& stream) {
  std::string text = counted(stream.pending, "event") + (stream.pending == 1 ? " is " : " are ") +
                     (stream.on_disk() ? "safe on disk" : "in memory");
  if (stream.status.pushing_back) {
    return text + "; the share of the stream is full (" + size_text(stream.status.spool_bytes) +
           " of " + size_text(stream.status.spool_bytes_max) + ") and senders wait.";
  }
  const auto left = full_in(stream);
  if (left && *left < kMonth) {
    text += "; room for " + duration_text(*left) + " at this rate";
  } else if (stream.status.spool_bytes_max > stream.status.spool_bytes) {
    text += "; room for " + size_text(stream.status.spool_bytes_max - stream.status.spool_bytes) +
            " more";
  }
  return text + ".";
}

struct Cause {
  std::string text;
  std::string cure;
  std::string command;
  std::string state;  // in a word or two
};

Cause cause_of_credentials(const Stream& stream) {
  const metrics::CredentialsStatus& credentials = stream.status.credentials;
  if (credentials.provider.empty()) {
    const std::string& tried = credentials.last_error;
    return {"there are no AWS credentials" + (tried.empty() ? "" : " (" + tried + ")"),
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role; they take "
            "effect without a restart.",
            "penstock check --online", "no credentials"};
  }
  return {"AWS rejects the credentials of " + credentials.provider + " (" +
              stream.status.delivery.error + ")",
          "Correct the access key or the role; new credentials take effect without a restart.",
          "penstock check --online", "credentials rejected"};
}

Cause cause_of(const Stream& stream) {
  const metrics::DeliveryStatus& delivery = stream.status.delivery;
  const std::string code = delivery.error.empty() ? stream.status.paused_because : delivery.error;
  switch (delivery.trouble) {
    case DeliveryTrouble::unreachable:
      if (code.starts_with("TLS")) {
        return {code, "Check aws.ca_bundle, and any proxy that inspects TLS.", "", "unreachable"};
      }
      return {code, "Check egress rules, the proxy and DNS.", "", "unreachable"};
    case DeliveryTrouble::service_fault:
      return {"the service at " + delivery.endpoint + " fails (" + code + ")",
              "penstock retries automatically; if it lasts, see the AWS Health Dashboard.", "",
              "service fails"};
    case DeliveryTrouble::not_found:
      return {"stream " + stream.status.target + " does not exist (" + code + ")",
              "Create it, or correct streams." + stream.status.name + ".name or .region.", "",
              "stream not found"};
    case DeliveryTrouble::access_denied:
      if (code.find("KMS") != std::string::npos) {
        return {"the KMS key of stream " + stream.status.target + " cannot be used (" + code + ")",
                "Enable the key, or allow kms:GenerateDataKey on it.", "", "KMS key"};
      }
      return {"AWS denies access to stream " + stream.status.target + " (" + code + ")",
              "Compare the policy of the role or user with `penstock iam-policy`.",
              "penstock iam-policy", "access denied"};
    case DeliveryTrouble::credentials:
      return cause_of_credentials(stream);
    case DeliveryTrouble::throttled:
      return {"Kinesis throttles every request (" + code + ")",
              "Ask AWS for a higher quota, or send fewer, larger records: aggregation.", "",
              "throttled"};
    case DeliveryTrouble::request_rejected:
      return {"Kinesis rejects the requests (" + code + ")",
              "See PenstockNotDelivering in doc/operations.md.", "penstock check --online",
              "requests rejected"};
    case DeliveryTrouble::none:
      break;
  }
  if (code.starts_with("former target ")) {
    return {code, "Create that stream, or stop penstock and send what is stored for it elsewhere.",
            "penstock spool redirect --help", "former target"};
  }
  if (!code.empty()) return {code, "", "penstock check --online", code};
  return {"no answer from " + delivery.endpoint, "Check egress rules, the proxy and DNS.", "",
          "no answer"};
}

bool is_failing(const Stream& stream) {
  const metrics::DeliveryStatus& delivery = stream.status.delivery;
  if (!stream.status.paused_because.empty()) return true;
  if (delivery.failing_since) return stream.since(delivery.failing_since) >= kFailingSeconds;
  if (stream.pending == 0 || stream.age < kSilenceSeconds) return false;
  if (delivery.last_success)
    return stream.since(delivery.last_success) >= kSilenceSeconds && stream.rates.out == 0;
  return true;
}

// Since when nothing gets through: the first failure, or the time the oldest event has waited.
WallTime stuck_since(const Stream& stream) {
  const metrics::DeliveryStatus& delivery = stream.status.delivery;
  if (delivery.failing_since) return *delivery.failing_since;
  if (delivery.last_success) return *delivery.last_success;
  return stream.status.oldest_received.value_or(stream.seen.scrape.now);
}

Finding not_delivering(const Stream& stream) {
  const Cause cause = cause_of(stream);
  Finding finding;
  finding.kind = "not_delivering";
  finding.subject = stream.status.name;
  finding.level = Level::bad;
  finding.since = stuck_since(stream);
  finding.count = stream.status.delivery.failures;
  finding.text = "Not delivering to " + stream.status.name + " for " +
                 duration_text(stream.since(finding.since)) + ": " + cause.text + ". " +
                 what_is_safe(stream);
  finding.cure = cause.cure;
  finding.command = cause.command;
  finding.cause = cause.text;
  finding.pending = stream.pending;
  finding.solved = "stream " + stream.status.name + " delivers again";
  return finding;
}

std::string shards_text(const std::vector<uint32_t>& shards) {
  constexpr size_t kNamed = 4;
  if (shards.size() == 1) return "Shard " + std::to_string(shards[0]) + " is at its limit";
  if (shards.size() > kNamed) return count_text(shards.size()) + " shards are at their limit";
  std::string text = "Shards ";
  for (size_t i = 0; i < shards.size(); ++i) {
    if (i > 0) text += i + 1 == shards.size() ? " and " : ", ";
    text += std::to_string(shards[i]);
  }
  return text + " are at their limit";
}

// After an outage more goes out than comes in; else it falls behind.
bool is_catching_up(const Stream& stream) {
  return stream.status.delivery.shards_throttled.empty() && !stream.status.pushing_back &&
         stream.rates.out > stream.rates.in * 1.05 + 1;
}

Finding behind(const Stream& stream) {
  const StreamStatus& status = stream.status;
  const auto& throttled = status.delivery.shards_throttled;
  Finding finding;
  finding.kind = "falling_behind";
  finding.subject = status.name;
  finding.size = stream.age;
  finding.solved = "stream " + status.name + " has delivered its backlog";
  if (is_catching_up(stream)) {
    const double net = stream.rates.out - stream.rates.in;
    finding.text = "Catching up. Stream " + status.name + " takes " + rate_text(stream.rates.out) +
                   "/s, " + rate_text(stream.rates.in) + "/s come in; " +
                   duration_text(stream.age) + " behind, " + counted(stream.pending, "event") +
                   " left, about " + duration_text(static_cast<double>(stream.pending) / net) + ".";
    finding.cure = "Nothing to do.";
    return finding;
  }
  finding.text = "Falling behind. Stream " + status.name + " takes " + rate_text(stream.rates.out) +
                 "/s, " + rate_text(stream.rates.in) + "/s come in; " + duration_text(stream.age) +
                 " behind" + (stream.rates.age_growth > 0.05 ? " and growing" : "") + ".";
  if (status.pushing_back) {
    finding.text += " The share of the stream is full (" + size_text(status.spool_bytes) + " of " +
                    size_text(status.spool_bytes_max) + ") and senders wait.";
  } else if (const auto left = full_in(stream); left && *left < kMonth) {
    finding.text += " Full in about " + duration_text(*left) + ".";
  }
  if (!throttled.empty()) {
    finding.text += " " + shards_text(throttled) + ".";
    finding.cure = "Add shards, use on-demand mode, or use aggregation.";
    finding.command = "penstock estimate";
  } else {
    finding.cure = "See PenstockBacklogOld in doc/operations.md.";
  }
  return finding;
}

Finding senders_wait(const Stream& stream) {
  Finding finding;
  finding.kind = "senders_wait";
  finding.subject = stream.status.name;
  finding.text = "Senders are slowed down: the share of stream " + stream.status.name +
                 " is full (" + size_text(stream.status.spool_bytes) + " of " +
                 size_text(stream.status.spool_bytes_max) + ").";
  finding.cure =
      "Fix delivery, or raise spool.max_size or streams." + stream.status.name + ".max_size.";
  finding.solved = "senders are no longer slowed down: stream " + stream.status.name + " has room";
  return finding;
}

Finding disk_fails(const Stream& stream) {
  const metrics::SpoolStatus& spool = stream.seen.scrape.status.spool;
  Finding finding;
  finding.kind = "disk";
  finding.level = Level::bad;
  finding.text = "Cannot write to the spool in " + spool.directory + ": " + spool.last_error +
                 ". Senders wait; what was acknowledged is safe.";
  finding.cure = "Free space on the volume or repair it; penstock retries automatically.";
  finding.solved = "the spool can be written again";
  return finding;
}

// Delivery goes on: what is missing is what the configuration wanted of the keys.
Finding keys_ignored(const Stream& stream) {
  const StreamStatus& status = stream.status;
  Finding finding;
  finding.kind = "keys_ignored";
  finding.subject = status.name;
  finding.since = status.delivery.keys_ignored_since;
  finding.text = "Kinesis chooses the shards of stream " + status.name +
                 " itself (RecordDistributionStrategy AUTO):";
  if (status.ordered) finding.text += " records of one key arrive in any order.";
  if (status.kpl_aggregates) {
    finding.text +=
        " Each event is sent as a record of its own, because KCL consumers would drop KPL "
        "aggregates; that costs more.";
  }
  finding.cure = "Set the stream's RecordDistributionStrategy to USER_PARTITION_KEY, or " +
                 std::string(status.ordered ? "remove order" : "use aggregation: lines or none") +
                 ".";
  finding.command = status.kpl_aggregates ? "penstock estimate" : "";
  finding.solved = "stream " + status.name + " uses partition keys again";
  return finding;
}

std::string state_of(const Stream& stream, Level level) {
  const metrics::DeliveryStatus& delivery = stream.status.delivery;
  if (level == Level::bad) {
    return (stream.status.paused_because.empty() ? "retrying: " : "paused: ") +
           cause_of(stream).state;
  }
  if (stream.status.disk_failing) return "disk fails";
  if (stream.status.pushing_back) return "senders wait";
  if (!delivery.shards_throttled.empty()) {
    std::string text = "slowed: " + count_text(delivery.shards_throttled.size());
    if (delivery.shards > 0) text += " of " + count_text(delivery.shards);
    return text +
           (delivery.shards == 1 || (delivery.shards == 0 && delivery.shards_throttled.size() == 1)
                ? " shard"
                : " shards");
  }
  if (level == Level::warning) return is_catching_up(stream) ? "catching up" : "falling behind";
  return stream.rates.out > 0 ? "delivering" : "idle";
}

}  // namespace

StreamView diagnose_stream(const Observation& seen, const StreamStatus& status,
                           std::vector<Finding>& findings) {
  const Stream stream = look_at(seen, status);
  StreamView view;
  view.rates = stream.rates;
  view.behind_seconds = stream.age;
  view.full_in_seconds = full_in(stream);
  if (is_failing(stream)) {
    view.level = Level::bad;
    findings.push_back(not_delivering(stream));
  } else if (stream.age > kBehindSeconds + static_cast<double>(status.flush_interval.count())) {
    view.level = Level::warning;
    findings.push_back(behind(stream));
  }
  view.state = state_of(stream, view.level);
  if (status.disk_failing) {
    findings.push_back(disk_fails(stream));
    view.level = Level::bad;
  } else if (status.pushing_back) {
    findings.push_back(senders_wait(stream));
    view.level = std::max(view.level, Level::warning);
  }
  if (status.lacks_keys()) findings.push_back(keys_ignored(stream));
  return view;
}

}  // namespace penstock::admin
