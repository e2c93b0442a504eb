// ScriptedHttpServer: a small HTTP/1.1 server for tests, on a free port of the loopback, whose
// every answer and every misdeed is decided by a function.
//
// Thread: one per connection; the script runs on those, one call at a time.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace penstock::net {

class ScriptedHttpServer {
 public:
  struct Request {
    std::string method;
    std::string target;
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
    int connection = 0;  // counted from 1
  };
  struct Reply {
    enum class Action {
      answer,
      answer_and_close,
      close,         // without a byte
      close_midway,  // after half of the answer
      hang,          // neither answer nor close until the client or the server goes
      garbage,       // bytes that are not HTTP
    };
    int status = 200;
    std::vector<std::string> headers;
    std::string body;
    Action action = Action::answer;
  };
  using Script = std::function<Reply(const Request&)>;

  explicit ScriptedHttpServer(Script script);
  ~ScriptedHttpServer();

  [[nodiscard]] std::string url(const std::string& path = "") const;
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::vector<Request> requests() const;
  [[nodiscard]] int connections() const { return connections_.load(); }

  // Connections are cut (with a reset) when this many bytes of a body have arrived. 0: never.
  void cut_after_body_bytes(size_t bytes) { cut_after_.store(bytes); }
  // Ends every connection as a service does with idle ones, and waits until they are ended.
  void close_connections();

 private:
  void accept_connections();
  void serve(int fd, int number);
  bool read_request(int fd, std::string& pending, Request& request);
  bool reply_to(int fd, const Reply& reply);

  const Script script_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> connections_{0};
  std::atomic<size_t> cut_after_{0};
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::mutex script_mutex_;
  std::vector<Request> requests_;  // under mutex_
  std::vector<int> open_fds_;      // under mutex_
  std::list<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace penstock::net
