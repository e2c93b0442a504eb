// `penstock completion SHELL` and `penstock man`: from the same declarations as the help. Packages
// run them at build time.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/subcommands.h"
#include "cli/version.h"

namespace penstock::cli {
namespace {

using Apps = std::vector<const CLI::App*>;

Apps commands_of(const CLI::App& app) {
  Apps commands;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (!command->get_name().empty()) commands.push_back(command);
  }
  return commands;
}

std::vector<const CLI::Option*> options_of(const CLI::App& app) {
  std::vector<const CLI::Option*> options;
  for (const CLI::Option* option : app.get_options({})) {
    if (!option->get_lnames().empty()) options.push_back(option);
  }
  return options;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }
bool takes_file(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return type == "FILE" || type == "DIR" || option.get_lnames()[0].ends_with("file") ||
         option.get_lnames()[0] == "ca" || option.get_lnames()[0] == "ledger";
}

// visit(path, app): "penstock", "penstock spool", "penstock spool ls".
template <class Visit>
void each_command(const CLI::App& app, const std::string& path, Visit visit) {
  visit(path, app);
  for (const CLI::App* command : commands_of(app)) {
    each_command(*command, path + " " + command->get_name(), visit);
  }
}

// --- bash

std::string bash(const CLI::App& app) {
  std::string out =
      "# bash completion of penstock; made by `penstock completion bash`.\n"
      "_penstock() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} path=penstock "
      "part\n"
      "  for part in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    case \"$path $part\" in\n";
  std::string paths;
  std::string files;
  std::string words;
  each_command(app, "penstock", [&](const std::string& path, const CLI::App& at) {
    if (path != "penstock") paths += (paths.empty() ? "" : " | ") + ("'" + path + "'");
    std::string names;
    for (const CLI::App* command : commands_of(at)) names += command->get_name() + " ";
    for (const CLI::Option* option : options_of(at)) {
      for (const std::string& name : option->get_lnames()) {
        names += "--" + name + " ";
        if (takes_value(*option) && takes_file(*option)) {
          if (files.find("'" + ("--" + name) + "'") == std::string::npos) {
            files += (files.empty() ? "" : " | ") + ("'--" + name + "'");
          }
        }
      }
    }
    if (!names.empty()) names.pop_back();
    words += "    '" + path + "') words='" + names + "' ;;\n";
  });
  out += "      " + paths + ") path=\"$path $part\" ;;\n    esac\n  done\n";
  if (!files.empty()) {
    out += "  case $before in\n    " + files +
           ") mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return ;;\n  esac\n";
  }
  return out + "  local words=\n  case $path in\n" + words +
         "  esac\n"
         "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
         "  [[ ${#COMPREPLY[@]} -gt 0 || $word == -* ]] || mapfile -t COMPREPLY < <(compgen -f -- "
         "\"$word\")\n"
         "}\n"
         "complete -o filenames -F _penstock penstock\n";
}

// --- zsh and fish

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else if (c != '[' && c != ']' && c != ':') {
      out += c;
    }
  }
  return out + "'";
}

// zsh reads bash's completions.
std::string zsh(const CLI::App& app) {
  return "#compdef penstock\nautoload -U +X bashcompinit && bashcompinit\n" + bash(app);
}

std::string fish(const CLI::App& app) {
  std::string out = "# fish completion of penstock; made by `penstock completion fish`.\n";
  each_command(app, "penstock", [&](const std::string& path, const CLI::App& at) {
    const bool is_top = path == "penstock";
    const std::string condition =
        is_top ? "__fish_use_subcommand" : "__fish_seen_subcommand_from " + at.get_name();
    for (const CLI::App* command : commands_of(at)) {
      out += "complete -c penstock -f -n '" + condition + "' -a " + command->get_name() + " -d " +
             quoted(first_line(command->get_description())) + "\n";
    }
    for (const CLI::Option* option : options_of(at)) {
      out += "complete -c penstock" + (is_top ? "" : " -n '" + condition + "'") + " -l " +
             option->get_lnames()[0] + (takes_value(*option) ? " -r" : "") + " -d " +
             quoted(first_line(option->get_description())) + "\n";
    }
  });
  return out;
}

// --- man

// For troff: no line begins with a dot or a quote, and hyphens are those of the keyboard.
std::string troff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '-') {
      out += "\\-";
    } else {
      if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) out += "\\&";
      out += c;
    }
  }
  // Not every terminal's encoding has it, and troff would leave it out.
  static constexpr std::string_view kEllipsis = "…";
  for (size_t at = 0; (at = out.find(kEllipsis, at)) != std::string::npos;) {
    out.replace(at, kEllipsis.size(), "...");
  }
  return out;
}

void add_options(const CLI::App& app, std::string& out) {
  for (const CLI::Option* option : app.get_options({})) {
    const bool is_positional = option->get_lnames().empty();
    const std::string name = is_positional ? option->get_name() : "--" + option->get_lnames()[0];
    const std::string type = option->get_type_name();
    out += ".TP\n.B " + troff(name);
    if (!is_positional && takes_value(*option) && !type.empty()) out += " " + troff(type);
    out += "\n" + troff(option->get_description()) + "\n";
  }
}

std::string man(const CLI::App& app) {
  std::string out = ".TH PENSTOCK 1 \"\" \"penstock " + version_number() +
                    "\" \"User Commands\"\n" +
                    ".SH NAME\npenstock \\- delivers logs to AWS Kinesis without losing any\n" +
                    ".SH SYNOPSIS\n.B penstock\n.I COMMAND\n[options]\n.SH OPTIONS\n";
  add_options(app, out);
  out += ".SH COMMANDS\n";
  each_command(app, "penstock", [&](const std::string& path, const CLI::App& at) {
    if (path == "penstock") return;
    out += ".SS " + troff(path) + "\n" + troff(at.get_description()) + "\n";
    add_options(at, out);
    // CLI11 hands the main footer down to commands without one of their own.
    if (!at.get_footer().empty() && at.get_footer() != app.get_footer()) {
      out += ".PP\n.nf\n" + troff(at.get_footer()) + "\n.fi\n";
    }
  });
  return out +
         ".SH EXIT STATUS\n"
         ".TP\n.B 0\nDone.\n.TP\n.B 1\nIt ran and failed.\n"
         ".TP\n.B 2\nWrong usage or configuration; nothing was started.\n"
         ".SH FILES\n.TP\n.I /etc/penstock/penstock.yaml\nThe configuration of run, check and "
         "iam\\-policy, where it exists.\n"
         ".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nNo colors on the terminal.\n";
}

int print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  return std::fflush(stdout) == 0 ? kDone : kFailed;
}

}  // namespace

void register_completion(CLI::App& app, int& exit_code) {
  const auto shell = std::make_shared<std::string>();
  CLI::App* const command =
      app.add_subcommand("completion", "Print a shell's completion script: bash, zsh or fish");
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer("Example:\n  source <(penstock completion bash)");
  command->callback([shell, &app, &exit_code] {
    exit_code = print(*shell == "bash" ? bash(app) : *shell == "zsh" ? zsh(app) : fish(app));
  });
}

void register_man(CLI::App& app, int& exit_code) {
  app.add_subcommand("man", "Print the manual page (penstock man | man -l -)")
      ->callback([&app, &exit_code] { exit_code = print(man(app)); });
}

}  // namespace penstock::cli
