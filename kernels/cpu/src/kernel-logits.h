// Passes over a row of logits.
#pragma once
#include "kernel-math.h"
#include "kernels.h"

namespace gateskip {

template <typename S>
struct LogitsOf {
  using F = typename S::F;

  static float sumExponentials(const float* x, size_t n, float shift) {
    const F s = S::set1(shift);
    F total = S::zero();
    size_t i = 0;
    for (; i + 16 <= n; i += 16) total = S::add(total, MathOf<S>::exponential(S::sub(S::load(x + i), s)));
    if (i < n) {
      float tail[16];
      for (size_t j = 0; j < 16; ++j) tail[j] = i + j < n ? x[i + j] : -__builtin_inff();
      total = S::add(total, MathOf<S>::exponential(S::sub(S::load(tail), s)));
    }
    return S::sum(total);
  }

  static size_t nextAbove(const float* x, size_t from, size_t n, float bound) {
    for (size_t i = from; i < n; i += 16)
      if (S::largest(S::load(x + i)) > bound) return i;
    return n;
  }
};

}  // namespace gateskip
