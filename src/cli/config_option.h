// The option that names the configuration, the same for every subcommand that reads one.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace penstock::cli {

// names: as CLI11 takes them, "--config" or "--config,file". file outlives the command.
void add_config_option(CLI::App& command, const std::string& names, std::string& file);

}  // namespace penstock::cli
