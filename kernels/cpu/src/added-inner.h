// strength * scale * down x of the rows of a branch: what the `up` factors of one or more products read.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels.h"
#include "low-rank-factors.h"
#include "thread-pool.h"

namespace gateskip {

// With many rows all threads make them together beforehand. With few, the numbers take less time than waiting for one
// another: each thread makes a copy of its own when it first needs one. The arithmetic of a row is the same either way.
class AddedInner {
 public:
  // Rows up to which threads make their own.
  static constexpr size_t fewRows = 4;
  // Rows that read one copy of `down` from the core's own cache.
  static constexpr size_t group = 6;

  struct Source {
    const Kernels* kernels;
    const LowRankDown* down;
    float scale;
    Activations x;
    const uint32_t* rows;       // of the step, for their strengths
    size_t count;
    const float* strengths;     // by row of the step
    // Of the first `forAll` ranks for all rows, and of the others for the first `rowsWithRest`.
    size_t forAll;
    size_t rowsWithRest;
  };

  // Nothing to add.
  AddedInner() = default;

  // memory: count * ranks floats, for each thread where each makes its own (`floats`); made: a byte for each thread.
  AddedInner(const Source& source, ThreadPool& pool, float* memory, uint8_t* made) : source_(source), memory_(memory) {
    if (isOwn(pool, source.count)) {
      made_ = made;
      std::fill(made, made + pool.threads(), uint8_t{0});
      return;
    }
    pool.run((source.count + group - 1) / group, [&](size_t task, size_t) {
      const size_t first = task * group;
      make(first, std::min(group, source_.count - first), memory_ + first * stride());
    });
  }

  static size_t floats(const ThreadPool& pool, size_t count, size_t ranks) { return count * ranks * (isOwn(pool, count) ? pool.threads() : 1); }

  size_t stride() const { return source_.down->ranks; }

  // Rows of stride() floats; null where there is nothing to add.
  const float* of(size_t thread) const {
    if (made_ == nullptr) return memory_;
    float* own = memory_ + thread * source_.count * stride();
    if (made_[thread] == 0) {
      make(0, source_.count, own);
      made_[thread] = 1;
    }
    return own;
  }

 private:
  static bool isOwn(const ThreadPool& pool, size_t count) { return pool.active() > 1 && count <= fewRows; }

  void make(size_t first, size_t count, float* to) const {
    const LowRankDown& down = *source_.down;
    const float* from = source_.x.values + first * source_.x.stride;
    const size_t rest = source_.rowsWithRest > first ? std::min(count, source_.rowsWithRest - first) : 0;
    source_.kernels->lowRankDown(down, 0, source_.forAll, source_.scale, from, source_.x.stride, count, to, down.ranks);
    source_.kernels->lowRankDown(down, source_.forAll, down.ranks, source_.scale, from, source_.x.stride, rest, to, down.ranks);
    // A row is weighed by its own plan alone, so that its bits do not depend on the others.
    for (size_t i = 0; i < count; ++i) {
      const float strength = source_.strengths[source_.rows[first + i]];
      if (strength == 1) continue;
      const size_t ranks = i < rest ? down.ranks : source_.forAll;
      for (size_t k = 0; k < ranks; ++k) to[i * down.ranks + k] *= strength;
    }
  }

  Source source_{};
  float* memory_ = nullptr;
  uint8_t* made_ = nullptr;
};

}  // namespace gateskip
