// Reading the files that hold secrets. The value is the file's first line: editors and `echo` add a
// newline, and Kubernetes secrets often end in one.
//
// Nothing here logs or keeps a secret; whoever reads one owns the only copy. file_watch.h tells
// when to read again.
//
// Thread: any.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/options.h"

namespace penstock::config {

// The first line, without its end or a byte order mark. Error (kind usage): names the file, never
// its content; an empty first line is one.
[[nodiscard]] Result<std::string, Error> read_secret(const SecretRef& secret);

// All of them, in order; the first error otherwise.
[[nodiscard]] Result<std::vector<std::string>, Error> read_secrets(
    const std::vector<SecretRef>& secrets);

// What keeps a text from being read as plain text, "is UTF-16, …"; "" when nothing does.
[[nodiscard]] std::string encoding_complaint(std::string_view text);

// A whole small file (at most 1 MiB): configuration, PEM. The error says why and names the file.
[[nodiscard]] Result<std::string, Error> read_small_file(const std::string& path);

}  // namespace penstock::config
