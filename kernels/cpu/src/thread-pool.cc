#include "thread-pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace gateskip {

namespace {

inline void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins briefly, then gives the core away: on a shared machine the thread waited for may need it.
template <typename Condition>
void spinUntil(Condition done) {
  for (int round = 0; !done(); ++round) {
    if (round < 2000)
      relax();
    else
      std::this_thread::yield();
  }
}

}  // namespace

ThreadPool::ThreadPool(size_t threads) {
  for (size_t i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_.store(true);
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::beginStep() {
  if (workers_.empty()) return;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    awake_.store(true);
  }
  wake_.notify_all();
}

void ThreadPool::endStep() { awake_.store(false); }

void ThreadPool::dispatch(size_t count, Invoke invoke, void* context) {
  // Every worker takes part in every loop, if only to find nothing left: `active_` counts them out, so that none can
  // still look at this loop's task when the next one is set.
  count_ = count;
  invoke_ = invoke;
  context_ = context;
  next_.store(0, std::memory_order_relaxed);
  active_.store(workers_.size(), std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  if (!awake_.load(std::memory_order_relaxed)) {
    // Outside a step (loading): workers may sleep.
    std::lock_guard<std::mutex> lock(mutex_);
    wake_.notify_all();
  }
  drain(0);
  spinUntil([this] { return active_.load(std::memory_order_acquire) == 0; });
}

void ThreadPool::drain(size_t thread) {
  for (size_t index = next_.fetch_add(1, std::memory_order_relaxed); index < count_; index = next_.fetch_add(1, std::memory_order_relaxed))
    invoke_(context_, index, thread);
}

void ThreadPool::work(size_t thread) {
  uint64_t seen = 0;
  for (;;) {
    const auto pending = [&] { return generation_.load(std::memory_order_acquire) != seen || stop_.load(std::memory_order_relaxed); };
    while (!pending()) {
      if (awake_.load(std::memory_order_relaxed)) {
        spinUntil([&] { return pending() || !awake_.load(std::memory_order_relaxed); });
      } else {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return pending() || awake_.load(std::memory_order_relaxed); });
      }
    }
    if (stop_.load(std::memory_order_relaxed)) return;
    seen = generation_.load(std::memory_order_acquire);
    drain(thread);
    active_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace gateskip
