// AVX-512 BF16. Nothing of the standard library is instantiated here.
#include <immintrin.h>

#include <cstring>

#include "../unroll.h"
#include "bf16-kernels.h"

namespace gateskip {

namespace {

__m256i toBits(__m256bh v) {
  __m256i bits;
  memcpy(&bits, &v, sizeof bits);
  return bits;
}

__m512bh fromBits(__m512i bits) {
  __m512bh v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

void put(const Bf16Product& p, size_t row, size_t column, __m512 sum) {
  float* c = p.c + row * p.cRow + column;
  const size_t left = p.columns - column;
  const __mmask16 mask = left >= 16 ? 0xffff : static_cast<__mmask16>((1u << left) - 1);
  if (p.accumulate) sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, c), sum);
  _mm512_mask_storeu_ps(c, mask, sum);
}

template <int R, int V>
void block(const Bf16Product& p, size_t row) {
  __m512 sums[R][V];
  GATESKIP_UNROLL
  for (int r = 0; r < R; ++r) {
    GATESKIP_UNROLL
    for (int v = 0; v < V; ++v) sums[r][v] = _mm512_setzero_ps();
  }
  const uint16_t* a = p.a + row * p.aRow;
  const uint16_t* b = p.panel;
  for (size_t k = 0; k < p.pairs; ++k) {
    __m512bh w[V];
    GATESKIP_UNROLL
    for (int v = 0; v < V; ++v) w[v] = fromBits(_mm512_loadu_si512(b + 32 * v));
    GATESKIP_UNROLL
    for (int r = 0; r < R; ++r) {
      int32_t pair;
      memcpy(&pair, a + static_cast<size_t>(r) * p.aRow, sizeof pair);
      const __m512bh x = fromBits(_mm512_set1_epi32(pair));
      GATESKIP_UNROLL
      for (int v = 0; v < V; ++v) sums[r][v] = _mm512_dpbf16_ps(sums[r][v], x, w[v]);
    }
    a += 2;
    b += 64;
  }
  GATESKIP_UNROLL
  for (int r = 0; r < R; ++r) {
    GATESKIP_UNROLL
    for (int v = 0; v < V; ++v) put(p, row + static_cast<size_t>(r), 16 * static_cast<size_t>(v), sums[r][v]);
  }
}

template <int V>
void rowsOf(const Bf16Product& p) {
  size_t row = 0;
  for (; row + 12 <= p.rows; row += 12) block<12, V>(p, row);
  for (; row + 4 <= p.rows; row += 4) block<4, V>(p, row);
  for (; row < p.rows; ++row) block<1, V>(p, row);
}

void multiplyPanel(const Bf16Product& p) {
  if (p.columns > 16)
    rowsOf<2>(p);
  else
    rowsOf<1>(p);
}

void round(const float* x, size_t n, uint16_t* out) {
  size_t i = 0;
  for (; i + 16 <= n; i += 16) _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), toBits(_mm512_cvtneps_pbh(_mm512_loadu_ps(x + i))));
  if (i == n) return;
  const __mmask16 mask = static_cast<__mmask16>((1u << (n - i)) - 1);
  const __mmask16 even = static_cast<__mmask16>((1u << ((n - i + 1) / 2 * 2)) - 1);
  _mm256_mask_storeu_epi16(out + i, even, toBits(_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, x + i))));
}

void packPairs(const float* panel, size_t depth, uint16_t* pairs) {
  for (size_t k = 0; k < depth; k += 2, pairs += 64) {
    for (size_t half = 0; half < 32; half += 16) {
      const __m512i first = _mm512_cvtepu16_epi32(toBits(_mm512_cvtneps_pbh(_mm512_loadu_ps(panel + k * 32 + half))));
      const __m512i second = k + 1 == depth
                                 ? _mm512_setzero_si512()
                                 : _mm512_cvtepu16_epi32(toBits(_mm512_cvtneps_pbh(_mm512_loadu_ps(panel + (k + 1) * 32 + half))));
      _mm512_storeu_si512(pairs + 2 * half, _mm512_or_si512(first, _mm512_slli_epi32(second, 16)));
    }
  }
}

}  // namespace

extern const Bf16Kernels avx512Bf16Kernels;
const Bf16Kernels avx512Bf16Kernels = {multiplyPanel, round, packPairs};

}  // namespace gateskip
