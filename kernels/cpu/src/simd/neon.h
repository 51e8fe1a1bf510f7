// Sixteen lanes as four q registers: ARMv8.2-A with the dot-product extension.
#pragma once
#include <arm_neon.h>

#include <cstdint>
#include <cstring>

namespace gateskip::simd {

struct NeonDotprod {
  static constexpr const char* name = "neon-dotprod";
  static constexpr int rowsPerPass = 3;
  // Vectors F that can stay in registers beside what is multiplied.
  static constexpr int accumulators = 6;
  // Whether there are products of bfloat16 pairs.
  static constexpr bool hasBf16 = false;

  struct F {
    float32x4_t v[4];
  };
  struct I {
    int32x4_t v[4];
  };
  struct B {
    uint8x16_t v[4];
  };

  template <typename Op>
  static F each(Op op) {
    return {{op(0), op(1), op(2), op(3)}};
  }

  static F zero() { return set1(0.0f); }
  static F set1(float x) { return each([&](int) { return vdupq_n_f32(x); }); }
  static F load(const float* p) { return each([&](int i) { return vld1q_f32(p + 4 * i); }); }
  static void store(float* p, F a) {
    for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, a.v[i]);
  }
  static F loadF16(const uint16_t* p) {
    return each([&](int i) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i))); });
  }
  static void storeF16(uint16_t* p, F a) {
    for (int i = 0; i < 4; ++i) vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(a.v[i])));
  }
  static F loadBf16(const uint16_t* p) {
    return each([&](int i) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p + 4 * i), 16)); });
  }
  static F loadInt8(const int8_t* p) {
    const int8x16_t bytes = vld1q_s8(p);
    const int16x8_t lo = vmovl_s8(vget_low_s8(bytes));
    const int16x8_t hi = vmovl_s8(vget_high_s8(bytes));
    return {{vcvtq_f32_s32(vmovl_s16(vget_low_s16(lo))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(lo))),
             vcvtq_f32_s32(vmovl_s16(vget_low_s16(hi))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(hi)))}};
  }
  // Rows become columns.
  static void transpose(F (&r)[16]) {
    F t[16];
    for (int i = 0; i < 4; ++i) {
      for (int j = 0; j < 4; ++j) {
        const float32x4_t a = vtrn1q_f32(r[4 * i].v[j], r[4 * i + 1].v[j]);
        const float32x4_t b = vtrn2q_f32(r[4 * i].v[j], r[4 * i + 1].v[j]);
        const float32x4_t c = vtrn1q_f32(r[4 * i + 2].v[j], r[4 * i + 3].v[j]);
        const float32x4_t d = vtrn2q_f32(r[4 * i + 2].v[j], r[4 * i + 3].v[j]);
        t[4 * j].v[i] = vcombine_f32(vget_low_f32(a), vget_low_f32(c));
        t[4 * j + 1].v[i] = vcombine_f32(vget_low_f32(b), vget_low_f32(d));
        t[4 * j + 2].v[i] = vcombine_f32(vget_high_f32(a), vget_high_f32(c));
        t[4 * j + 3].v[i] = vcombine_f32(vget_high_f32(b), vget_high_f32(d));
      }
    }
    for (int i = 0; i < 16; ++i) r[i] = t[i];
  }
  static F add(F a, F b) { return each([&](int i) { return vaddq_f32(a.v[i], b.v[i]); }); }
  static F sub(F a, F b) { return each([&](int i) { return vsubq_f32(a.v[i], b.v[i]); }); }
  static F mul(F a, F b) { return each([&](int i) { return vmulq_f32(a.v[i], b.v[i]); }); }
  static F div(F a, F b) { return each([&](int i) { return vdivq_f32(a.v[i], b.v[i]); }); }
  static F fma(F a, F b, F c) { return each([&](int i) { return vfmaq_f32(c.v[i], a.v[i], b.v[i]); }); }
  static F max(F a, F b) { return each([&](int i) { return vmaxq_f32(a.v[i], b.v[i]); }); }
  static F min(F a, F b) { return each([&](int i) { return vminq_f32(a.v[i], b.v[i]); }); }
  static F abs(F a) { return each([&](int i) { return vabsq_f32(a.v[i]); }); }
  static F round(F a) { return each([&](int i) { return vrndnq_f32(a.v[i]); }); }
  // Two steps, so that 2^n itself may be below the smallest normal number.
  static F scale(F a, F n) {
    return each([&](int i) {
      const int32x4_t k = vcvtnq_s32_f32(n.v[i]);
      const int32x4_t first = vshrq_n_s32(k, 1);
      const int32x4_t second = vsubq_s32(k, first);
      const int32x4_t bias = vdupq_n_s32(127);
      const float32x4_t f1 = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(first, bias), 23));
      const float32x4_t f2 = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(second, bias), 23));
      return vmulq_f32(vmulq_f32(a.v[i], f1), f2);
    });
  }
  static float sum(F a) { return vaddvq_f32(vaddq_f32(vaddq_f32(a.v[0], a.v[1]), vaddq_f32(a.v[2], a.v[3]))); }
  static float largest(F a) { return vmaxvq_f32(vmaxq_f32(vmaxq_f32(a.v[0], a.v[1]), vmaxq_f32(a.v[2], a.v[3]))); }

  // False with a NaN.
  static bool allZero(F a) {
    const uint32x4_t low = vandq_u32(vceqzq_f32(a.v[0]), vceqzq_f32(a.v[1]));
    const uint32x4_t high = vandq_u32(vceqzq_f32(a.v[2]), vceqzq_f32(a.v[3]));
    return vminvq_u32(vandq_u32(low, high)) != 0;
  }

  static I izero() { return iset1(0); }
  static I iset1(int32_t x) { return {{vdupq_n_s32(x), vdupq_n_s32(x), vdupq_n_s32(x), vdupq_n_s32(x)}}; }
  static I iadd(I a, I b) {
    for (int i = 0; i < 4; ++i) a.v[i] = vaddq_s32(a.v[i], b.v[i]);
    return a;
  }
  static F toFloat(I a) { return each([&](int i) { return vcvtq_f32_s32(a.v[i]); }); }
  static int32_t isum(I a) { return vaddvq_s32(vaddq_s32(vaddq_s32(a.v[0], a.v[1]), vaddq_s32(a.v[2], a.v[3]))); }
  static I toInt(F a) { return {{vcvtnq_s32_f32(a.v[0]), vcvtnq_s32_f32(a.v[1]), vcvtnq_s32_f32(a.v[2]), vcvtnq_s32_f32(a.v[3])}}; }
  static void storeInt8(int8_t* p, I a) {
    const int16x8_t lo = vcombine_s16(vmovn_s32(a.v[0]), vmovn_s32(a.v[1]));
    const int16x8_t hi = vcombine_s16(vmovn_s32(a.v[2]), vmovn_s32(a.v[3]));
    vst1q_s8(p, vcombine_s8(vmovn_s16(lo), vmovn_s16(hi)));
  }

  static B loadBytes(const uint8_t* p) { return {{vld1q_u8(p), vld1q_u8(p + 16), vld1q_u8(p + 32), vld1q_u8(p + 48)}}; }
  static B lowNibbles(B b) {
    for (auto& q : b.v) q = vandq_u8(q, vdupq_n_u8(0x0f));
    return b;
  }
  static B highNibbles(B b) {
    for (auto& q : b.v) q = vshrq_n_u8(q, 4);
    return b;
  }
  static I dot4(I acc, const B& weights, int32_t activations) {
    const int8x16_t a = vreinterpretq_s8_s32(vdupq_n_s32(activations));
    for (int i = 0; i < 4; ++i) acc.v[i] = vdotq_s32(acc.v[i], vreinterpretq_s8_u8(weights.v[i]), a);
    return acc;
  }
  // The dot product is signed, so bytes go minus 128.
  static constexpr bool wideIsSigned = true;
  using W = B;
  static W wide(const B& bytes) {
    W centred;
    for (int i = 0; i < 4; ++i) centred.v[i] = veorq_u8(bytes.v[i], vdupq_n_u8(0x80));
    return centred;
  }
  static I dot4Wide(I acc, const W& weights, int32_t activations) { return dot4(acc, weights, activations); }
};

}  // namespace gateskip::simd
