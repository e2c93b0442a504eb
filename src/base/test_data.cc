#include "base/test_data.h"

namespace penstock {

const std::string& test_data() {
  static const std::string path = PENSTOCK_TEST_DATA;
  return path;
}

}  // namespace penstock
