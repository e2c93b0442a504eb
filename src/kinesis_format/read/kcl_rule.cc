#include "kinesis_format/read/kcl_rule.h"

#include "kinesis_format/md5.h"
#include "kinesis_format/read/kpl_reader.h"

namespace penstock::kinesis_format {

uint64_t dropped_by_kcl(ByteView data, Uint128 first, Uint128 last) {
  uint64_t count = 0;
  bool all_inside = true;
  (void)read_kpl(data, [&](const KplRecord& record) {
    ++count;
    std::optional<Uint128> key;
    if (record.explicit_hash_key.empty()) {
      key = hash_key_of(record.partition_key);
    } else {
      key = parse_decimal(record.explicit_hash_key);
    }
    all_inside = all_inside && key && first <= *key && *key <= last;
  });
  return all_inside ? 0 : count;
}

}  // namespace penstock::kinesis_format
