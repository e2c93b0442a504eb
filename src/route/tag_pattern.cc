#include "route/tag_pattern.h"

#include <array>
#include <bit>
#include <utility>

#include "base/check.h"

namespace penstock::route {
namespace {

using State = TagPattern::State;
using Kind = State::Kind;
using Program = std::vector<State>;

void join(Program& to, const Program& more) { to.insert(to.end(), more.begin(), more.end()); }

// (one)* for a state that eats one byte
void add_repeated(Program& to, Kind one) {
  to.push_back({Kind::split, 0, 3});
  to.push_back({one, 0, 0});
  to.push_back({Kind::jump, 0, -2});
}

// first | second | … ; jumps that would not fit are caught by the size check of compile().
Program alternatives(const std::vector<Program>& choices) {
  Program joined = choices.back();
  for (size_t i = choices.size() - 1; i-- > 0;) {
    Program front;
    front.push_back({Kind::split, 0, static_cast<int16_t>(choices[i].size() + 2)});
    join(front, choices[i]);
    front.push_back({Kind::jump, 0, static_cast<int16_t>(joined.size() + 1)});
    join(front, joined);
    joined = std::move(front);
  }
  return joined;
}

// One pattern without spaces, read as fluentd's GlobMatchPattern#initialize reads it.
class Compiler {
 public:
  Program compile(std::string_view pattern) {
    for (size_t i = 0; i < pattern.size();) i += read(pattern.substr(i));
    while (!braces_.empty()) close_brace();
    return std::move(program_);
  }

 private:
  // Returns how many characters it has taken.
  size_t read(std::string_view rest) {
    const char c = rest.front();
    if (escaped_) {
      escaped_ = false;
      program_.push_back({Kind::byte, c, 0});
      return 1;
    }
    if (rest.starts_with("**")) return read_parts(rest);
    if (std::exchange(dot_, false)) program_.push_back({Kind::byte, '.', 0});
    if (c == '\\') {
      escaped_ = true;
    } else if (c == '.') {
      dot_ = true;
    } else if (c == '*') {
      add_repeated(program_, Kind::part);
    } else if (c == '{') {
      braces_.push_back({std::move(program_), {}});
      program_.clear();
    } else if (c == '}' && !braces_.empty()) {
      close_brace();
    } else if (c == ',' && !braces_.empty()) {
      braces_.back().choices.push_back(std::exchange(program_, {}));
    } else {
      program_.push_back({Kind::byte, c, 0});
    }
    return 1;
  }

  // `**`: together with a dot before it and a dot behind it, these are parts and not bytes.
  size_t read_parts(std::string_view rest) {
    if (std::exchange(dot_, false)) program_.push_back({Kind::part_end, 0, 0});
    if (rest.size() == 2 || rest[2] != '.') {
      add_repeated(program_, Kind::any);
      return 2;
    }
    Program parts;
    add_repeated(parts, Kind::any);
    parts.push_back({Kind::byte, '.', 0});
    join(program_, alternatives({parts, {{Kind::at_start, 0, 0}}}));
    return 3;
  }

  void close_brace() {
    Brace brace = std::move(braces_.back());
    braces_.pop_back();
    brace.choices.push_back(std::move(program_));
    program_ = std::move(brace.before);
    join(program_, alternatives(brace.choices));
  }

  struct Brace {
    Program before;
    std::vector<Program> choices;
  };
  Program program_;
  std::vector<Brace> braces_;
  bool escaped_ = false;
  bool dot_ = false;  // a dot was read but not yet written: what follows decides its meaning
};

// Which states the automaton is in.
class StateSet {
 public:
  void clear(size_t states) {
    words_ = (states + 63) / 64;
    for (size_t i = 0; i < words_; ++i) bits_[i] = 0;
  }
  bool insert(size_t state) {
    uint64_t& word = bits_[state / 64];
    const uint64_t bit = uint64_t{1} << (state % 64);
    if ((word & bit) != 0) return false;
    word |= bit;
    return true;
  }
  bool empty() const {
    for (size_t i = 0; i < words_; ++i) {
      if (bits_[i] != 0) return false;
    }
    return true;
  }
  bool contains(size_t state) const { return (bits_[state / 64] >> (state % 64) & 1) != 0; }
  template <class Visit>
  void for_each(Visit visit) const {
    for (size_t i = 0; i < words_; ++i) {
      for (uint64_t word = bits_[i]; word != 0; word &= word - 1) {
        visit(i * 64 + static_cast<size_t>(std::countr_zero(word)));
      }
    }
  }

