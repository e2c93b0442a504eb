// The screen of `penstock top`, from the JSON of GET /api/status. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace penstock::cli {

enum class TopOrder : uint8_t { name, behind, rate };

struct TopView {
  size_t columns = 100;
  size_t rows = 40;
  bool colors = true;
  bool paused = false;
  bool help = false;
  TopOrder order = TopOrder::name;
  size_t scrolled = 0;  // lines
};

// Lines with '\n' between them, none longer than view.columns and at most view.rows of them.
[[nodiscard]] std::string top_screen(std::string_view status_json, const TopView& view);
// Whether it is what the admin port of a penstock answers.
[[nodiscard]] bool is_status(std::string_view status_json);
// While there is no answer.
[[nodiscard]] std::string top_screen_without(const std::string& error, const TopView& view);

}  // namespace penstock::cli
