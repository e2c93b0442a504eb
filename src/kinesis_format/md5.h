// MD5 (RFC 1321), as Kinesis uses it: to spread partition keys over shards and to recognize an
// aggregated record. Nothing here is for security, and it must work on hosts in FIPS mode, where
// OpenSSL refuses MD5: so it is our own. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "kinesis_format/u128.h"

namespace penstock::kinesis_format {

using Md5Digest = std::array<uint8_t, 16>;

[[nodiscard]] Md5Digest md5(ByteView bytes);

// Of several messages side by side: sixteen at a time with AVX2, else eight, which takes a quarter
// or two fifths of the time. As many digests as messages.
void md5_of_each(std::span<const ByteView> messages, std::span<Md5Digest> digests,
                 bool may_use_avx2 = true);

// The hash key a partition key stands for: its MD5, read as a big-endian number.
[[nodiscard]] Uint128 hash_key_of(std::string_view partition_key);

}  // namespace penstock::kinesis_format