 private:
  std::array<uint64_t, TagPattern::kStatesMax / 64> bits_;
  size_t words_ = 0;
};

// Adds a state and whatever can be reached from it without eating a byte of tag[at…].
void enter(const std::vector<State>& states, size_t state, std::string_view tag, size_t at,
           StateSet& set) {
  // A state is followed once and pushes at most two.
  std::array<uint16_t, 2 * TagPattern::kStatesMax + 2> stack;
  size_t depth = 0;
  stack[depth++] = static_cast<uint16_t>(state);
  while (depth > 0) {
    const size_t next = stack[--depth];
    if (!set.insert(next)) continue;
    const State& entered = states[next];
    const auto target = static_cast<uint16_t>(static_cast<int>(next) + entered.jump);
    switch (entered.kind) {
      case Kind::split:
        stack[depth++] = static_cast<uint16_t>(next + 1);
        stack[depth++] = target;
        break;
      case Kind::jump:
        stack[depth++] = target;
        break;
      case Kind::at_start:
        if (at == 0) stack[depth++] = static_cast<uint16_t>(next + 1);
        break;
      case Kind::part_end:
        if (at == tag.size() || tag[at] == '.') stack[depth++] = static_cast<uint16_t>(next + 1);
        break;
      case Kind::byte:
      case Kind::part:
      case Kind::any:
      case Kind::match:
        break;
    }
  }
}

bool eats(const State& state, char byte) {
  switch (state.kind) {
    case Kind::byte:
      return state.value == byte;
    case Kind::part:
      return byte != '.';
    case Kind::any:
      return true;
    default:
      return false;
  }
}

}  // namespace

Result<TagPattern, Error> TagPattern::compile(std::string_view pattern) {
  constexpr std::string_view kSpace = " \t\r\n\f\v";
  std::vector<Program> choices;
  bool everything = false;
  for (size_t at = 0; (at = pattern.find_first_not_of(kSpace, at)) != std::string_view::npos;) {
    const std::string_view one = pattern.substr(at, pattern.find_first_of(kSpace, at) - at);
    at += one.size();
    if (one.front() == '/') {
      return usage_error("tag pattern \"" + std::string(one) +
                         "\": regular expressions are not supported; use *, ** and {a,b}");
    }
    // Nested braces copy what they hold once a level: bounded before, not after.
    if (one.size() > kStatesMax) return usage_error("tag pattern is too long");
    everything = everything || one == "**";
    choices.push_back(Compiler().compile(one));
  }
  if (choices.empty()) return usage_error("tag pattern is empty; use ** for every tag");
  size_t size = 1;
  for (const Program& choice : choices) size += choice.size() + 2;
  if (size > kStatesMax) {
    return usage_error("tag pattern \"" + std::string(pattern.substr(0, 40)) +
                       "…\" is too long; use several routes");
  }
  Program program = alternatives(choices);
  program.push_back({Kind::match, 0, 0});
  return TagPattern(std::string(pattern), std::move(program), everything);
}

bool TagPattern::matches(std::string_view tag) const {
  if (everything_) return true;
  StateSet sets[2];
  StateSet* current = &sets[0];
  StateSet* following = &sets[1];
  current->clear(states_.size());
  enter(states_, 0, tag, 0, *current);
  for (size_t at = 0; at < tag.size(); ++at) {
    if (current->empty()) return false;
    following->clear(states_.size());
    current->for_each([&](size_t state) {
      if (eats(states_[state], tag[at])) enter(states_, state + 1, tag, at + 1, *following);
    });
    std::swap(current, following);
  }
  return current->contains(states_.size() - 1);
}

}  // namespace penstock::route
