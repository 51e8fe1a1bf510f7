// AVX-512 with dot products of bfloat16 pairs: two multiply-adds a lane.
#pragma once
#include "avx512.h"

namespace gateskip::simd {

struct Avx512Bf16 : Avx512Vnni {
  static constexpr const char* name = "avx512-bf16";
  static constexpr bool hasBf16 = true;

  using P = __m512i;  // 16 lanes of two bfloat16 numbers

  static P loadPairs(const uint32_t* p) { return _mm512_loadu_si512(p); }
  static void storePairs(uint32_t* p, P v) { _mm512_storeu_si512(p, v); }
  static P set1Pair(uint32_t v) { return _mm512_set1_epi32(static_cast<int32_t>(v)); }
  static F asFloats(P v) { return _mm512_castsi512_ps(v); }
  // The 32 numbers of both, in order, rounded to nearest even: lane i has numbers 2 i and 2 i + 1.
  static P roundBoth(F low, F high) { return reinterpret_cast<P>(_mm512_cvtne2ps_pbh(high, low)); }
  // Lane i has number i of both.
  static P zip(F first, F second) {
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(order, roundBoth(first, second));
  }
  // The first number of each pair, and zero.
  static P firstOfPairs(P v) { return _mm512_and_si512(v, _mm512_set1_epi32(0xffff)); }
  // acc += both products of each lane, the second first.
  static F dotPairs(F acc, P a, P b) { return _mm512_dpbf16_ps(acc, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b)); }
};

}  // namespace gateskip::simd
