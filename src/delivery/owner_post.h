// OwnerPost: work on the delivery thread for an owner that may be gone by the time it runs. Then it
// is dropped, with all that it holds.
//
// Thread: callbacks made by posted() may be called, and destroyed, on any; all else is the delivery
// thread's.
#pragma once

#include <functional>
#include <memory>
#include <utility>

namespace penstock::delivery {

class OwnerPost {
 public:
  using Post = std::function<void(std::function<void()>)>;

  explicit OwnerPost(Post post) : post_(std::move(post)) {}
  ~OwnerPost() { close(); }
  OwnerPost(const OwnerPost&) = delete;
  OwnerPost& operator=(const OwnerPost&) = delete;

  // A callback that posts the work, with the arguments that it is called with.
  template <class Work>
  [[nodiscard]] auto posted(Work work) const {
    return [post = post_, alive = alive_, work = std::move(work)](auto... arguments) {
      post([alive, work, arguments...] {
        if (*alive) work(arguments...);
      });
    };
  }
  // A callback that is called on the delivery thread.
  template <class Work>
  [[nodiscard]] auto guarded(Work work) const {
    return [alive = alive_, work = std::move(work)](auto... arguments) {
      if (*alive) work(std::move(arguments)...);
    };
  }
  // The owner is going: nothing of it runs from now on.
  void close() { *alive_ = false; }

 private:
  const Post post_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penstock::delivery
