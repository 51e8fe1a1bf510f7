// Loops whose tasks are some rows through a whole part of a branch. Every thread starts with a share that is its own, the same
// from loop to loop but for the rows that skip, so that what one loop wrote the next finds in its core's cache; who is done helps
// the others.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <vector>

#include "thread-pool.h"

namespace gateskip {

// Rows first .. first + count - 1 of a list of rows.
struct RowTask {
  uint8_t kind;  // the caller's: what to do, and with which list
  uint32_t first;
  uint32_t count;
};

class RowTasks {
 public:
  explicit RowTasks(size_t threads) : shares_(threads), next_(threads) {}

  // Rows begin .. end - 1 of a list, in tasks of at most `most`; behind what each thread has to do already. The last tasks of a share
  // are smaller, to leave nobody waiting long; all but the last hold a multiple of `unit`.
  void cut(uint8_t kind, size_t begin, size_t end, size_t most, size_t unit) {
    const size_t rows = end - begin;
    for (size_t thread = 0; thread < shares_.size(); ++thread) {
      size_t at = begin + rows * thread / shares_.size();
      const size_t last = begin + rows * (thread + 1) / shares_.size();
      while (at < last) {
        const size_t left = last - at;
        const size_t half = (left / 2 + unit - 1) / unit * unit;
        const size_t count = std::min(left, left <= unit ? left : std::min(most, half));
        shares_[thread].push_back({kind, static_cast<uint32_t>(at), static_cast<uint32_t>(count)});
        at += count;
      }
    }
  }

  // body(task, thread) for every task, once. Unlike a task of the pool it may throw: the others still run, and the first failure is
  // thrown here.
  template <typename Body>
  void run(ThreadPool& pool, Body&& body) {
    size_t count = 0;
    for (const std::vector<RowTask>& share : shares_) count += share.size();
    if (count == 0) return;
    for (std::atomic<size_t>& next : next_) next.store(0, std::memory_order_relaxed);
    std::exception_ptr failure;
    std::mutex guard;
    // Nobody is called for what one thread has done before the other has come: a single task runs here.
    pool.run(std::min(count, shares_.size()), [&](size_t, size_t thread) {
      for (size_t i = 0; i < shares_.size(); ++i) {
        const size_t of = (thread + i) % shares_.size();
        for (size_t index = next_[of].fetch_add(1, std::memory_order_relaxed); index < shares_[of].size(); index = next_[of].fetch_add(1, std::memory_order_relaxed)) {
          try {
            body(shares_[of][index], thread);
          } catch (...) {
            const std::lock_guard<std::mutex> lock(guard);
            if (failure == nullptr) failure = std::current_exception();
          }
        }
      }
    });
    if (failure != nullptr) std::rethrow_exception(failure);
  }

 private:
  std::vector<std::vector<RowTask>> shares_;
  std::vector<std::atomic<size_t>> next_;
};

}  // namespace gateskip
