// The sessions of one source, kept per IoThread so that telling them something needs no lock.
#pragma once

#include <boost/asio/post.hpp>
#include <list>
#include <map>
#include <memory>

#include "net/io_thread.h"

namespace penstock::ingest {

// What a source can tell its sessions. Thread: the session's IoThread.
class Session {
 public:
  virtual ~Session() = default;
  virtual void half_close() = 0;
  virtual void close() = 0;
};

class SessionSet {
 public:
  explicit SessionSet(net::IoThreads& threads) {
    for (const auto& thread : threads.all()) sessions_[thread.get()];
  }

  // A session's place; it leaves when this goes. Thread: the session's.
  class Place {
   public:
    Place(SessionSet& set, net::IoThread& thread, Session& session)
        : sessions_(set.sessions_.at(&thread)),
          place_(sessions_.insert(sessions_.end(), &session)) {}
    ~Place() { sessions_.erase(place_); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    std::list<Session*>& sessions_;
    std::list<Session*>::iterator place_;
  };

  // Thread: any. The set must outlive the IoThreads' loops.
  void half_close_all() { tell_all(&Session::half_close); }
  void close_all() { tell_all(&Session::close); }

 private:
  void tell_all(void (Session::*what)()) {
    for (auto& [thread, sessions] : sessions_) {
      boost::asio::post(thread->context(), [&list = sessions, what] {
        for (Session* session : list) (session->*what)();
      });
    }
  }

  std::map<net::IoThread*, std::list<Session*>> sessions_;
};

}  // namespace penstock::ingest
