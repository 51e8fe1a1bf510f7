// 8-bit dot products of four in ymm registers, in the encoding that the unit is compiled for.
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace gateskip {

static int32_t dotProducts(uint64_t iterations) {
  __m256i sums[12];
  for (int i = 0; i < 12; ++i) sums[i] = _mm256_setzero_si256();
  __m256i a = _mm256_set1_epi8(3);
  const __m256i b = _mm256_set1_epi8(-2);
  for (uint64_t n = 0; n < iterations; ++n) {
    for (int i = 0; i < 12; ++i) {
#if defined(__AVXVNNI__)
      sums[i] = _mm256_dpbusd_avx_epi32(sums[i], a, b);
#else
      sums[i] = _mm256_dpbusd_epi32(sums[i], a, b);
#endif
    }
    // As if `a` had changed, or the compiler would see what they add up to.
    __asm__ volatile("" : "+x"(a));
  }
  __m256i sum = sums[0];
  for (int i = 1; i < 12; ++i) sum = _mm256_add_epi32(sum, sums[i]);
  alignas(32) int32_t lanes[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), sum);
  return lanes[0] ^ lanes[7];
}

}  // namespace gateskip
