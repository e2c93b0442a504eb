#include "daemon/sources.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "config/secret_ref.h"
#include "daemon/access.h"
#include "daemon/translate.h"
#include "ingest/forward_source.h"
#include "ingest/http_source.h"
#include "ingest/syslog_source.h"

namespace penstock::daemon {
namespace {

// What settings need beside the options of their own source.
struct Surroundings {
  std::shared_ptr<auth::TokenReview>& review;
  nanoseconds repeat_window;
};
template <class Settings>
using MadeSettings = Result<std::shared_ptr<Settings>, Error>;

// What our PONG says we are called; must differ from every client's name, so not the bare host name
// (a collector on the same node would be called the same).
std::string server_hostname() {
  char name[256] = "localhost";
  ::gethostname(name, sizeof name - 1);
  return std::string("penstock.") + name;
}

MadeSettings<ingest::ForwardSettings> make_settings(const config::ForwardOptions& options,
                                                    const Surroundings&) {
  auto settings = std::make_shared<ingest::ForwardSettings>();
  settings->message_bytes_max = options.max_message;
  settings->age_max = options.max_connection_age;
  if (options.shared_key_files.empty() && options.users.empty()) return settings;

  protocol::forward::HandshakeSettings security;
  security.server_hostname = server_hostname();
  auto keys = config::read_secrets(options.shared_key_files);
  if (!keys) return failure(keys.error());
  security.shared_keys = std::move(*keys);
  for (const config::UserOptions& user : options.users) {
    auto password = config::read_secret(user.password_file);
    if (!password) return failure(password.error());
    security.users.push_back({user.name, std::move(*password)});
  }
  settings->security =
      std::make_shared<const protocol::forward::HandshakeSettings>(std::move(security));
  return settings;
}

MadeSettings<ingest::HttpSettings> make_settings(const config::HttpOptions& options,
                                                 const Surroundings& around) {
  auto settings = std::make_shared<ingest::HttpSettings>();
  settings->repeat_window = around.repeat_window;
  settings->body_bytes_max = options.max_body;
  settings->ack_timeout = options.ack_timeout;
  auto access = make_access(options.auth, around.review);
  if (!access) return failure(access.error());
  settings->access = std::move(*access);
  return settings;
}

MadeSettings<ingest::SyslogSettings> make_settings(const config::SyslogOptions& options,
                                                   const Surroundings&) {
  auto settings = std::make_shared<ingest::SyslogSettings>();
  settings->message_bytes_max = options.max_message;
  settings->unwrap_json = options.unwrap_json;
  settings->udp = options.udp;
  return settings;
}

// At most as many as leave file descriptors for everything else, however many sources there are.
size_t connections_max(size_t wanted, size_t source_count) {
  constexpr rlim_t kOthers = 512;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  const rlim_t left = limit.rlim_cur - std::min(kOthers, limit.rlim_cur / 2);
  const auto most = std::max<rlim_t>(left / std::max<size_t>(source_count, 1), 1);
  if (wanted <= most) return wanted;
  log_limited(
      LogLevel::warn, "open_files",
      "fewer connections than max_connections: the limit of open files is too low; raise it "
      "(LimitNOFILE, ulimit -n)",
      {{"open_files", limit.rlim_cur}, {"connections", most}});
  return most;
}

template <class Source, class Options>
Result<void, Error> add_all(const std::vector<Options>& all, size_t source_count,
                            const Surroundings& around, std::vector<ConfiguredSource>& sources) {
  for (const Options& options : all) {
    auto settings = make_settings(options, around);
    if (!settings) return failure(settings.error());
    auto tls = make_tls(options.tls);
    if (!tls) return failure(tls.error());
    (*settings)->tls = std::move(*tls);
    (*settings)->proxy_protocol = options.proxy_protocol;
    const size_t connections = connections_max(options.max_connections, source_count);
    const ingest::ListenerSource::Options listen{options.name, options.listen, connections};
    sources.push_back({options.name, connections, *settings,
                       [listen, its = *settings](net::IoThreads& threads, ingest::Stages stages,
                                                 const ingest::RouterSlot& router) {
                         return Source::open(threads, listen, stages, router, its);
                       }});
  }
  return {};
}

}  // namespace

Result<std::vector<ConfiguredSource>, Error> configured_sources(
    const config::Config& config, std::shared_ptr<auth::TokenReview>& token_review) {
  std::vector<ConfiguredSource> sources;
  const size_t count = config.forward.size() + config.http.size() + config.syslog.size();
  const Surroundings around{token_review, config.dedup_window};
  auto added = add_all<ingest::ForwardSource>(config.forward, count, around, sources);
  if (added) added = add_all<ingest::HttpSource>(config.http, count, around, sources);
  if (added) added = add_all<ingest::SyslogSource>(config.syslog, count, around, sources);
  if (!added) return failure(added.error());
  return sources;
}

}  // namespace penstock::daemon
