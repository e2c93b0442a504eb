// The machinery under schema.cc: Option<T>, one declared option of the struct T; Section<T>, all of
// them; and Codec<V>, how a value of type V is read, shown and named. Only schema*.cc include it.
#pragma once

#include <array>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "config/node_reader.h"
#include "config/options.h"
#include "config/values.h"

namespace penstock::config {

// Specialised once for each struct: `static std::span<const Option<T>> options();`
template <class T>
struct Section;

template <class T>
concept HasSection = requires {
  Section<T>::options();
};

// What the author of an option writes. A key with a dot ("dedup.window") stands in a group of the
// document that is no struct of ours.
struct Declared {
  std::string_view key;
  std::string_view sentence;
  bool needs_restart = false;
  std::string_view default_text = {};  // where the value of a default-made T does not tell
};

template <class T>
struct Option {
  Declared declared;
  std::string (*type)();
  void (*read)(NodeReader&, const YAML::Node&, T&);
  std::string (*show)(const T&);  // "" when there is nothing to show
  bool (*same)(const T&, const T&);
  void (*document)(const std::string& prefix, std::string& rows);  // of a nested section, else null
};

template <class T>
void read_section(NodeReader& reader, const YAML::Node& node, T& out);
template <class T>
void document_section(const std::string& prefix, std::string& rows);

// ---- codecs ------------------------------------------------------------------------------------

template <class V, class Parse>
void read_scalar(NodeReader& reader, const YAML::Node& node, V& out, Parse parse) {
  const std::optional<std::string> text = reader.scalar(node);
  if (!text) return;
  auto value = parse(trimmed(*text));
  if (value) {
    out = std::move(*value);
  } else {
    reader.complain(node, "'" + reader.as_written(node) + "' cannot be used", value.error());
  }
}

template <class V>
struct Codec;

template <>
struct Codec<std::string> {
  static std::string type() { return "text"; }
  static std::string show(const std::string& value) { return value; }
  static void read(NodeReader& reader, const YAML::Node& node, std::string& out) {
    std::optional<std::string> text = reader.scalar(node);
    if (!text) return;
    const std::string_view word = trimmed(*text);  // variables often end in a line break
    if (word.empty()) {
      reader.complain(node, "is empty", "give it a value, or remove the key");
    } else {
      out = word;
    }
  }
};
struct FileCodec : Codec<std::string> {
  static std::string type() { return "file"; }
};
struct DirectoryCodec : Codec<std::string> {
  static std::string type() { return "directory"; }
};
template <>
struct Codec<SecretRef> {
  static std::string type() { return "file"; }
  static std::string show(const SecretRef& value) { return value.path; }
  static void read(NodeReader& reader, const YAML::Node& node, SecretRef& out) {
    Codec<std::string>::read(reader, node, out.path);
  }
};
template <>
struct Codec<bool> {
  static std::string type() { return "true or false"; }
  static std::string show(bool value) { return value ? "true" : "false"; }
  static void read(NodeReader& reader, const YAML::Node& node, bool& out) {
    read_scalar(reader, node, out, parse_switch);
  }
};
template <>
struct Codec<uint64_t> {
  static std::string type() { return "size"; }
  static std::string show(uint64_t value) { return value == 0 ? "" : show_size(value); }
  static void read(NodeReader& reader, const YAML::Node& node, uint64_t& out) {
    read_scalar(reader, node, out, parse_size);
  }
};
template <>
struct Codec<uint32_t> {
  static std::string type() { return "number"; }
  static std::string show(uint32_t value) { return std::to_string(value); }
  static void read(NodeReader& reader, const YAML::Node& node, uint32_t& out) {
    read_scalar(reader, node, out,
                [](std::string_view text) { return parse_count(text, 1, 1'000'000); });
  }
};
template <>
struct Codec<milliseconds> {
  static std::string type() { return "duration"; }
  static std::string show(milliseconds value) { return show_duration(value); }
  static void read(NodeReader& reader, const YAML::Node& node, milliseconds& out) {
    read_scalar(reader, node, out, parse_duration);
  }
};
template <>
struct Codec<ListenAddress> {
  static std::string type() { return "host:port"; }
  static std::string show(const ListenAddress& value) { return to_string(value); }
  static void read(NodeReader& reader, const YAML::Node& node, ListenAddress& out) {
    read_scalar(reader, node, out, net::parse_listen_address);
  }
};

// All values of an enum that has to_string(), in the order they are documented.
template <class E>
struct ValuesOf;

template <class E>
requires std::is_enum_v<E>
struct Codec<E> {
  static std::string type() {
    std::string names;
    for (const E value : ValuesOf<E>::all) {
      if (!names.empty()) names += ", ";
      names += to_string(value);
    }
    return names;
  }
  static std::string show(E value) { return to_string(value); }
  static void read(NodeReader& reader, const YAML::Node& node, E& out) {
    read_scalar(reader, node, out, [](std::string_view text) -> Result<E, std::string> {
      for (const E value : ValuesOf<E>::all) {
        if (text == to_string(value)) return value;
      }
      return failure("use one of: " + type());
    });
  }
};

template <HasSection T>
struct Codec<T> {
  using Nested = T;
  static std::string type() { return "section"; }
  static std::string show(const T&) { return ""; }
  static void read(NodeReader& reader, const YAML::Node& node, T& out) {
    read_section(reader, node, out);
  }
};
template <HasSection T>
struct Codec<std::optional<T>> {
  using Nested = T;
  static std::string type() { return "section"; }
  static std::string show(const std::optional<T>&) { return ""; }
  static void read(NodeReader& reader, const YAML::Node& node, std::optional<T>& out) {
    read_section(reader, node, out.emplace());
  }
};
template <class T>
struct Codec<std::vector<T>> {
  using Element = Codec<T>;
  static std::string type() { return "list of " + Element::type() + "s"; }
  static std::string show(const std::vector<T>&) { return ""; }
  static void read(NodeReader& reader, const YAML::Node& node, std::vector<T>& out) {
    if (!node.IsSequence()) {
      reader.complain(node, "expected a list", "write [a, b], or one '- ' line for each");
      return;
    }
    out.clear();
    size_t index = 0;
    for (const YAML::Node& element : node) {
      const NodeReader::Inside inside(reader, "[" + std::to_string(index++) + "]", element);
      Element::read(reader, element, out.emplace_back());
    }
  }
};

// ---- options -----------------------------------------------------------------------------------

template <class C>
concept HasNested = requires {
  typename C::Nested;
};
template <class C>
concept HasNestedElements = requires {
  typename C::Element::Nested;
};

// Access: a pointer to member, or a lambda from T& to the value.
template <class T, auto Access,
          class C = Codec<std::remove_cvref_t<std::invoke_result_t<decltype(Access), T&>>>>
Option<T> option(Declared declared) {
  Option<T> made{};
  made.declared = declared;
  made.type = &C::type;
  made.read = [](NodeReader& reader, const YAML::Node& node, T& out) {
    C::read(reader, node, std::invoke(Access, out));
  };
  made.show = [](const T& value) { return C::show(std::invoke(Access, value)); };
  made.same = [](const T& a, const T& b) {
    if constexpr (requires { C::same(std::invoke(Access, a), std::invoke(Access, b)); }) {
      return C::same(std::invoke(Access, a), std::invoke(Access, b));
    } else {
      return std::invoke(Access, a) == std::invoke(Access, b);
    }
  };
  if constexpr (HasNested<C>) {
    made.document = [](const std::string& prefix, std::string& rows) {
      document_section<typename C::Nested>(prefix + ".", rows);
    };
  } else if constexpr (HasNestedElements<C>) {
    made.document = [](const std::string& prefix, std::string& rows) {
      document_section<typename C::Element::Nested>(prefix + "[].", rows);
    };
  }
  return made;
}

namespace detail {

// The first part of what stands behind prefix in key; "" when key has another prefix.
inline std::string_view next_part(std::string_view key, std::string_view prefix) {
  if (!key.starts_with(prefix)) return {};
  key.remove_prefix(prefix.size());
  return key.substr(0, key.find('.'));
}

template <class T>
void complain_unknown(NodeReader& reader, const YAML::Node& key_node, const std::string& prefix) {
  std::vector<std::string_view> known;
  for (const Option<T>& candidate : Section<T>::options()) {
    const std::string_view part = next_part(candidate.declared.key, prefix);
    if (!part.empty()) known.push_back(part);
  }
  const std::string& key = key_node.Scalar();
  const std::string_view meant = nearest(key, known);
  std::string cure;
  if (!meant.empty()) {
    cure = "did you mean '" + std::string(meant) + "'?";
  } else {
    std::set<std::string_view> listed;
    cure = "known here: ";
    for (const std::string_view part : known) {
      if (listed.insert(part).second) cure += (listed.size() > 1 ? ", " : "") + std::string(part);
    }
  }
  reader.complain_about_key(key_node, key, "unknown key", std::move(cure));
}

template <class T>
void read_keys(NodeReader& reader, const YAML::Node& node, const std::string& prefix, T& out) {
  if (!node.IsMap()) {
    reader.complain(node, node.IsNull() ? "has no value" : "expected keys and values",
                    "give it keys, or remove it");
    return;
  }
  std::set<std::string> seen;
  for (const NodeReader::Entry& entry : reader.entries(node)) {
    if (!entry.first.IsScalar()) {
      reader.complain(entry.first, "has a key that is not a name");
      continue;
    }
    const std::string& key = entry.first.Scalar();
    if (!seen.insert(key).second) {
      reader.complain_about_key(entry.first, key, "is given twice", "remove one of them");
      continue;
    }
    const std::string whole = prefix + key;
    const Option<T>* exact = nullptr;
    bool group = false;
    for (const Option<T>& candidate : Section<T>::options()) {
      if (candidate.declared.key == whole) exact = &candidate;
      group = group || candidate.declared.key.starts_with(whole + ".");
    }
    if (exact == nullptr && !group) {
      complain_unknown<T>(reader, entry.first, prefix);
      continue;
    }
    const NodeReader::Inside inside(reader, key, entry.first);
    if (exact != nullptr) {
      exact->read(reader, entry.second, out);
    } else {
      read_keys(reader, entry.second, whole + ".", out);
    }
  }
}

}  // namespace detail

template <class T>
void read_section(NodeReader& reader, const YAML::Node& node, T& out) {
  detail::read_keys(reader, node, "", out);
}

// One row of the reference: | `key` | type | default | sentence |
inline void append_row(const std::string& key, const std::string& type,
                       const std::string& default_text, const Declared& declared,
                       std::string& rows) {
  rows += "| `" + key + "` | " + type + " | ";
  rows += default_text;
  rows += " | " + std::string(declared.sentence);
  if (declared.needs_restart) rows += " A change needs a restart.";
  rows += " |\n";
}

template <class T>
void document_section(const std::string& prefix, std::string& rows) {
  const T defaults{};
  for (const Option<T>& each : Section<T>::options()) {
    const std::string key = prefix + std::string(each.declared.key);
    std::string shown(each.declared.default_text);
    if (const std::string value = each.show(defaults); shown.empty() && !value.empty()) {
      shown = "`" + value + "`";
    }
    append_row(key, each.type(), shown, each.declared, rows);
    if (each.document != nullptr) each.document(key, rows);
  }
}

}  // namespace penstock::config
