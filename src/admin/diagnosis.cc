#include "admin/diagnosis.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "admin/diagnose_stream.h"
#include "admin/words.h"

namespace penstock::admin {
namespace {

// How long a counter that went up is a problem.
constexpr seconds kLossQuiet{900};
constexpr seconds kRejectedQuiet{300};
constexpr double kNoEventsSeconds = 300;
constexpr double kCertificateSeconds = 3 * 86400;
constexpr double kCredentialsSeconds = 420;
constexpr double kDeadLettersFull = 0.8;
constexpr double kVolumeFree = 0.05;

double between(WallTime from, WallTime to) {
  return std::chrono::duration<double>(to - from).count();
}

Finding finding_of(const char* kind, std::string subject, Level level) {
  Finding finding;
  finding.kind = kind;
  finding.subject = std::move(subject);
  finding.level = level;
  return finding;
}

// Keys of Trend::counters(): "dead_lettered/STREAM/REASON".
struct CounterName {
  std::string kind, subject, reason;
};
CounterName take_apart(const std::string& key) {
  const size_t first = key.find('/');
  const size_t last = key.rfind('/');
  if (first == last) return {key.substr(0, first), "", key.substr(last + 1)};
  return {key.substr(0, first), key.substr(first + 1, last - first - 1), key.substr(last + 1)};
}

Finding dead_lettered(const CounterName& name, const metrics::SpoolStatus& spool) {
  Finding finding = finding_of("dead_letters", name.subject + "/" + name.reason, Level::warning);
  finding.cure = name.reason == "no_route"
                     ? "Add a route (one without a condition takes the rest), then replay them."
                     : "Look at them, fix the cause, then replay them.";
  finding.command = "penstock dead-letter ls " +
                    (spool.directory.empty() ? spool.dead_letter_directory : spool.directory);
  return finding;
}

std::string cure_of_drop(const std::string& reason) {
  if (reason == "spool_full") {
    return "Fix delivery; spool.when_full: block slows senders down instead.";
  }
  if (reason == "damaged") {
    return "The log names the files, which are kept. Check the disk; senders' copies are the only "
           "others.";
  }
  return "Set spool.directory, so that they become dead letters instead.";
}

void add_counted(const Observation& seen, std::vector<Finding>& findings) {
  const metrics::SpoolStatus& spool = seen.scrape.status.spool;
  for (const auto& [key, watched] : seen.trend.counters()) {
    const CounterName name = take_apart(key);
    const bool is_rejected = name.kind == "rejected";
    const auto recent = seen.trend.recent(key, is_rejected ? kRejectedQuiet : kLossQuiet);
    if (!recent) continue;
    Finding finding;
    if (name.kind == "dead_lettered") {
      finding = dead_lettered(name, spool);
      finding.text = counted(recent->count, "event") +
                     (name.subject.empty() ? "" : " of stream " + name.subject) + " became " +
                     (recent->count == 1 ? "a dead letter" : "dead letters") + ": " +
                     plain_reason(name.reason) + ".";
    } else if (name.kind == "dropped") {
      finding = finding_of("dropped", name.reason, Level::bad);
      finding.text = counted(recent->count, "event") + (recent->count == 1 ? " was" : " were") +
                     " dropped: " + plain_reason(name.reason) + ". They are lost.";
      finding.cure = cure_of_drop(name.reason);
      if (name.reason == "damaged") finding.command = "penstock spool verify " + spool.directory;
    } else if (name.reason == "udp_overflow") {
      finding = finding_of("datagrams_lost", name.subject, Level::warning);
      finding.text = "Source " + name.subject + " lost " + counted(recent->count, "datagram") +
                     ": they came faster than they were taken.";
      finding.cure = "Let the senders use TCP or TLS, or raise net.core.rmem_max on the node.";
    } else {
      finding = finding_of("senders_rejected", name.subject + "/" + name.reason, Level::warning);
      finding.text = "Source " + name.subject + " rejects senders: " + plain_reason(name.reason) +
                     " (" + (recent->count == 1 ? "once" : count_text(recent->count) + " times") +
                     ").";
      finding.cure = "The log names the peers. See PenstockSendersRefused in doc/operations.md.";
    }
    finding.count = recent->count;
    finding.since = recent->since;
    findings.push_back(std::move(finding));
  }
}

// What the files of spool and dead letters may still grow by. A large disk shared with others is of
// no concern while it has more free than that.
uint64_t bytes_still_allowed(const metrics::SpoolStatus& spool) {
  const auto left = [](uint64_t max, uint64_t used) { return max > used ? max - used : 0; };
  return left(spool.bytes_max, spool.bytes) +
         left(spool.dead_letter_bytes_max, spool.dead_letter_bytes);
}

void add_storage(const Observation& seen, std::vector<Finding>& findings) {
  const metrics::SpoolStatus& spool = seen.scrape.status.spool;
  const auto bytes = [](uint64_t value) { return static_cast<double>(value); };
  if (spool.dead_letter_bytes_max > 0 && !spool.dead_letter_directory.empty() &&
      bytes(spool.dead_letter_bytes) >= kDeadLettersFull * bytes(spool.dead_letter_bytes_max)) {
    Finding finding = finding_of("dead_letters_full", "", Level::warning);
    finding.text = "The dead letters fill up: " + size_text(spool.dead_letter_bytes) + " of " +
                   size_text(spool.dead_letter_bytes_max) +
                   ". When they are full, streams with dead letters stop.";
    finding.cure = "Replay them, or raise dead_letters.max_size.";
    finding.command = "penstock dead-letter replay " +
                      (spool.directory.empty() ? spool.dead_letter_directory : spool.directory);
    findings.push_back(std::move(finding));
  }
  if (spool.volume_bytes > 0 &&
      bytes(spool.volume_bytes_free) < kVolumeFree * bytes(spool.volume_bytes) &&
      spool.volume_bytes_free < bytes_still_allowed(spool)) {
    Finding finding = finding_of("volume_full", "", Level::warning);
    finding.text = "The volume of " + spool.directory +
                   " is nearly full: " + size_text(spool.volume_bytes_free) + " of " +
                   size_text(spool.volume_bytes) +
                   " free, and spool and dead letters may grow by " +
                   size_text(bytes_still_allowed(spool)) + ".";
    finding.cure = "Enlarge the volume, free space, or lower spool.max_size.";
    findings.push_back(std::move(finding));
  }
}

void add_access(const Observation& seen, std::vector<Finding>& findings) {
  const metrics::Status& status = seen.scrape.status;
  for (const metrics::CertificateStatus& certificate : status.certificates) {
    const double left = between(seen.scrape.now, certificate.expires);
    if (left > kCertificateSeconds) continue;
    Finding finding =
        finding_of("certificate", certificate.name, left < 0 ? Level::bad : Level::warning);
    finding.text = left < 0 ? "The certificate of source " + certificate.name +
                                  " has expired: "
                                  "senders that verify it cannot connect."
                            : "The certificate of source " + certificate.name + " expires in " +
                                  duration_text(left) + ".";
    finding.cure = "Renew it; the new one takes effect without a restart.";
    findings.push_back(std::move(finding));
  }
  for (const metrics::CredentialsStatus& credentials : status.credentials) {
    if (!credentials.expires || credentials.last_error.empty()) continue;
    const double left = between(seen.scrape.now, *credentials.expires);
    if (left > kCredentialsSeconds) continue;
    Finding finding = finding_of("credentials", credentials.identity, Level::warning);
    finding.text = std::string("The AWS credentials ") +
                   (left < 0 ? "have expired" : "expire in " + duration_text(left)) +
                   " and could not be renewed: " + credentials.last_error + ".";
    finding.cure = "See PenstockCredentialsExpire in doc/operations.md.";
    findings.push_back(std::move(finding));
  }
}

void add_process(const Observation& seen, std::vector<Finding>& findings) {
  const metrics::ProcessStatus& process = seen.scrape.status.process;
  if (!seen.healthz.good) {
    Finding finding = finding_of("thread", "", Level::bad);
    finding.text = "A part of penstock does not run: " + seen.healthz.text + ".";
    finding.cure = "Kubernetes restarts the pod; send its log to the maintainers.";
    findings.push_back(std::move(finding));
  }
  if (process.memory_short && !seen.readyz.good) {
    Finding finding = finding_of("memory", "", Level::warning);
    finding.text = "Senders are slowed down: memory_limit (" + size_text(process.memory_limit) +
                   ") is used up.";
    finding.cure = "Raise memory_limit (and the pod's limit), or add pods.";
    finding.solved = "senders are no longer slowed down: there is memory";
    findings.push_back(std::move(finding));
  }
  if (!process.reload_error.empty()) {
    Finding finding = finding_of("reload", "", Level::warning);
    finding.text = "The changed configuration was rejected and the old one stays in force: " +
                   process.reload_error + ".";
    finding.cure = "Correct it; penstock reads it again automatically.";
    finding.command = "penstock check --config " + process.config_file;
    findings.push_back(std::move(finding));
  }
}

// "Delivering. 1,240 events/s in, 1,238 out, 0.4 s behind."
std::string flow_text(const Observation& seen) {
  const Rates rates = seen.trend.all();
  double age = 0;
  for (const metrics::StreamStatus& stream : seen.scrape.status.streams) {
    if (stream.oldest_received)
      age = std::max(age, between(*stream.oldest_received, seen.scrape.now));
  }
  return "Delivering. " + rate_text(rates.in) + " events/s in, " + rate_text(rates.out) + " out, " +
         duration_text(age) + " behind.";
}

uint64_t connections_of(const Observation& seen) {
  int64_t open = 0;
  seen.scrape.metrics.connections.for_each(
      [&open](const auto&, const metrics::Gauge& gauge) { open += gauge.value(); });
  return static_cast<uint64_t>(std::max<int64_t>(open, 0));
}

// What the banner says when nothing is wrong with the flow.
Banner banner_of_flow(const Observation& seen) {
  std::optional<WallTime> last;
  for (const metrics::SourceStatus& source : seen.scrape.status.sources) {
    if (source.last_event && (!last || *source.last_event > *last)) last = source.last_event;
  }
  uint64_t pending = 0;
  for (const auto& [stream, count] : seen.scrape.ledger.pending) pending += count;
  if (seen.trend.all().out > 0) return {Level::good, flow_text(seen)};
  if (pending > 0) {  // never green while nothing is delivered
    return {Level::idle, counted(pending, "event") + (pending == 1 ? " is" : " are") +
                             " on the way to Kinesis; no answer has come yet."};
  }
  const std::string senders = connections_of(seen) == 0
                                  ? "no sender is connected"
                                  : counted(connections_of(seen), "sender") + " connected";
  if (!last) return {Level::idle, "Waiting for the first event; " + senders + "."};
  const double silent = between(*last, seen.scrape.now);
  if (silent < kNoEventsSeconds) return {Level::good, flow_text(seen)};
  return {Level::idle, "No events for " + duration_text(silent) + " (last at " +
                           rfc3339(*last).substr(11, 8) + " UTC); " + senders + "."};
}

bool is_about_flow(const Finding& finding) {
  return finding.kind == "not_delivering" || finding.kind == "falling_behind" ||
         finding.kind == "senders_wait" || finding.kind == "disk" || finding.kind == "thread" ||
         finding.kind == "dropped" || finding.kind == "memory";
}

// Streams that fail for one reason, in one sentence.
std::string several_not_delivering(const Observation& seen, const std::vector<Finding>& same) {
  std::string names;
  uint64_t pending = 0;
  WallTime since = seen.scrape.now;
  for (size_t i = 0; i < same.size(); ++i) {
    if (i > 0) names += i + 1 == same.size() ? " and " : ", ";
    names += same[i].subject;
    pending += same[i].pending;
    since = std::min(since, same[i].since.value_or(since));
  }
  const bool on_disk = !seen.scrape.status.spool.directory.empty();
  std::string text = "Not delivering to " + names + " for " +
                     duration_text(between(since, seen.scrape.now)) + ": " + same[0].cause + ". " +
                     counted(pending, "event") + " are " + (on_disk ? "safe on disk" : "in memory");
  const auto& streams = seen.scrape.status.streams;
  const bool waiting = std::any_of(streams.begin(), streams.end(),
                                   [](const auto& stream) { return stream.pushing_back; });
  return text + (waiting ? "; a share is full and senders wait." : ".");
}

Banner banner_of(const Observation& seen, const std::vector<Finding>& findings) {
  const std::string& phase = seen.readyz.text;
  Banner banner;
  size_t told = 0;
  if (!findings.empty() && is_about_flow(findings.front())) {
    const Finding& worst = findings.front();
    std::vector<Finding> same;
    for (const Finding& finding : findings) {
      if (finding.kind == worst.kind && !worst.cause.empty() && finding.cause == worst.cause) {
        same.push_back(finding);
      }
    }
    const std::string text = same.size() > 1 ? several_not_delivering(seen, same) : worst.text;
    banner = {worst.level, text + (worst.cure.empty() ? "" : " " + worst.cure)};
    told = std::max<size_t>(same.size(), 1);
  } else if (phase == "starting") {
    return {Level::idle, "Starting."};
  } else {
    banner = banner_of_flow(seen);
  }
  if (phase == "draining") banner.text = "Stopping. " + banner.text;
  const size_t more = findings.size() - told;
  if (more == 1 && told == 0) {
    banner.text += " " + findings.front().text;
  } else if (more > 0) {
    banner.text += " " + counted(more, "more problem") + " below.";
  }
  for (const Finding& finding : findings) banner.level = std::max(banner.level, finding.level);
  return banner;
}

}  // namespace

const char* to_string(Level level) {
  switch (level) {
    case Level::good:
      return "good";
    case Level::idle:
      return "idle";
    case Level::warning:
      return "warning";
    case Level::bad:
      return "bad";
  }
  return "bad";
}

std::string plain_reason(const std::string& reason) {
  static const std::map<std::string, std::string> kPlain = {
      {"bad_key", "wrong shared key"},
      {"bad_user", "wrong user or password"},
      {"damaged", "damaged in the spool"},
      {"malformed", "not a log record"},
      {"max_connections", "max_connections are open"},
      {"missing_credentials", "no Authorization"},
      {"no_data_key", "no text at the stream's data_key"},
      {"no_handshake", "no handshake: the sender has no shared key"},
      {"no_route", "no route matches"},
      {"oversized", "larger than the stream accepts"},
      {"refused", "Kinesis rejects the record"},
      {"same_hostname", "the sender has our host name"},
      {"service_account", "this service account is not listed"},
      {"spool_full", "the spool is full and spool.when_full is drop_oldest"},
      {"tls_handshake", "the TLS handshake fails (an old CA, or no TLS)"},
      {"tls_on_plain_port", "the sender uses TLS, the port does not"},
      {"wrong_credentials", "wrong token or password"},
      {"wrong_shape", "not the Forward handshake"},
  };
  const auto found = kPlain.find(reason);
  return found == kPlain.end() ? reason : found->second;
}

Diagnosis diagnose(const Observation& seen) {
  Diagnosis diagnosis;
  std::vector<Finding>& findings = diagnosis.findings;
  for (const metrics::StreamStatus& stream : seen.scrape.status.streams) {
    diagnosis.streams.push_back(diagnose_stream(seen, stream, findings));
  }
  add_process(seen, findings);
  add_counted(seen, findings);
  add_storage(seen, findings);
  add_access(seen, findings);
  // The disk is one, however many streams wait for it.
  bool disk_seen = false;
  std::erase_if(findings, [&](const Finding& finding) {
    return finding.kind == "disk" && std::exchange(disk_seen, true);
  });
  std::stable_sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) {
    const auto rank = [](const Finding& f) {
      return std::tuple(f.level != Level::bad, !is_about_flow(f));
    };
    return rank(a) < rank(b);
  });
  diagnosis.banner = banner_of(seen, findings);
  return diagnosis;
}

}  // namespace penstock::admin
