// `penstock spool redirect DIR`: sends what is stored for one target to another stream.
#pragma once

#include <string_view>

namespace CLI {
class App;
}

namespace penstock::cli {

void register_spool_redirect(CLI::App& spool, int& exit_code);

// Whether a log's target, "kinesis:us-east-1:my-stream", is what the operator means: the whole of
// it, the name, or the ARN.
[[nodiscard]] bool is_target(std::string_view target, std::string_view meant);

}  // namespace penstock::cli
