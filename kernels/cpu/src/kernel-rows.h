// What happens to single rows: norms, rounding to int8, activation functions, rotary embedding.
#pragma once
#include <cstring>

#include "kernel-math.h"
#include "kernels.h"

namespace gateskip {

template <typename S>
struct RowsOf {
  using F = typename S::F;
  using I = typename S::I;

  static float dot(const float* a, const float* b, size_t columns) {
    F sum = S::zero();
    for (size_t i = 0; i < columns; i += 16) sum = S::fma(S::load(a + i), S::load(b + i), sum);
    return S::sum(sum);
  }

  static float squaredNorm(const float* x, size_t columns) { return dot(x, x, columns); }

  static float inverseRms(const float* x, size_t columns, float epsilon) {
    return 1.0f / __builtin_sqrtf(squaredNorm(x, columns) / static_cast<float>(columns) + epsilon);
  }

  static void scaleBy(const float* x, float scale, const float* weight, float* out, size_t padded) {
    const F s = S::set1(scale);
    for (size_t i = 0; i < padded; i += 16) S::store(out + i, S::mul(S::mul(S::load(x + i), s), S::load(weight + i)));
  }

  static void quantize(const float* x, size_t blocks, const QuantizedRow& to) {
    for (size_t block = 0; block < blocks; ++block) {
      const F a = S::load(x + 32 * block);
      const F b = S::load(x + 32 * block + 16);
      int8_t* quants = to.quants + 32 * block;
      const float largest = S::largest(S::max(S::abs(a), S::abs(b)));
      // Zero for finite values, NaN as soon as one is not: the maximum alone may miss a NaN.
      const F poisoned = S::fma(a, S::zero(), S::mul(b, S::zero()));
      if (!S::allZero(poisoned) || !(largest > 0.0f)) {
        const float poison = S::sum(poisoned);
        memset(quants, 0, 32);
        to.scales[block] = poison;
        to.offsets[block] = 0;
        to.minimumWeights[block] = poison;
        continue;
      }
      const F inverse = S::set1(127.0f / largest);
      const I qa = S::toInt(S::mul(a, inverse));
      const I qb = S::toInt(S::mul(b, inverse));
      S::storeInt8(quants, qa);
      S::storeInt8(quants + 16, qb);
      const int32_t sum = S::isum(S::iadd(qa, qb));
      to.scales[block] = largest / 127.0f;
      to.offsets[block] = -8 * sum;
      to.minimumWeights[block] = to.scales[block] * static_cast<float>(sum);
    }
  }

  static void add(float* y, const float* x, size_t padded) {
    for (size_t i = 0; i < padded; i += 16) S::store(y + i, S::add(S::load(y + i), S::load(x + i)));
  }

  static void addProduct(float* y, const float* x, const float* g, size_t padded) {
    for (size_t i = 0; i < padded; i += 16) S::store(y + i, S::fma(S::load(x + i), S::load(g + i), S::load(y + i)));
  }

  static void sigmoid(float* x, size_t padded) {
    for (size_t i = 0; i < padded; i += 16) S::store(x + i, MathOf<S>::logistic(S::load(x + i)));
  }

  static void silu(float* x, size_t padded) {
    for (size_t i = 0; i < padded; i += 16) {
      const F v = S::load(x + i);
      S::store(x + i, S::mul(v, MathOf<S>::logistic(v)));
    }
  }

  static void siluMultiply(const float* gate, const float* up, float* out, size_t padded) {
    for (size_t i = 0; i < padded; i += 16) {
      const F v = S::load(gate + i);
      S::store(out + i, S::mul(S::mul(v, MathOf<S>::logistic(v)), S::load(up + i)));
    }
  }

  static void rotate(float* head, size_t size, bool interleaved, const float* cosines, const float* sines) {
    const size_t half = size / 2;
    for (size_t i = 0; i < half; ++i) {
      float* a = interleaved ? head + 2 * i : head + i;
      float* b = interleaved ? a + 1 : a + half;
      const float x = *a;
      const float y = *b;
      *a = x * cosines[i] - y * sines[i];
      *b = x * sines[i] + y * cosines[i];
    }
  }

  static void toF16(const float* x, uint16_t* out, size_t padded) {
    for (size_t i = 0; i < padded; i += 16) {
      // The value stands second: where it is NaN, x86's minimum and maximum return it.
      const F v = S::max(S::set1(-65504.0f), S::min(S::set1(65504.0f), S::load(x + i)));
      S::storeF16(out + i, v);
    }
  }
};

}  // namespace gateskip
