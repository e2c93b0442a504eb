// ForwardSource: the listener of a `forward` source, its UDP heartbeats, and what new connections
// go by.
#pragma once

#include <memory>
#include <string>

#include "ingest/forward_session.h"
#include "ingest/source.h"
#include "net/heartbeat_socket.h"

namespace penstock::ingest {

class ForwardSource final : public Source {
 public:
  struct Options {
    std::string name;
    std::string listen;
    size_t connections_max = 1024;
  };
  static Result<std::unique_ptr<ForwardSource>, Error> open(net::IoThreads& threads,
                                                            Options options, Stages stages,
                                                            const RouterSlot& router,
                                                            ForwardSettings settings);

  [[nodiscard]] const std::string& name() const override { return options_.name; }
  void start() override;
  void stop_accepting() override;
  void half_close() override { sessions_.half_close_all(); }
  void close() override { sessions_.close_all(); }
  void release_listeners() override;
  [[nodiscard]] size_t connections() const override;
  [[nodiscard]] metrics::SourceStatus status() const override;
  [[nodiscard]] std::optional<metrics::CertificateStatus> certificate() const override;

  // For connections from now on: renewed certificates and keys, limits. Thread: any.
  void reconfigure(ForwardSettings settings, size_t connections_max);

 private:
  ForwardSource(net::IoThreads& threads, Options options, Stages stages, const RouterSlot& router,
                ForwardSettings settings);
  void accept(boost::asio::ip::tcp::socket socket, net::IoThread& thread,
              net::ConnectionLease connection);

  const Options options_;
  Intake intake_;
  SessionSet sessions_;
  [[nodiscard]] std::shared_ptr<const ForwardSettings> settings() const;

  mutable std::mutex mutex_;
  std::shared_ptr<const ForwardSettings> settings_;  // for new connections; under mutex_
  std::unique_ptr<net::Listener> listener_;
  uint16_t port_ = 0;
  std::unique_ptr<net::HeartbeatSocket> heartbeats_;
};

}  // namespace penstock::ingest
