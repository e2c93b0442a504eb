#include "cli/read/stream_access.h"

#include <CLI/CLI.hpp>
#include <csignal>

#include "admin/words.h"
#include "cli/event_lines.h"
#include "codec/rfc3339.h"
#include "daemon/credentials.h"
#include "daemon/translate.h"
#include "kinesis/credentials/profile_files.h"

namespace penstock::cli {
namespace {

std::string region_of(const StreamFlags& flags, const kinesis::Environment& environment,
                      const std::string& of_arn) {
  if (!flags.region.empty()) return flags.region;
  if (!of_arn.empty()) return of_arn;
  std::string region = kinesis::environment_region(environment);
  return region.empty() ? kinesis::profile_region(environment, flags.profile).value_or("") : region;
}

}  // namespace

void add_access_flags(CLI::App& command, StreamFlags& flags) {
  command
      .add_option("--region", flags.region,
                  "Region (default: of the ARN, AWS_REGION, the profile's)")
      ->type_name("REGION");
  command
      .add_option("--endpoint", flags.endpoint,
                  "Service address, for VPC endpoints and emulators (default: "
                  "AWS_ENDPOINT_URL_KINESIS, AWS_ENDPOINT_URL, the region's)")
      ->type_name("URL");
  command.add_option("--profile", flags.profile, "Profile of the AWS files")->type_name("NAME");
}

Result<std::unique_ptr<StreamAccess>, Error> StreamAccess::open(const StreamFlags& flags) {
  const kinesis::Environment environment = kinesis::process_environment();
  kinesis::StreamId id{flags.stream, ""};
  std::string arn_region;
  kinesis::EndpointOptions endpoint;
  endpoint.override_url =
      flags.endpoint.empty() ? kinesis::endpoint_override(environment, "kinesis") : flags.endpoint;
  if (flags.stream.starts_with("arn:")) {
    const auto arn = kinesis::parse_arn(flags.stream);
    if (!arn) return failure(arn.error());
    arn_region = arn->region;
    id = {arn->name(), endpoint.override_url.empty() ? flags.stream : ""};
  }
  endpoint.region = region_of(flags, environment, arn_region);
  endpoint.fips = kinesis::environment_flag(environment, "AWS_USE_FIPS_ENDPOINT");
  endpoint.dual_stack = kinesis::environment_flag(environment, "AWS_USE_DUALSTACK_ENDPOINT");

  kinesis::CredentialOptions credentials;
  credentials.profile = flags.profile;
  credentials.region = endpoint.region;
  credentials.fips = endpoint.fips;
  credentials.dual_stack = endpoint.dual_stack;
  credentials.ca_bundle = environment("AWS_CA_BUNDLE");
  return make(std::move(id), std::move(endpoint), credentials, kPatience);
}

Result<std::unique_ptr<StreamAccess>, Error> StreamAccess::open(const config::StreamOptions& stream,
                                                                const config::Config& config,
                                                                milliseconds patience) {
  kinesis::StreamId id{stream.name, stream.endpoint.empty() ? stream.arn : ""};
  return make(std::move(id), daemon::make_endpoint_options(stream, config.aws),
              daemon::make_credential_options(config::identity_of(stream, config.aws), config),
              patience);
}

Result<std::unique_ptr<StreamAccess>, Error> StreamAccess::make(
    kinesis::StreamId id, kinesis::EndpointOptions endpoint,
    const kinesis::CredentialOptions& credentials, milliseconds patience) {
  const auto data = kinesis::resolve_endpoint(endpoint, kinesis::Operation::data);
  if (!data) return failure(data.error());
  const auto control = kinesis::resolve_endpoint(endpoint, kinesis::Operation::control);
  if (!control) return failure(control.error());

  // libcurl leaves SIGPIPE to us: a connection that ends is an error of that call, no more.
  std::signal(SIGPIPE, SIG_IGN);
  std::unique_ptr<StreamAccess> access(new StreamAccess);
  access->name_ = id.name;
  access->id_ = std::move(id);
  access->endpoint_ = *data;
  access->chain_ = std::make_unique<kinesis::CredentialChain>(
      credentials, kinesis::process_environment(), Clock::system());
  kinesis::ControlClient::Options options;
  options.data = *data;
  options.control = *control;
  options.patience = patience;
  options.http.ca_bundle = credentials.ca_bundle;
  access->client_ = std::make_unique<kinesis::ControlClient>(
      std::move(options),
      [chain = access->chain_.get()](bool) -> Result<kinesis::Credentials, Error> {
        auto found = chain->fetch();
        if (!found) return failure(found.error());
        return std::move(**found);  // a chain that finds nothing says so as an error
      },
      Clock::system(), access->clock_offset_);
  return access;
}

std::string StreamAccess::progress_text(uint64_t events, int64_t arrival_ms) const {
  return "stream " + name_ + ": " + admin::counted(events, "event") + " read, now at " +
         rfc3339_of(arrival_ms * 1'000'000);
}

kinesis::StreamReaderOptions StreamAccess::reader_options() const {
  kinesis::StreamReaderOptions options;
  options.stream = id_;
  if (is_emulator()) {
    options.interval_backlog = milliseconds(0);
    options.interval_tip = milliseconds(200);
  }
  return options;
}

Result<kinesis::IteratorStart, Error> parse_start(const std::string& text) {
  using Type = kinesis::IteratorStart::Type;
  if (text == "oldest") return kinesis::IteratorStart{Type::oldest, {}, {}};
  if (text == "latest") return kinesis::IteratorStart{Type::latest, {}, {}};
  const auto time = codec::parse_rfc3339(text);
  if (!time) {
    return usage_error("--from " + text +
                       ": write oldest, latest or a time like 2026-11-23T06:30:00Z");
  }
  return kinesis::IteratorStart{
      Type::at_time,
      WallTime(seconds(time->seconds) + milliseconds(time->nanoseconds / 1'000'000)),
      {}};
}

}  // namespace penstock::cli
