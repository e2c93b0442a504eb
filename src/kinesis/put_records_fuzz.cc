// Whatever answers, reading it ends, and says one thing per record or one for all.
#include "kinesis/put_records.h"

#include <cstdlib>

using namespace penstock;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 2) return 0;
  constexpr int kStatuses[] = {200, 200, 400, 500};
  constexpr const char* kTypes[] = {"application/x-amz-cbor-1.1", "application/x-amz-json-1.1", "",
                                    "text/xml"};
  net::HttpResponse response;
  response.status = kStatuses[bytes[0] & 3];
  response.content_type = kTypes[(bytes[0] >> 2) & 3];
  const size_t record_count = bytes[1] % 4 + 1;
  response.body = ByteBuffer::copy_of(ByteView(bytes + 2, size - 2));

  static kinesis::PutAnswerReader reader;
  static kinesis::PutAnswer answer;
  reader.read(response, record_count, answer);

  const bool listed = answer.error == kinesis::PutError::none;
  if (answer.entries.size() != (listed ? record_count : 0)) std::abort();
  size_t failed = 0;
  for (const kinesis::EntryResult& entry : answer.entries) {
    failed += entry.outcome != kinesis::EntryOutcome::accepted ? 1 : 0;
  }
  if (failed != answer.failed) std::abort();
  if (listed && response.status != 200) std::abort();
  if (answer.message.size() > 512 || answer.code.size() > 256) std::abort();
  return 0;
}
