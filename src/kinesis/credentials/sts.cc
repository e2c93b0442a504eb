#include "kinesis/credentials/sts.h"

#include "codec/percent_encoding.h"
#include "kinesis/credentials/credential_document.h"
#include "kinesis/endpoint.h"
#include "kinesis/error_code.h"
#include "kinesis/request_signer.h"

namespace penstock::kinesis {
namespace {

constexpr std::string_view kFormContentType = "application/x-www-form-urlencoded; charset=utf-8";
constexpr int kTries = 3;

std::string region_of(const CredentialContext& context, const AssumeRole& role) {
  if (!role.region.empty()) return role.region;
  if (!context.region.empty()) return context.region;
  return environment_region(context.environment);
}

Result<Endpoint, Error> sts_endpoint(const CredentialContext& context, const AssumeRole& role) {
  EndpointOptions options;
  options.service = "sts";
  options.region = region_of(context, role);
  options.fips = context.fips;
  options.dual_stack = context.dual_stack;
  options.override_url = endpoint_override(context.environment, "sts");
  return resolve_endpoint(options);
}

void append_field(std::string& form, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  if (!form.empty()) form += '&';
  form.append(name).append("=").append(codec::percent_encoded(value));
}

std::string common_form(std::string_view action, const AssumeRole& role) {
  std::string form;
  append_field(form, "Action", action);
  append_field(form, "Version", "2011-06-15");
  append_field(form, "RoleArn", role.role_arn);
  append_field(form, "RoleSessionName", role.session_name.empty() ? "penstock" : role.session_name);
  append_field(form, "DurationSeconds", std::to_string(role.duration_seconds));
  append_field(form, "ExternalId", role.external_id);
  append_field(form, "Policy", role.policy);
  return form;
}

// What STS says is worth another try at once.
bool is_transient(const net::HttpResponse& response, std::string_view code) {
  return !response.answered() || response.status >= 500 || code == "IDPCommunicationError" ||
         code == "Throttling";
}

std::string_view element(std::string_view xml, std::string_view name) {
  const std::string open = "<" + std::string(name) + ">";
  const size_t start = xml.find(open);
  if (start == std::string_view::npos) return {};
  const size_t from = start + open.size();
  const size_t end = xml.find('<', from);
  return end == std::string_view::npos ? std::string_view() : xml.substr(from, end - from);
}

template <class MakeRequest>
Result<Credentials, Error> call(const CredentialContext& context, const Endpoint& endpoint,
                                std::string_view action, MakeRequest&& make_request) {
  std::string problem;
  for (int i = 0; i < kTries; ++i) {
    net::HttpRequest request = make_request();
    request.timeouts = {seconds(5), seconds(10), seconds(20)};
    request.response_bytes_max = 256u << 10;
    const net::HttpResponse response = context.http.fetch(std::move(request));
    if (response.answered() && response.status == 200) {
      return parse_sts_answer(as_text(response.body.view()), action);
    }
    const XmlError error = read_xml_error(response.body.view());
    problem = std::string(action) + " at " + endpoint.host + ": ";
    if (!response.answered()) {
      problem += response.failure_text;
    } else if (error.code.empty()) {
      problem += "HTTP " + std::to_string(response.status);
    } else {
      problem += std::string(bare_error_code(error.code)) + ": " + message_for_log(error.message);
    }
    if (!is_transient(response, error.code)) break;
  }
  return run_error(std::move(problem));
}

}  // namespace

Result<Credentials, Error> parse_sts_answer(std::string_view xml, std::string_view action) {
  const std::string who = "STS (" + std::string(action) + ")";
  Credentials found;
  found.access_key_id = element(xml, "AccessKeyId");
  found.secret_access_key = element(xml, "SecretAccessKey");
  found.session_token = element(xml, "SessionToken");
  if (found.empty() || found.session_token.empty()) return run_error(who + " returned no keys");
  const auto expiry = parse_expiration(element(xml, "Expiration"), who);
  if (!expiry) return failure(expiry.error());
  found.expiry = *expiry;
  // arn:aws:sts::111122223333:assumed-role/name/session
  const auto arn = parse_arn(element(xml, "Arn"));
  if (arn) found.account_id = arn->account_id;
  return found;
}

Result<Credentials, Error> assume_role(const CredentialContext& context, const AssumeRole& role,
                                       const Credentials& base) {
  auto endpoint = sts_endpoint(context, role);
  if (!endpoint) return failure(endpoint.error());
  const std::string form = common_form("AssumeRole", role);
  RequestSigner signer(*endpoint);
  return call(context, *endpoint, "AssumeRole", [&] {
    net::HttpRequest request =
        signer.sign({.content_type = kFormContentType, .target = {}, .body = as_bytes(form)}, base,
                    context.clock.wall());
    request.body = ByteBuffer::copy_of(as_bytes(form));
    return request;
  });
}

Result<Credentials, Error> assume_role_with_web_identity(const CredentialContext& context,
                                                         const AssumeRole& role,
                                                         const std::string& token) {
  auto endpoint = sts_endpoint(context, role);
  if (!endpoint) return failure(endpoint.error());
  std::string form = common_form("AssumeRoleWithWebIdentity", role);
  append_field(form, "WebIdentityToken", token);
  return call(context, *endpoint, "AssumeRoleWithWebIdentity", [&] {
    net::HttpRequest request;
    request.url = endpoint->url;
    request.headers = {"content-type: " + std::string(kFormContentType)};
    request.body = ByteBuffer::copy_of(as_bytes(form));
    return request;
  });
}

}  // namespace penstock::kinesis
