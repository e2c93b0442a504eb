#include "cli/config_option.h"

#include <CLI/CLI.hpp>

namespace penstock::cli {

void add_config_option(CLI::App& command, const std::string& names, std::string& file) {
  command
      .add_option(names, file,
                  "Configuration file (default /etc/penstock/penstock.yaml if it exists, else the "
                  "environment alone)")
      ->type_name("FILE");
}

}  // namespace penstock::cli
