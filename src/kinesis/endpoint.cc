#include "kinesis/endpoint.h"

#include <algorithm>
#include <cctype>

namespace penstock::kinesis {
namespace {

// Source: the partitions of the SDKs' endpoint rules.
struct Partition {
  std::string_view region_prefix;
  std::string_view name;
  std::string_view suffix;
  std::string_view dual_stack_suffix;
};
constexpr Partition kPartitions[] = {
    {"cn-", "aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
    {"us-gov-", "aws-us-gov", "amazonaws.com", "api.aws"},
    {"us-isob-", "aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud"},
    {"us-isof-", "aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
    {"us-iso-", "aws-iso", "c2s.ic.gov", "api.aws.ic.gov"},
    {"eu-isoe-", "aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
    {"eusc-", "aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu"},
    {"", "aws", "amazonaws.com", "api.aws"},
};

const Partition& partition(std::string_view region) {
  for (const Partition& candidate : kPartitions) {
    if (region.starts_with(candidate.region_prefix)) return candidate;
  }
  return kPartitions[std::size(kPartitions) - 1];
}

bool is_host_label(std::string_view text) {
  return !text.empty() && text.size() <= 63 && text.front() != '-' && text.back() != '-' &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isdigit(c) != 0 || (c >= 'a' && c <= 'z') || c == '-';
         });
}

// The host of a URL without a port that the scheme implies; "" when the text is no such URL.
struct SplitUrl {
  std::string scheme, host, path;
};

bool is_port(std::string_view text) {
  if (text.empty() || text.size() > 5) return false;
  unsigned port = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  return port >= 1 && port <= 65535;
}

Result<SplitUrl, Error> split_url(std::string_view url) {
  const auto bad = [&](std::string_view why) {
    // The text itself may hold a password (http://user:password@host): it is not repeated.
    return usage_error("endpoint: " + std::string(why) + "; write http(s)://host[:port][/path]");
  };
  SplitUrl parts;
  if (url.starts_with("https://")) {
    parts.scheme = "https";
  } else if (url.starts_with("http://")) {
    parts.scheme = "http";
  } else {
    return bad("not an http:// or https:// URL");
  }
  url.remove_prefix(parts.scheme.size() + 3);
  if (url.find_first_of("?#@ \t\r\n\\") != std::string_view::npos) {
    return bad("a query, a fragment, a user name or a space does not belong there");
  }
  const size_t slash = url.find('/');
  parts.path = slash == std::string_view::npos ? "/" : std::string(url.substr(slash));
  std::string_view authority = url.substr(0, slash);
  const size_t colon = authority.rfind(':');
  const bool bracketed = authority.starts_with('[');
  const bool has_port =
      colon != std::string_view::npos && (!bracketed || authority.find(']') < colon);
  std::string_view host = has_port ? authority.substr(0, colon) : authority;
  if (host.empty() || (bracketed && !host.ends_with(']'))) return bad("no host");
  parts.host = host;
  if (has_port) {
    const std::string_view port = authority.substr(colon + 1);
    if (!is_port(port)) return bad("the port is not a number from 1 to 65535");
    const std::string_view implied = parts.scheme == "https" ? "443" : "80";
    if (port != implied) parts.host.append(":").append(port);
  }
  return parts;
}

Endpoint make_endpoint(const EndpointOptions& options, const SplitUrl& url) {
  Endpoint endpoint;
  endpoint.host = url.host;
  endpoint.path = url.path;
  endpoint.url = url.scheme + "://" + url.host + (url.path == "/" ? std::string() : url.path);
  endpoint.region = options.region;
  endpoint.service = options.service;
  return endpoint;
}

bool is_account_id(std::string_view text) {
  return text.size() == 12 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// GovCloud serves FIPS on the plain names of these services.
bool plain_name_is_fips(std::string_view partition_name, std::string_view service) {
  return partition_name == "aws-us-gov" && (service == "kinesis" || service == "sts");
}

}  // namespace

Result<Endpoint, Error> resolve_endpoint(const EndpointOptions& options, Operation operation) {
  if (!is_host_label(options.region)) {
    return usage_error(options.region.empty()
                           ? "no region: pass --region or set AWS_REGION"
                           : "region " + options.region + " is not a region's name");
  }
  if (!options.override_url.empty()) {
    auto url = split_url(options.override_url);
    if (!url) return failure(url.error());
    return make_endpoint(options, *url);
  }
  const Partition& home = partition(options.region);
  std::string label = options.service;
  if (options.mode == EndpointMode::account && options.service == "kinesis") {
    if (!is_account_id(options.account_id)) {
      return usage_error(
          "endpoint_mode account needs the stream's account: give the stream by arn");
    }
    label = options.account_id + (operation == Operation::data ? ".data-" : ".control-") + label;
  }
  // Account-based hosts always carry the suffix, plain GovCloud ones do not.
  if (options.fips && (options.dual_stack || !plain_name_is_fips(home.name, label))) {
    label += "-fips";
  }
  SplitUrl url;
  url.scheme = "https";
  url.path = "/";
  url.host = label + "." + options.region + ".";
  url.host += options.dual_stack ? home.dual_stack_suffix : home.suffix;
  return make_endpoint(options, url);
}

std::string endpoint_override(const Environment& environment, std::string_view service) {
  if (environment_flag(environment, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")) return {};
  std::string name = "AWS_ENDPOINT_URL_";
  for (const char c : service) name += static_cast<char>(std::toupper(static_cast<uint8_t>(c)));
  std::string url = environment_text(environment, name.c_str());
  return url.empty() ? environment_text(environment, "AWS_ENDPOINT_URL") : url;
}

std::string environment_region(const Environment& environment) {
  std::string region = environment_text(environment, "AWS_REGION");
  return region.empty() ? environment_text(environment, "AWS_DEFAULT_REGION") : region;
}

std::string Arn::name() const {
  const size_t slash = resource.find('/');
  return slash == std::string::npos ? resource : resource.substr(slash + 1);
}

Result<Arn, Error> parse_arn(std::string_view text) {
  std::string_view parts[6];
  std::string_view rest = text;
  for (int i = 0; i < 5; ++i) {
    const size_t colon = rest.find(':');
    if (colon == std::string_view::npos) {
      return usage_error("arn " + std::string(text) +
                         " is not arn:partition:service:region:account:resource");
    }
    parts[i] = rest.substr(0, colon);
    rest.remove_prefix(colon + 1);
  }
  parts[5] = rest;
  if (parts[0] != "arn" || parts[1].empty() || parts[2].empty() || rest.empty()) {
    return usage_error("arn " + std::string(text) +
                       " is not arn:partition:service:region:account:resource");
  }
  return Arn{std::string(parts[1]), std::string(parts[2]), std::string(parts[3]),
             std::string(parts[4]), std::string(parts[5])};
}

std::string_view partition_of(std::string_view region) { return partition(region).name; }

}  // namespace penstock::kinesis
