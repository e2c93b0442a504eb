// `penstock top`: the status page's figures, live in a terminal, from the admin port.
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <memory>

#include "base/clock.h"
#include "base/result.h"
#include "cli/server_flags.h"
#include "cli/subcommands.h"
#include "cli/terminal.h"
#include "cli/top/screen.h"
#include "net/https_client.h"

namespace penstock::cli {
namespace {

struct TopOptions {
  std::string admin = "http://127.0.0.1:9880";
  double interval_s = 1;
  bool once = false;
  std::string page;  // empty: the screen
  std::string ca_file;
  bool insecure = false;
  std::string bearer_token_file;
  std::string token;  // of that file
};

constexpr const char* kGiveAdmin = "; give penstock's admin port with --admin";

volatile std::sig_atomic_t interrupted = 0;

class AdminPort {
 public:
  explicit AdminPort(const TopOptions& options)
      : url_(options.admin),
        token_(options.token),
        client_({.connections_max = 1,
                 .ca_bundle = options.ca_file,
                 .verify_server = !options.insecure,
                 .user_agent = "penstock-top"}) {
    if (url_.find("://") == std::string::npos) url_.insert(0, "http://");
    while (url_.ends_with('/')) url_.pop_back();
  }

  // The body of a page, "api/status".
  Result<std::string, Error> page(const std::string& path) {
    net::HttpRequest request;
    request.method = "GET";
    request.url = url_ + "/" + path;
    request.timeouts = {.connect = milliseconds(2'000),
                        .first_byte = milliseconds(3'000),
                        .whole = milliseconds(5'000)};
    if (!token_.empty()) request.headers.push_back("Authorization: Bearer " + token_);
    const net::HttpResponse response = client_.fetch(std::move(request));
    if (!response.answered()) {
      return run_error(unreachable(response.failure_text, kGiveAdmin));
    }
    if (response.status == 401) {
      return run_error(url_ + (token_.empty()
                                   ? " wants a token; give it with --bearer-token-file"
                                   : " does not accept the token; see admin.secure.auth"));
    }
    if (response.status != 200) {
      return run_error(url_ + " answered " + std::to_string(response.status) + kGiveAdmin);
    }
    return std::string(as_text(response.body.view()));
  }

  Result<std::string, Error> status() {
    auto status = page("api/status");
    if (status && !is_status(*status)) {
      return run_error(url_ + " is no admin port of penstock; give it with --admin");
    }
    return status;
  }

 private:
  std::string url_;
  const std::string token_;
  net::HttpsClient client_;
};

// The alternate screen and single key strokes, until it goes.
class Terminal {
 public:
  Terminal() {
    ::tcgetattr(STDIN_FILENO, &before_);
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    std::fputs("\x1b[?1049h\x1b[?25l", stdout);
    struct sigaction action {};
    action.sa_handler = [](int) { interrupted = 1; };
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(number, &action, nullptr);
    action.sa_handler = [](int) {};  // wakes poll()
    ::sigaction(SIGWINCH, &action, nullptr);
  }
  ~Terminal() {
    std::fputs("\x1b[?25h\x1b[?1049l", stdout);
    std::fflush(stdout);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  static void size(TopView& view) {
    winsize found{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &found) != 0 || found.ws_col == 0) return;
    view.columns = found.ws_col;
    view.rows = found.ws_row;
  }
  static void draw(const std::string& screen) {
    std::string out = "\x1b[H";
    for (const char c : screen) {
      if (c == '\n') out += "\x1b[K\r";  // what was there before goes
      out += c;
    }
    std::fputs((out + "\x1b[J").c_str(), stdout);
    std::fflush(stdout);
  }
  // The keys pressed within this time; empty: none.
  static std::string keys(milliseconds wait) {
    pollfd in{STDIN_FILENO, POLLIN, 0};
    if (::poll(&in, 1, static_cast<int>(wait.count())) <= 0) return {};
    char bytes[16];
    const ssize_t got = ::read(STDIN_FILENO, bytes, sizeof bytes);
    if (got <= 0) interrupted = 1;  // the terminal is gone
    return got > 0 ? std::string(bytes, static_cast<size_t>(got)) : std::string();
  }

 private:
  termios before_{};
};

// False: to end.
bool press(const std::string& keys, TopView& view) {
  if (keys == "\x1b[A") {
    view.scrolled -= std::min<size_t>(view.scrolled, 1);
  } else if (keys == "\x1b[B") {
    ++view.scrolled;
  } else {
    for (const char key : keys) {
      if (key == 'q' || key == 'Q' || key == 4) return false;
      if (key == ' ') view.paused = !view.paused;
      if (key == '?' || key == 'h') view.help = !view.help;
      if (key == 'n') view.order = TopOrder::name;
      if (key == 'b') view.order = TopOrder::behind;
      if (key == 'r') view.order = TopOrder::rate;
      if (key == 'j') ++view.scrolled;
      if (key == 'k') view.scrolled -= std::min<size_t>(view.scrolled, 1);
    }
  }
  return true;
}

int watch(const TopOptions& options) {
  AdminPort admin(options);
  auto status = admin.status();
  if (!status) return report(status.error());
  const Terminal terminal;
  TopView view;
  view.colors = wants_colors(stdout);
  const auto interval = milliseconds(static_cast<int64_t>(options.interval_s * 1000));
  SteadyTime next = Clock::system().steady() + interval;
  for (;;) {
    Terminal::size(view);
    Terminal::draw(status ? top_screen(*status, view)
                          : top_screen_without(status.error().message, view));
    const auto left = std::chrono::ceil<milliseconds>(next - Clock::system().steady());
    const std::string keys = Terminal::keys(std::max(left, milliseconds(0)));
    if (interrupted != 0 || !press(keys, view)) return kDone;
    if (Clock::system().steady() < next) continue;
    next = Clock::system().steady() + interval;
    if (!view.paused) status = admin.status();
  }
}

int print_page(const TopOptions& options) {
  AdminPort admin(options);
  const auto page = admin.page(options.page);
  if (!page) return report(page.error());
  const bool written = std::fwrite(page->data(), 1, page->size(), stdout) == page->size();
  return written && std::fflush(stdout) == 0 ? kDone : kFailed;
}

int show_once(const TopOptions& options) {
  AdminPort admin(options);
  const auto status = admin.status();
  if (!status) return report(status.error());
  TopView view;
  view.columns = 200;
  view.rows = 1000;
  view.colors = wants_colors(stdout);
  std::string screen = top_screen(*status, view);
  screen.erase(screen.rfind('\n') + 1);  // the keys
  std::fputs(screen.c_str(), stdout);
  return std::fflush(stdout) == 0 ? kDone : kFailed;
}

}  // namespace

void register_top(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<TopOptions>();
  CLI::App* const top =
      app.add_subcommand("top", "Show the figures of the status page in the terminal");
  top->add_option("--admin", options->admin, "The admin port (default http://127.0.0.1:9880)")
      ->type_name("URL");
  top->add_option("--ca", options->ca_file,
                  "CA certificates to trust (PEM), for https; default: the system's");
  top->add_flag("--insecure", options->insecure, "Do not verify the server's certificate");
  top->add_option("--bearer-token-file", options->bearer_token_file,
                  "Bearer token, for the port of admin.secure");
  top->add_option("--interval", options->interval_s, "Seconds between updates (default 1)")
      ->type_name("S")
      ->check(CLI::Range(0.1, 3600.0));
  top->add_flag("--once", options->once, "Print once and exit; the default without a terminal");
  top->add_option("--page", options->page,
                  "Print a page of the admin port as it is: metrics, api/status or api/history")
      ->type_name("PAGE")
      ->check(CLI::IsMember({"metrics", "api/status", "api/history"}));
  top->footer(
      "Keys: q quit, space pause, n/b/r order streams by name, behind, rate, j/k or arrows scroll, "
      "? help.\n"
      "Examples, for a pod:\n"
      "  oc exec -it log-forwarding-kinesis-0 -- penstock top\n"
      "  oc exec log-forwarding-kinesis-0 -- penstock top --page metrics | grep ^penstock_events\n"
      "Example, for the port of admin.secure:\n"
      "  penstock top --admin https://logs.example.com:9443 --ca ca.crt --bearer-token-file token");
  top->callback([options, &exit_code] {
    auto token = read_secret_file("--bearer-token-file", options->bearer_token_file);
    const auto ca = check_ca_file(options->ca_file);
    if (!token || !ca) {
      exit_code = report(token ? ca.error() : token.error());
      return;
    }
    options->token = std::move(*token);
    if (!options->page.empty()) {
      exit_code = print_page(*options);
      return;
    }
    const bool live = !options->once && ::isatty(STDOUT_FILENO) == 1 && ::isatty(STDIN_FILENO) == 1;
    exit_code = live ? watch(*options) : show_once(*options);
  });
}

}  // namespace penstock::cli
