// Sixteen lanes as two ymm registers with 8-bit dot products of four: AVX2 + AVX-VNNI, or the same instruction in the
// encoding of AVX-512 (VL + VNNI) where the compiler is told so.
#pragma once
#include "simd/avx2.h"

namespace gateskip::simd {

template <typename Unit>
struct Avx2VnniLanes : Avx2Lanes<Unit> {
  using I = typename Avx2Lanes<Unit>::I;
  using B = typename Avx2Lanes<Unit>::B;
  using W = B;

  static constexpr const char* name = "avx2-vnni";

  static I dot4(I acc, B weights, int32_t activations) {
    const __m256i a = _mm256_set1_epi32(activations);
    return {dot(acc.lo, weights.lo, a), dot(acc.hi, weights.hi, a)};
  }
  static constexpr bool wideIsSigned = false;
  static W wide(B bytes) { return bytes; }
  static I dot4Wide(I acc, W weights, int32_t activations) { return dot4(acc, weights, activations); }

 private:
  static __m256i dot(__m256i acc, __m256i weights, __m256i activations) {
#if defined(__AVXVNNI__)
    return _mm256_dpbusd_avx_epi32(acc, weights, activations);
#else
    return _mm256_dpbusd_epi32(acc, weights, activations);
#endif
  }
};

}  // namespace gateskip::simd
