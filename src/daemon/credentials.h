// Credentials: what signs our requests, kept fresh on a thread of its own.
#pragma once

#include <memory>
#include <mutex>

#include "config/options.h"
#include "delivery/http_put_port.h"
#include "kinesis/environment.h"
#include "metrics/status.h"

namespace penstock::daemon {

// Thread: any.
class Credentials final : public delivery::CredentialSource {
 public:
  explicit Credentials(const config::AwsOptions& aws);

  [[nodiscard]] std::shared_ptr<const kinesis::Credentials> current() override;
  void refresh_soon() override;
  void reconfigure(const config::AwsOptions& aws);
  [[nodiscard]] metrics::CredentialsStatus status();

 private:
  std::mutex mutex_;
  std::shared_ptr<const kinesis::Credentials> current_;
};

}  // namespace penstock::daemon
