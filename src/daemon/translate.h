// From the configuration to the small Options of each folder. Nothing else knows both sides.
// Thread: any; keeps no state.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "config/options.h"
#include "delivery/stream_sender.h"
#include "kinesis/endpoint.h"
#include "net/tls_context.h"
#include "route/router.h"
#include "spool/spool.h"

namespace penstock::daemon {

// A route's conditions in one line, "log_type: audit"; empty: it takes everything.
[[nodiscard]] std::string condition_text(const config::RouteOptions& route);
[[nodiscard]] Result<std::shared_ptr<const route::Router>, Error> make_router(
    const config::Config& config);

// Null without tls. Errors name the file.
[[nodiscard]] Result<std::shared_ptr<const net::TlsContext>, Error> make_tls(
    const std::optional<config::TlsServerOptions>& options);

[[nodiscard]] delivery::SenderOptions make_sender_options(const config::StreamOptions& stream,
                                                          uint64_t delivery_memory);
[[nodiscard]] kinesis::EndpointOptions make_endpoint_options(const config::StreamOptions& stream,
                                                             const config::AwsOptions& aws);

[[nodiscard]] spool::SpoolOptions make_spool_options(const config::Config& config,
                                                     uint64_t memory_bytes, uint64_t cache_bytes);
[[nodiscard]] spool::StreamOptions make_log_options(const config::StreamOptions& stream);

// The stream's options as text, and back: what the spool keeps beside a log so that it can be
// delivered by its last settings after the stream is gone from the configuration.
[[nodiscard]] std::string settings_text(const config::StreamOptions& stream);
[[nodiscard]] Result<config::StreamOptions, Error> read_settings_text(const std::string& text);

// "kinesis.us-east-1.amazonaws.com:443", for people.
[[nodiscard]] std::string endpoint_name(const kinesis::Endpoint& endpoint);
// "my-stream (us-east-1)", for people.
[[nodiscard]] std::string target_name(const config::StreamOptions& stream);

}  // namespace penstock::daemon
