// Persistent workers for fork-join loops of microseconds. Tasks are dealt from one counter, and a loop ends when its tasks
// are done, not when all workers have looked at it: a worker that the machine has taken away delays the one task that it
// holds, if any.
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
  // Those that take tasks now: all, or as many as the step was given.
  size_t active() const { return active_.load(std::memory_order_relaxed); }

  // Calls task(index, thread) for every index below `count`, on the caller and the workers; returns when all are done.
  // `task` must not throw. One caller at a time.
  template <typename Task>
  void run(size_t count, Task&& task) {
    if (count == 0) return;
    if (count == 1 || active() == 1) {
      for (size_t i = 0; i < count; ++i) task(i, size_t{0});
      return;
    }
    Invoke invoke = [](void* context, size_t index, size_t thread) { (*static_cast<std::remove_reference_t<Task>*>(context))(index, thread); };
    dispatch(count, invoke, const_cast<void*>(static_cast<const void*>(&task)));
  }

  // Workers stay awake between loops while a step runs, and sleep outside. `threads` counts the caller; the others sleep on.
  void beginStep(size_t threads);
  void endStep();

 private:
  using Invoke = void (*)(void* context, size_t index, size_t thread);

  void dispatch(size_t count, Invoke invoke, void* context);
  void runLoop(size_t count, Invoke invoke, void* context);
  void work(size_t thread);
  // Takes and runs tasks while there are any.
  void drain(size_t thread);

  // One word says which loop runs, how many tasks it has and which is next, so that a ticket is always read as a whole: a
  // late worker cannot mistake its index of an old loop for one of the new.
  static constexpr unsigned fieldBits = 22;
  static constexpr size_t mostTasks = (size_t{1} << fieldBits) - 1024;
  static size_t countOf(uint64_t ticket) { return (ticket >> fieldBits) & ((uint64_t{1} << fieldBits) - 1); }
  static size_t nextOf(uint64_t ticket) { return ticket & ((uint64_t{1} << fieldBits) - 1); }
  static bool hasTask(uint64_t ticket) { return nextOf(ticket) < countOf(ticket); }

  std::vector<std::thread> workers_;
  std::atomic<uint64_t> ticket_{0};
  std::atomic<size_t> done_{0};
  std::atomic<bool> awake_{false};
  std::atomic<size_t> active_;
  std::atomic<bool> stop_{false};
  // Of the current loop; stable while any of its tasks is not done.
  std::atomic<Invoke> invoke_{nullptr};
  std::atomic<void*> context_{nullptr};
  uint64_t loop_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
};

}  // namespace gateskip
