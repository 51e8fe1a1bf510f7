#include <immintrin.h>

#include "machine-probe.h"

namespace gateskip {

static int32_t dotProducts(uint64_t iterations) {
  __m512i sums[16];
  for (int i = 0; i < 16; ++i) sums[i] = _mm512_setzero_si512();
  __m512i a = _mm512_set1_epi8(3);
  const __m512i b = _mm512_set1_epi8(-2);
  for (uint64_t n = 0; n < iterations; ++n) {
    for (int i = 0; i < 16; ++i) sums[i] = _mm512_dpbusd_epi32(sums[i], a, b);
    // As if `a` had changed, or the compiler would see what they add up to.
    __asm__ volatile("" : "+v"(a));
  }
  __m512i sum = sums[0];
  for (int i = 1; i < 16; ++i) sum = _mm512_add_epi32(sum, sums[i]);
  alignas(64) int32_t lanes[16];
  _mm512_store_si512(lanes, sum);
  return lanes[0] ^ lanes[15];
}

extern const DotLoop avx512VnniDotLoop;
const DotLoop avx512VnniDotLoop = {"avx512-vnni", 16 * 64, dotProducts};

}  // namespace gateskip
