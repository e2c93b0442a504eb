// Reading the answer to 500 records, per answer. Budget: below a tenth of a microsecond per entry
// for CBOR, nothing allocated once the memory is warm.
#include "kinesis/put_records.h"

#include <benchmark/benchmark.h>

#include <nlohmann/json.hpp>

namespace penstock::kinesis {
namespace {

net::HttpResponse full_answer(bool cbor) {
  nlohmann::json records = nlohmann::json::array();
  for (int i = 0; i < 500; ++i) {
    records.push_back(
        {{"SequenceNumber", "49543463076548007577105092703039560359975228518395012686"},
         {"ShardId", "shardId-000000000007"}});
  }
  const nlohmann::json value = {{"FailedRecordCount", 0}, {"Records", records}};
  net::HttpResponse response;
  response.status = 200;
  if (cbor) {
    response.content_type = "application/x-amz-cbor-1.1";
    response.body = ByteBuffer::copy_of(nlohmann::json::to_cbor(value));
  } else {
    response.content_type = "application/x-amz-json-1.1";
    response.body = ByteBuffer::copy_of(as_bytes(value.dump()));
  }
  return response;
}

void read_answer(benchmark::State& state) {
  const net::HttpResponse response = full_answer(state.range(0) != 0);
  PutAnswerReader reader;
  PutAnswer answer;
  for (auto _ : state) {
    reader.read(response, 500, answer);
    benchmark::DoNotOptimize(answer.failed);
  }
  if (answer.error != PutError::none) state.SkipWithError("not read");
  state.SetItemsProcessed(state.iterations() * 500);
}
BENCHMARK(read_answer)->ArgName("cbor")->Arg(0)->Arg(1);

}  // namespace
}  // namespace penstock::kinesis
