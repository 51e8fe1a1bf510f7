#include <immintrin.h>

#include "machine-probe.h"

namespace gateskip {

// Without a dot product of its own: multiply to pairs, pairs to fours, add.
static int32_t dotProducts(uint64_t iterations) {
  __m256i sums[8];
  for (int i = 0; i < 8; ++i) sums[i] = _mm256_setzero_si256();
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i a = _mm256_set1_epi8(3);
  const __m256i b = _mm256_set1_epi8(-2);
  for (uint64_t n = 0; n < iterations; ++n) {
    for (int i = 0; i < 8; ++i) {
      // Each time as if `a` had changed, or the products would be taken out of the loop.
      __asm__ volatile("" : "+x"(a));
      sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones));
    }
  }
  __m256i sum = sums[0];
  for (int i = 1; i < 8; ++i) sum = _mm256_add_epi32(sum, sums[i]);
  alignas(32) int32_t lanes[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), sum);
  return lanes[0] ^ lanes[7];
}

extern const DotLoop avx2DotLoop;
const DotLoop avx2DotLoop = {"avx2", 8 * 32, dotProducts};

}  // namespace gateskip
