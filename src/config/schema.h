// Each option of the configuration, declared once: key, type, default, sentence, and whether a
// change needs a restart. schema.cc holds the declarations; the loader reads by them, diff.cc
// compares by them, and doc/config.md is printed from them.
#pragma once

#include <string>
#include <vector>

#include "config/options.h"

namespace YAML {
class Node;
}

namespace penstock::config {

class NodeReader;

// Reads the document into config; what is wrong goes to the reader's problems.
void read_document(NodeReader& reader, const YAML::Node& document, Config& config);

// The names of the options of type T (a *Options struct) whose values differ.
struct ChangedOption {
  std::string key;
  bool needs_restart;
};
template <class T>
[[nodiscard]] std::vector<ChangedOption> changed_options(const T& running, const T& wanted);

// doc/config.md.
[[nodiscard]] std::string config_reference();

}  // namespace penstock::config
