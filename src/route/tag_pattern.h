// TagPattern: what Fluentd writes after <match>, compiled once.
//
//   *        anything within one part of the tag (between dots)
//   **       zero or more parts: `a.**` takes a, a.b and a.b.c; `**.c` takes c, b.c and a.b.c
//   {a,b}    a or b, each of them a pattern again
//   \x       the character x itself
//   a b      several patterns: one of them has to match
//
// The rules are those of fluentd's lib/fluent/match.rb (GlobMatchPattern), its corners included:
// `a**` also takes `ab.c`, and a dot at the very end of a pattern is not seen.
// Not taken over: Ruby in "#{…}" and regular expressions between slashes.
//
// Matching costs time proportional to the tag, whatever the pattern (no backtracking), and does not
// allocate. Immutable after compile(); thread: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace penstock::route {

class TagPattern {
 public:
  // Errors: empty, a regular expression, or too long (kStatesMax).
  [[nodiscard]] static Result<TagPattern, Error> compile(std::string_view pattern);

  [[nodiscard]] bool matches(std::string_view tag) const;
  [[nodiscard]] const std::string& text() const { return text_; }

  // More states than this many characters and wildcards are never needed by hand.
  static constexpr size_t kStatesMax = 1024;

  // One state of the automaton. Jumps are relative, so that programs can be joined.
  struct State {
    enum class Kind : uint8_t {
      byte,      // this byte
      part,      // any byte but a dot
      any,       // any byte
      split,     // go on at +1 and at +jump
      jump,      // go on at +jump
      at_start,  // only at the tag's first byte
      part_end,  // only before a dot or at the end
      match,
    };
    Kind kind = Kind::match;
    char value = 0;
    int16_t jump = 0;
  };

 private:
  TagPattern(std::string text, std::vector<State> states, bool everything)
      : text_(std::move(text)), states_(std::move(states)), everything_(everything) {}

  std::string text_;
  std::vector<State> states_;  // all alternatives joined by splits
  bool everything_ = false;    // `**`: no need to look
};

}  // namespace penstock::route
