// Persistent workers for fork-join loops of microseconds. Tasks are dealt from one counter, so a thread that the machine
// has taken away delays one task, not its whole share.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace gateskip {

class ThreadPool {
 public:
  // `threads` counts the caller; 1 starts no worker.
  explicit ThreadPool(size_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t threads() const { return workers_.size() + 1; }

  // Calls task(index, thread) for every index below `count`, on the caller and the workers; returns when all are done.
  // `task` must not throw. One caller at a time.
  template <typename Task>
  void run(size_t count, Task&& task) {
    if (count == 0) return;
    if (count == 1 || workers_.empty()) {
      for (size_t i = 0; i < count; ++i) task(i, size_t{0});
      return;
    }
    Invoke invoke = [](void* context, size_t index, size_t thread) { (*static_cast<std::remove_reference_t<Task>*>(context))(index, thread); };
    dispatch(count, invoke, const_cast<void*>(static_cast<const void*>(&task)));
  }

  // Workers stay awake between loops while a step runs, and sleep outside.
  void beginStep();
  void endStep();

 private:
  using Invoke = void (*)(void* context, size_t index, size_t thread);

  void dispatch(size_t count, Invoke invoke, void* context);
  void work(size_t thread);
  void drain(size_t thread);

  std::vector<std::thread> workers_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<size_t> next_{0};
  std::atomic<size_t> active_{0};
  std::atomic<bool> awake_{false};
  std::atomic<bool> stop_{false};
  size_t count_ = 0;
  Invoke invoke_ = nullptr;
  void* context_ = nullptr;
  std::mutex mutex_;
  std::condition_variable wake_;
};

}  // namespace gateskip
