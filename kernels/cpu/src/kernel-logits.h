// Passes over a row of logits.
#pragma once
#include "kernel-math.h"
#include "kernels.h"

namespace gateskip {

template <typename S>
struct LogitsOf {
  using F = typename S::F;

  // Short sums in single precision, what they come to in double: thousands of float32 additions in a row would lose a hundred
  // thousandth of the sum.
  static double sumExponentials(const float* x, size_t n, float shift) {
    const F s = S::set1(shift);
    double total = 0;
    size_t i = 0;
    while (i + 16 <= n) {
      F sum = S::zero();
      for (size_t end = i + 1024; i + 16 <= n && i < end; i += 16) sum = S::add(sum, MathOf<S>::exponential(S::sub(S::load(x + i), s)));
      total += static_cast<double>(S::sum(sum));
    }
    if (i == n) return total;
    float lanes[16];
    for (size_t j = 0; j < 16; ++j) lanes[j] = i + j < n ? x[i + j] : shift;
    S::store(lanes, MathOf<S>::exponential(S::sub(S::load(lanes), s)));
    for (size_t j = 0; i + j < n; ++j) total += static_cast<double>(lanes[j]);
    return total;
  }

  static size_t nextAbove(const float* x, size_t from, size_t n, float bound) {
    for (size_t i = from; i < n; i += 16)
      if (S::largest(S::load(x + i)) > bound) return i;
    return n;
  }
};

}  // namespace gateskip
