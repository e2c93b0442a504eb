// HttpPutPort: PutRecords (or PutRecordBatch) over HTTPS: signs, sends on the delivery thread's
// HttpLoop, reads the answer.
//
// Thread: the delivery thread's.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "delivery/put_port.h"
#include "kinesis/clock_offset.h"
#include "kinesis/credentials/credentials.h"
#include "kinesis/endpoint.h"
#include "kinesis/put_records.h"
#include "kinesis/request_signer.h"
#include "net/http_loop.h"

namespace penstock::delivery {

// Where the port gets its keys from. Thread: any; must not block.
class CredentialSource {
 public:
  virtual ~CredentialSource() = default;
  // Null while there are none.
  [[nodiscard]] virtual std::shared_ptr<const kinesis::Credentials> current() = 0;
  // The service refused them: look for newer ones now.
  virtual void refresh_soon() = 0;
};

class HttpPutPort final : public PutPort {
 public:
  struct Options {
    kinesis::Endpoint endpoint;
    net::HttpTimeouts timeouts;
  };
  HttpPutPort(net::HttpLoop& loop, Options options, std::shared_ptr<CredentialSource> credentials,
              const Clock& clock);

  void put(kinesis_format::Request request, Callback callback) override;
  // For requests from now on.
  void set_endpoint(kinesis::Endpoint endpoint);
  void set_credentials(std::shared_ptr<CredentialSource> credentials) {
    credentials_ = std::move(credentials);
  }

 private:
  [[nodiscard]] net::HttpRequest sign(kinesis_format::Request& request,
                                      const kinesis::Credentials& credentials);
  [[nodiscard]] PutResult read(const net::HttpResponse& response,
                               const kinesis_format::Request& request);
  [[nodiscard]] bool speaks_no_cbor(const kinesis_format::Request& request);

  net::HttpLoop& loop_;
  Options options_;
  std::shared_ptr<CredentialSource> credentials_;  // shared by the streams of one identity
  const Clock& clock_;
  kinesis::RequestSigner signer_;
  kinesis::PutAnswerReader reader_;
  kinesis::PutAnswer answer_;
  // Null once this is gone: an answer may come after it.
  std::shared_ptr<HttpPutPort*> self_;
  // Whether the service has once understood CBOR, and else how often it may not have.
  bool cbor_understood_ = false;
  int cbor_doubts_ = 0;
  kinesis::ClockOffset clock_offset_;
};

}  // namespace penstock::delivery
