#include "auth/http_auth.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>

namespace penstock::auth {
namespace {

// What follows the scheme; nullopt when it is another. Schemes are told without regard to case.
std::optional<std::string_view> behind_scheme(std::string_view header, std::string_view scheme) {
  if (header.size() <= scheme.size() || header[scheme.size()] != ' ') return std::nullopt;
  const auto same = [](char a, char b) { return (a | 0x20) == b; };
  if (!std::equal(scheme.begin(), scheme.end(), header.begin(),
                  [&](char b, char a) { return same(a, b); })) {
    return std::nullopt;
  }
  header.remove_prefix(scheme.size());
  while (!header.empty() && header.front() == ' ') header.remove_prefix(1);
  while (!header.empty() && header.back() == ' ') header.remove_suffix(1);
  return header;
}

}  // namespace

HttpAuth::Digest HttpAuth::digest_of(std::string_view text) {
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

void HttpAuth::add_bearer_token(std::string_view token) { bearer_.push_back(digest_of(token)); }

void HttpAuth::add_basic(std::string_view name, std::string_view password) {
  const std::string plain = std::string(name) + ":" + std::string(password);
  std::string encoded((plain.size() + 2) / 3 * 4 + 1, '\0');  // and a zero behind it
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                   reinterpret_cast<const unsigned char*>(plain.data()),
                                   static_cast<int>(plain.size()));
  basic_.push_back(digest_of(std::string_view(encoded).substr(0, static_cast<size_t>(size))));
}

void HttpAuth::add_service_account(std::string_view account) {
  std::string username = "system:serviceaccount:" + std::string(account);
  std::replace(username.begin(), username.end(), '/', ':');
  usernames_.push_back(std::move(username));
}

bool HttpAuth::holds(const std::vector<Digest>& known, const Digest& given) {
  bool found = false;
  for (const Digest& each : known) {
    found |= CRYPTO_memcmp(each.data(), given.data(), given.size()) == 0;
  }
  return found;
}

std::optional<std::string_view> HttpAuth::bearer_token(std::string_view authorization) {
  return behind_scheme(authorization, "bearer");
}

HttpAuth::Verdict HttpAuth::check(std::string_view authorization) const {
  if (authorization.empty()) return Verdict::missing;
  if (const auto token = bearer_token(authorization)) {
    if (holds(bearer_, digest_of(*token))) return Verdict::welcome;
    return usernames_.empty() ? Verdict::unknown : Verdict::needs_review;
  }
  const auto credentials = behind_scheme(authorization, "basic");
  if (credentials && holds(basic_, digest_of(*credentials))) return Verdict::welcome;
  return Verdict::unknown;
}

bool HttpAuth::is_listed(std::string_view username) const {
  return std::find(usernames_.begin(), usernames_.end(), username) != usernames_.end();
}

}  // namespace penstock::auth
