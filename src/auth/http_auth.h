// HttpAuth: who may ask by HTTP: bearer tokens, names with passwords, and service accounts of the
// cluster. Keeps digests, never a secret; comparing them takes the same time whatever differs.
//
// Thread: any; not changed after it is made.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::auth {

class HttpAuth {
 public:
  using Digest = std::array<uint8_t, 32>;  // SHA-256

  void add_bearer_token(std::string_view token);
  void add_basic(std::string_view name, std::string_view password);
  // "namespace/name"
  void add_service_account(std::string_view account);

  enum class Verdict : uint8_t {
    welcome,
    missing,       // no Authorization at all
    unknown,       // neither a token nor a password of ours
    needs_review,  // a token that only the cluster can judge
  };
  // authorization: the header's value.
  [[nodiscard]] Verdict check(std::string_view authorization) const;

  // username: what TokenReview says of a valid token.
  [[nodiscard]] bool is_listed(std::string_view username) const;

  // What stands behind "Bearer ", or nothing.
  [[nodiscard]] static std::optional<std::string_view> bearer_token(std::string_view authorization);
  [[nodiscard]] static Digest digest_of(std::string_view text);

 private:
  [[nodiscard]] static bool holds(const std::vector<Digest>& known, const Digest& given);

  std::vector<Digest> bearer_;
  std::vector<Digest> basic_;           // of base64(name:password)
  std::vector<std::string> usernames_;  // system:serviceaccount:namespace:name
};

}  // namespace penstock::auth
