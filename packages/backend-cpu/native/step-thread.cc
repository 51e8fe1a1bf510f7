#include "step-thread.h"

#include <chrono>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace gateskip {

namespace {

// Longer than JavaScript needs between two steps of one user, shorter than anybody notices.
constexpr std::chrono::microseconds lingering{300};

inline void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

StepThread::StepThread() : thread_([this] { loop(); }) {}

StepThread::~StepThread() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_.store(true);
  }
  wake_.notify_one();
  thread_.join();
}

// Either the thread sees the task before it sleeps, or this sees that it sleeps: both sides write first and read then, in the
// one order that all such accesses have.
void StepThread::post(StepTask* task) {
  next_.store(task);
  if (!sleeping_.load()) return;
  { std::lock_guard<std::mutex> lock(mutex_); }
  wake_.notify_one();
}

StepTask* StepThread::take() {
  const auto ready = [this] { return next_.load() != nullptr || stop_.load(); };
  const auto until = std::chrono::steady_clock::now() + lingering;
  while (!ready() && std::chrono::steady_clock::now() < until) {
    for (int i = 0; i < 40 && next_.load(std::memory_order_relaxed) == nullptr; ++i) relax();
    // The thread that makes the next step may want this core.
    std::this_thread::yield();
  }
  if (!ready()) {
    std::unique_lock<std::mutex> lock(mutex_);
    sleeping_.store(true);
    wake_.wait(lock, ready);
    sleeping_.store(false);
  }
  // A task that was posted is executed even when the end has come: somebody waits for it.
  return next_.exchange(nullptr);
}

void StepThread::loop() {
  while (StepTask* task = take()) task->execute();
}

}  // namespace gateskip
