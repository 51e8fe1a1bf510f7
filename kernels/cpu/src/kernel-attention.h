// softmax(q K^T) V for one query row and the K/V rows that it sees.
//
// bytes moved: every visible K and V once per group of query heads that share them.
#pragma once
#include "kernel-math.h"
#include "kernels.h"
#include "unroll.h"

namespace gateskip {

template <typename S>
struct AttentionOf {
  using F = typename S::F;

  static void attend(const AttendHead& h) {
    // Query heads that share a K/V head read it together, four at a time.
    for (size_t first = 0; first < h.group; first += 4) {
      const size_t count = h.group - first < 4 ? h.group - first : 4;
      if (h.halves)
        attendGroup<uint16_t>(h, first, count);
      else
        attendGroup<float>(h, first, count);
    }
  }

  template <typename T>
  static void attendGroup(const AttendHead& h, size_t first, size_t count) {
    if (count == 1) attendHeads<1, T>(h, first);
    if (count == 2) attendHeads<2, T>(h, first);
    if (count == 3) attendHeads<3, T>(h, first);
    if (count == 4) attendHeads<4, T>(h, first);
  }

  static F loadKv(const uint16_t* p) { return S::loadF16(p); }
  static F loadKv(const float* p) { return S::load(p); }

  template <int G, typename T>
  static void attendHeads(const AttendHead& h, size_t first) {
    const size_t scoreStride = roundUp(h.visible, 16);
    const size_t chunks = h.headStride / 16;
    const float* q = h.queries + first * h.headStride;
    float* scores = h.scratch + first * scoreStride;
    float* out = h.output + first * h.headStride;
    for (size_t j = 0; j < h.visible; ++j) {
      const T* key = reinterpret_cast<const T*>(h.rows[j]) + h.keyOffset;
      F sum[G];
      GATESKIP_UNROLL
      for (int g = 0; g < G; ++g) sum[g] = S::zero();
      for (size_t c = 0; c < chunks; ++c) {
        const F k = loadKv(key + 16 * c);
        GATESKIP_UNROLL
        for (int g = 0; g < G; ++g) sum[g] = S::fma(S::load(q + g * h.headStride + 16 * c), k, sum[g]);
      }
      GATESKIP_UNROLL
      for (int g = 0; g < G; ++g) scores[g * scoreStride + j] = S::sum(sum[g]);
    }
    float inverse[G];
    GATESKIP_UNROLL
    for (int g = 0; g < G; ++g) inverse[g] = softmaxNumerators(scores + g * scoreStride, h.visible, scoreStride);
    for (size_t c = 0; c < chunks; ++c) {
      F sum[G];
      GATESKIP_UNROLL
      for (int g = 0; g < G; ++g) sum[g] = S::zero();
      for (size_t j = 0; j < h.visible; ++j) {
        const F v = loadKv(reinterpret_cast<const T*>(h.rows[j]) + h.valueOffset + 16 * c);
        GATESKIP_UNROLL
        for (int g = 0; g < G; ++g) sum[g] = S::fma(v, S::set1(scores[g * scoreStride + j]), sum[g]);
      }
      GATESKIP_UNROLL
      for (int g = 0; g < G; ++g) S::store(out + g * h.headStride + 16 * c, S::mul(sum[g], S::set1(inverse[g])));
    }
  }

  // In place: exp(s - max). Returns 1 / sum.
  static float softmaxNumerators(float* s, size_t n, size_t padded) {
    for (size_t j = n; j < padded; ++j) s[j] = -__builtin_inff();
    F top = S::load(s);
    for (size_t j = 16; j < padded; j += 16) top = S::max(top, S::load(s + j));
    const F m = S::set1(S::largest(top));
    F total = S::zero();
    for (size_t j = 0; j < padded; j += 16) {
      const F e = MathOf<S>::exponential(S::sub(S::load(s + j), m));
      S::store(s + j, e);
      total = S::add(total, e);
    }
    // Padding contributes exp(-103) each, below half an ulp of the sum, which is at least 1.
    return 1.0f / S::sum(total);
  }
};

}  // namespace gateskip
