// ListenerSource: what every source with a TCP or TLS listener has: the listener, its sessions, and
// the settings that new connections go by, which a reload exchanges.
//
// Thread: the daemon's; open_session() is called on the IoThread of the connection.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "ingest/intake.h"
#include "ingest/session_set.h"
#include "ingest/source.h"
#include "net/listener.h"
#include "net/stream.h"

namespace penstock::ingest {

// What a connection goes by from its accept to its end; each kind of source adds its own.
struct SourceSettings {
  virtual ~SourceSettings() = default;
  std::shared_ptr<const net::TlsContext> tls;  // null: plain TCP
  bool proxy_protocol = false;                 // a PROXY header begins each connection
};

// A connection on its way to a session.
struct Accepted {
  net::IoThread& thread;
  net::ConnectionLease connection;
  std::unique_ptr<net::Stream> stream;
  bool has_tls = false;
  bool has_proxy_header = false;
};

class ListenerSource : public Source {
 public:
  struct Options {
    std::string name;
    net::ListenAddress listen;
    size_t connections_max = 1024;
  };

  [[nodiscard]] const std::string& name() const override { return options_.name; }
  void start() override;
  void stop_accepting() override;
  void half_close() override { sessions_.half_close_all(); }
  void close() override { sessions_.close_all(); }
  void release_listeners() override;
  void reconfigure(std::shared_ptr<const SourceSettings> settings, size_t connections_max) override;
  [[nodiscard]] size_t connections() const override;
  [[nodiscard]] metrics::SourceStatus status() const override;
  [[nodiscard]] std::optional<metrics::CertificateStatus> certificate() const override;

 protected:
  // type: forward, http, syslog. settings are of the type that open_session() expects.
  ListenerSource(net::IoThreads& threads, Options options, std::string type, Stages stages,
                 const RouterSlot& router, std::shared_ptr<const SourceSettings> settings);
  Result<void, Error> listen(net::IoThreads& threads);
  virtual void open_session(Accepted accepted, std::shared_ptr<const SourceSettings> settings) = 0;

  [[nodiscard]] std::shared_ptr<const SourceSettings> settings() const;
  // The address with the port that the system chose.
  [[nodiscard]] net::ListenAddress bound_address() const;
  [[nodiscard]] Intake& intake() { return intake_; }
  [[nodiscard]] SessionSet& sessions() { return sessions_; }

 private:
  const Options options_;
  const std::string type_;
  Intake intake_;
  SessionSet sessions_;
  mutable std::mutex mutex_;
  std::shared_ptr<const SourceSettings> settings_;  // for new connections; under mutex_
  std::unique_ptr<net::Listener> listener_;
  uint16_t port_ = 0;
};

}  // namespace penstock::ingest
