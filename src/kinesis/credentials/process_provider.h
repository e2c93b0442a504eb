// credential_process: a command that prints {"Version":1,"AccessKeyId":…}.
#pragma once

#include <string>

#include "kinesis/credentials/provider.h"

namespace penstock::kinesis {

// By /bin/sh; ended after `deadline`. Its stderr is ours.
[[nodiscard]] Result<Credentials, Error> run_credential_process(const std::string& command,
                                                                milliseconds deadline);

}  // namespace penstock::kinesis
