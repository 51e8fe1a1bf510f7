#include "thread-pool.h"

#include <algorithm>
#include <chrono>

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

// Between two steps of one user a worker stays awake, so that the next step need not wait for the system to wake it; it offers its
// core all the while. False where nothing came.
template <typename Condition>
bool linger(Condition something) {
  constexpr std::chrono::microseconds most{300};
  const auto until = std::chrono::steady_clock::now() + most;
  while (std::chrono::steady_clock::now() < until) {
    for (int i = 0; i < 40; ++i) {
      if (something()) return true;
      relax();
    }
    std::this_thread::yield();
  }
  return something();
}

}  // namespace

ThreadPool::ThreadPool(size_t threads) : active_(std::max<size_t>(threads, 1)) {
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

void ThreadPool::beginStep(size_t threads) {
  if (workers_.empty()) return;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    active_.store(std::clamp<size_t>(threads, 1, this->threads()));
    awake_.store(active() > 1);
  }
  if (active() > 1) wake_.notify_all();
}

void ThreadPool::endStep() {
  awake_.store(false);
  active_.store(threads());
}

void ThreadPool::dispatch(size_t count, Invoke invoke, void* context) {
  struct Shifted {
    Invoke invoke;
    void* context;
    size_t first;
  };
  for (size_t first = 0; first < count; first += mostTasks) {
    Shifted shifted{invoke, context, first};
    const Invoke shiftedInvoke = [](void* held, size_t index, size_t thread) {
      const Shifted& s = *static_cast<Shifted*>(held);
      s.invoke(s.context, s.first + index, thread);
    };
    if (count <= mostTasks)
      runLoop(count, invoke, context);
    else
      runLoop(std::min(mostTasks, count - first), shiftedInvoke, &shifted);
  }
}

void ThreadPool::runLoop(size_t count, Invoke invoke, void* context) {
  invoke_.store(invoke, std::memory_order_relaxed);
  context_.store(context, std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  ticket_.store((++loop_ << (2 * fieldBits)) | (static_cast<uint64_t>(count) << fieldBits), std::memory_order_release);
  if (!awake_.load(std::memory_order_relaxed)) {
    // Outside a step (loading): workers may sleep.
    std::lock_guard<std::mutex> lock(mutex_);
    wake_.notify_all();
  }
  drain(0);
  spinUntil([&] { return done_.load(std::memory_order_acquire) == count; });
}

void ThreadPool::drain(size_t thread) {
  while (hasTask(ticket_.load(std::memory_order_relaxed))) {
    const uint64_t ticket = ticket_.fetch_add(1, std::memory_order_acquire);
    if (!hasTask(ticket)) return;
    invoke_.load(std::memory_order_relaxed)(context_.load(std::memory_order_relaxed), nextOf(ticket), thread);
    done_.fetch_add(1, std::memory_order_release);
  }
}

void ThreadPool::work(size_t thread) {
  const auto stopped = [this] { return stop_.load(std::memory_order_relaxed); };
  const auto pending = [&] { return thread < active() && hasTask(ticket_.load(std::memory_order_relaxed)); };
  const auto awake = [&] { return thread < active() && awake_.load(std::memory_order_relaxed); };
  for (;;) {
    while (!pending() && !stopped()) {
      if (awake()) {
        spinUntil([&] { return pending() || stopped() || !awake(); });
      } else if (!linger([&] { return pending() || stopped() || awake(); })) {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return pending() || stopped() || awake(); });
      }
    }
    if (stopped()) return;
    drain(thread);
  }
}

}  // namespace gateskip
