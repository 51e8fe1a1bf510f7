// Sixteen lanes as one zmm register: AVX-512 F/BW/VL + VNNI.
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace gateskip::simd {

struct Avx512Vnni {
  static constexpr const char* name = "avx512-vnni";
  // Rows of activations that one pass over a weight tile serves: 12 int + 12 float accumulators of 32 registers.
  static constexpr int rowsPerPass = 12;

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
};

}  // namespace gateskip::simd
