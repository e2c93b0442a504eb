// `penstock send`: records from stdin, or made up, to a Forward, HTTP or syslog listener.
//
// Thread: the caller's; blocks until everything is sent.
#pragma once

#include <cstdint>
#include <string>

#include "codec/inflate.h"

namespace penstock::cli {

struct SendOptions {
  // One of them is used: http_url, else syslog, else to.
  std::string to = "127.0.0.1:24224";  // Forward
  std::string http_url;
  std::string syslog;  // HOST:PORT, octet-counted RFC 5424

  bool tls = false;  // for to and syslog; http_url says it itself
  std::string ca_file;
  bool insecure = false;  // do not check the certificate
  std::string shared_key_file;
  std::string user;  // Forward or HTTP basic
  std::string password_file;
  std::string bearer_token_file;

  std::string tag;  // empty: a container's when generating, else penstock.send
  bool ack = false;
  std::string ledger_file;  // what was acked, one JSON line an event; doc/ledger.md

  uint64_t generate = 0;  // 0: read stdin
  std::string run;        // first part of the generated ids; empty: drawn
  uint64_t chunk_events = 100;
  uint64_t chunk_bytes = 1'000'000;
  uint32_t in_flight = 1;  // chunks sent and not acked
  double rate = 0;         // events a second; 0: as fast as it goes
  codec::Compression compression = codec::Compression::none;
};

// The exit code: 0 done, 1 something was not sent or not acked, 2 a missing file or wrong flags.
[[nodiscard]] int run_send(const SendOptions& options);

}  // namespace penstock::cli
