// The sample records of every OpenShift Logging generation as batches, for tests and benches.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "record/batch.h"

namespace penstock::route {

// Lines of tests/data/openshift/<path>.
[[nodiscard]] std::vector<std::string> sample_lines(std::string_view path);

// One batch for each tag of an envelope file {"tag","time","record"}, as msgpack entries.
// message_as_bin: as fluentd sends it since 5.3.
[[nodiscard]] std::vector<record::Batch> forward_batches(std::string_view path,
                                                         bool message_as_bin = false);
// The records of an envelope file alone.
[[nodiscard]] std::vector<std::string> envelope_records(std::string_view path);

[[nodiscard]] record::Batch json_batch(const std::vector<std::string>& objects,
                                       std::string tag = "http");
// The same records as msgpack maps.
[[nodiscard]] record::Batch msgpack_batch(const std::vector<std::string>& objects,
                                          std::string tag = "http");

// What a batch holds, as JSON objects.
[[nodiscard]] std::vector<std::string> objects_of(const record::Batch& batch);

}  // namespace penstock::route
