// The files that --ca, --bearer-token-file and their like name: of the commands that are clients of
// a server (send, top).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace penstock::cli {

// The first line of the file that the flag names; empty when it names none. Error (kind usage): why
// it cannot be read.
[[nodiscard]] Result<std::string, Error> read_secret_file(std::string_view flag,
                                                          const std::string& path);

// Error (kind usage): --ca names a file that cannot be read.
[[nodiscard]] Result<void, Error> check_ca_file(const std::string& path);

// Why a server could not be reached, with what to do: about its certificate, or else `cure`.
[[nodiscard]] std::string unreachable(const std::string& failure, std::string_view cure);

}  // namespace penstock::cli
