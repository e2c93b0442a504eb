// Result<T, E>: a value or an error, and Error for the control plane. The one place that names
// tl::expected; when the compiler brings std::expected in C++20 mode this file changes and no
// other.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace penstock {

template <class T, class E>
using Result = tl::expected<T, E>;

template <class E>
[[nodiscard]] constexpr tl::unexpected<std::decay_t<E>> failure(E&& error) {
  return tl::unexpected<std::decay_t<E>>(std::forward<E>(error));
}

// An error of start-up, configuration or a command: written for the operator, one line that names
// what, where and the cure. Never holds a record's content or a secret.
struct Error {
  enum class Kind : unsigned char {
    usage,    // wrong flags or configuration, a missing certificate or key file: exit code 2
    failure,  // it ran and failed: exit code 1
  };
  Kind kind = Kind::failure;
  std::string message;
};

[[nodiscard]] inline auto usage_error(std::string message) {
  return failure(Error{Error::Kind::usage, std::move(message)});
}
[[nodiscard]] inline auto run_error(std::string message) {
  return failure(Error{Error::Kind::failure, std::move(message)});
}

}  // namespace penstock
