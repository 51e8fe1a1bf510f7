// Sixteen lanes as one zmm register: AVX-512 F/BW/VL + VNNI.
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace gateskip::simd {

struct Avx512Vnni {
  static constexpr const char* name = "avx512-vnni";
  // Rows of activations that one pass over a weight tile serves: 12 int + 12 float accumulators of 32 registers.
  static constexpr int rowsPerPass = 12;
  // Vectors F that can stay in registers beside what is multiplied.
  static constexpr int accumulators = 24;
  // Whether there are products of bfloat16 pairs.
  static constexpr bool hasBf16 = false;

  using F = __m512;   // 16 f32
  using I = __m512i;  // 16 i32
  using B = __m512i;  // 64 bytes: 16 weight rows x 4 columns

  static F zero() { return _mm512_setzero_ps(); }
  static F set1(float v) { return _mm512_set1_ps(v); }
  static F load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, F v) { _mm512_storeu_ps(p, v); }
  static F loadF16(const uint16_t* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
  static void storeF16(uint16_t* p, F v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  static F loadBf16(const uint16_t* p) {
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
  }
  static F loadInt8(const int8_t* p) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))); }
  // Rows become columns.
  static void transpose(F (&r)[16]) {
    F t[16];
    for (int i = 0; i < 16; i += 2) {
      t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
      t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
      r[i] = pairs<0>(t[i], t[i + 2]);
      r[i + 1] = pairs<1>(t[i], t[i + 2]);
      r[i + 2] = pairs<0>(t[i + 1], t[i + 3]);
      r[i + 3] = pairs<1>(t[i + 1], t[i + 3]);
    }
    // Now r[4 i + j] has, in quarter q, column 4 q + j of rows 4 i to 4 i + 3.
    for (int j = 0; j < 4; ++j) {
      const F even01 = _mm512_shuffle_f32x4(r[j], r[4 + j], 0x88);
      const F odd01 = _mm512_shuffle_f32x4(r[j], r[4 + j], 0xdd);
      const F even23 = _mm512_shuffle_f32x4(r[8 + j], r[12 + j], 0x88);
      const F odd23 = _mm512_shuffle_f32x4(r[8 + j], r[12 + j], 0xdd);
      t[j] = _mm512_shuffle_f32x4(even01, even23, 0x88);
      t[4 + j] = _mm512_shuffle_f32x4(odd01, odd23, 0x88);
      t[8 + j] = _mm512_shuffle_f32x4(even01, even23, 0xdd);
      t[12 + j] = _mm512_shuffle_f32x4(odd01, odd23, 0xdd);
    }
    for (int i = 0; i < 16; ++i) r[i] = t[i];
  }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F max(F a, F b) { return _mm512_max_ps(a, b); }
  static F min(F a, F b) { return _mm512_min_ps(a, b); }
  static F abs(F a) { return _mm512_abs_ps(a); }
  static F round(F a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  // a * 2^n for integral n
  static F scale(F a, F n) { return _mm512_scalef_ps(a, n); }
  static float sum(F v) { return _mm512_reduce_add_ps(v); }
  static float largest(F v) { return _mm512_reduce_max_ps(v); }
  // False with a NaN.
  static bool allZero(F v) { return _mm512_cmp_ps_mask(v, zero(), _CMP_NEQ_UQ) == 0; }

  static I izero() { return _mm512_setzero_si512(); }
  static I iset1(int32_t v) { return _mm512_set1_epi32(v); }
  static I iadd(I a, I b) { return _mm512_add_epi32(a, b); }
  static F toFloat(I v) { return _mm512_cvtepi32_ps(v); }
  static int32_t isum(I v) { return _mm512_reduce_add_epi32(v); }
  // Round to nearest even; the caller keeps values within +-127.
  static I toInt(F v) { return _mm512_cvtps_epi32(v); }
  static void storeInt8(int8_t* p, I v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(v)); }

  static B loadBytes(const uint8_t* p) { return _mm512_loadu_si512(p); }
  static B lowNibbles(B v) { return _mm512_and_si512(v, _mm512_set1_epi8(0x0f)); }
  static B highNibbles(B v) { return _mm512_and_si512(_mm512_srli_epi16(v, 4), _mm512_set1_epi8(0x0f)); }
  // acc[row] += sum over 4 columns of weight(u8) * activation(s8); weights are offset by `zero` of the format.
  static I dot4(I acc, B weights, int32_t activations) { return _mm512_dpbusd_epi32(acc, weights, _mm512_set1_epi32(activations)); }
  // Whether dot4Wide takes the bytes less 128; else the caller corrects its sum.
  static constexpr bool wideIsSigned = false;
  using W = B;
  static W wide(B bytes) { return bytes; }
  static I dot4Wide(I acc, W weights, int32_t activations) { return dot4(acc, weights, activations); }

 private:
  // The low (0) or high (1) pairs of each quarter.
  template <int high>
  static F pairs(F a, F b) {
    const __m512d x = _mm512_castps_pd(a);
    const __m512d y = _mm512_castps_pd(b);
    return _mm512_castpd_ps(high ? _mm512_unpackhi_pd(x, y) : _mm512_unpacklo_pd(x, y));
  }
};

}  // namespace gateskip::simd
