// The folder of recorded samples, tests/data of the checkout: for tests, benchmarks and fuzzers.
//
// Its path is compiled into test_data.cc alone, so that every other object file is the same in all
// checkouts and a compiler cache serves them all.
#pragma once

#include <string>

namespace penstock {

const std::string& test_data();

}  // namespace penstock
