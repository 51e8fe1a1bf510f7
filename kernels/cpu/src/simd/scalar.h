// Sixteen lanes as plain arrays: runs everywhere, and is what the other instruction sets must agree with.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "../f16.h"

namespace gateskip::simd {

struct Scalar {
  static constexpr const char* name = "scalar";
  static constexpr int rowsPerPass = 1;
  static constexpr int accumulators = 6;
  // Whether there are products of bfloat16 pairs.
  static constexpr bool hasBf16 = false;

  struct F {
    float v[16];
  };
  struct I {
    int32_t v[16];
  };
  struct B {
    uint8_t v[64];
  };

  template <typename Op>
  static F map(F a, F b, Op op) {
    F r;
    for (int i = 0; i < 16; ++i) r.v[i] = op(a.v[i], b.v[i]);
    return r;
  }

  static F zero() { return set1(0.0f); }
  static F set1(float x) {
    F r;
    for (float& lane : r.v) lane = x;
    return r;
  }
  static F load(const float* p) {
    F r;
    std::memcpy(r.v, p, 64);
    return r;
  }
  static void store(float* p, F a) { std::memcpy(p, a.v, 64); }
  static F loadF16(const uint16_t* p) {
    F r;
    for (int i = 0; i < 16; ++i) r.v[i] = f16ToFloat(p[i]);
    return r;
  }
  static void storeF16(uint16_t* p, F a) {
    for (int i = 0; i < 16; ++i) p[i] = floatToF16(a.v[i]);
  }
  static F loadBf16(const uint16_t* p) {
    F r;
    for (int i = 0; i < 16; ++i) r.v[i] = bf16ToFloat(p[i]);
    return r;
  }
  static F loadInt8(const int8_t* p) {
    F r;
    for (int i = 0; i < 16; ++i) r.v[i] = static_cast<float>(p[i]);
    return r;
  }
  // Rows become columns.
  static void transpose(F (&r)[16]) {
    for (int i = 0; i < 16; ++i) {
      for (int j = 0; j < i; ++j) {
        const float above = r[j].v[i];
        r[j].v[i] = r[i].v[j];
        r[i].v[j] = above;
      }
    }
  }
  static F add(F a, F b) { return map(a, b, [](float x, float y) { return x + y; }); }
  static F sub(F a, F b) { return map(a, b, [](float x, float y) { return x - y; }); }
  static F mul(F a, F b) { return map(a, b, [](float x, float y) { return x * y; }); }
  static F div(F a, F b) { return map(a, b, [](float x, float y) { return x / y; }); }
  static F fma(F a, F b, F c) {
    F r;
    for (int i = 0; i < 16; ++i) r.v[i] = a.v[i] * b.v[i] + c.v[i];
    return r;
  }
  static F max(F a, F b) { return map(a, b, [](float x, float y) { return x > y ? x : y; }); }
  static F min(F a, F b) { return map(a, b, [](float x, float y) { return x < y ? x : y; }); }
  static F abs(F a) { return map(a, a, [](float x, float) { return std::fabs(x); }); }
  static F round(F a) { return map(a, a, [](float x, float) { return std::nearbyint(x); }); }
  static F scale(F a, F n) { return map(a, n, [](float x, float k) { return std::ldexp(x, static_cast<int>(k)); }); }
  static float sum(F a) {
    float s = 0;
    for (float lane : a.v) s += lane;
    return s;
  }
  static float largest(F a) {
    float m = a.v[0];
    for (float lane : a.v) m = lane > m ? lane : m;
    return m;
  }

  // False with a NaN.
  static bool allZero(F a) {
    for (float lane : a.v)
      if (!(lane == 0.0f)) return false;
    return true;
  }

  static I izero() { return iset1(0); }
  static I iset1(int32_t x) {
    I r;
    for (int32_t& lane : r.v) lane = x;
    return r;
  }
  static I iadd(I a, I b) {
    I r;
    for (int i = 0; i < 16; ++i) r.v[i] = a.v[i] + b.v[i];
    return r;
  }
  static F toFloat(I a) {
    F r;
    for (int i = 0; i < 16; ++i) r.v[i] = static_cast<float>(a.v[i]);
    return r;
  }
  static int32_t isum(I a) {
    int32_t s = 0;
    for (int32_t lane : a.v) s += lane;
    return s;
  }
  static I toInt(F a) {
    I r;
    for (int i = 0; i < 16; ++i) r.v[i] = static_cast<int32_t>(std::nearbyint(a.v[i]));
    return r;
  }
  static void storeInt8(int8_t* p, I a) {
    for (int i = 0; i < 16; ++i) p[i] = static_cast<int8_t>(a.v[i]);
  }

  static B loadBytes(const uint8_t* p) {
    B r;
    std::memcpy(r.v, p, 64);
    return r;
  }
  static B lowNibbles(B b) {
    for (uint8_t& byte : b.v) byte &= 0x0f;
    return b;
  }
  static B highNibbles(B b) {
    for (uint8_t& byte : b.v) byte >>= 4;
    return b;
  }
  static I dot4(I acc, const B& weights, int32_t activations) {
    int8_t a[4];
    std::memcpy(a, &activations, 4);
    for (int row = 0; row < 16; ++row)
      for (int j = 0; j < 4; ++j) acc.v[row] += static_cast<int32_t>(weights.v[row * 4 + j]) * a[j];
    return acc;
  }
  static constexpr bool wideIsSigned = false;
  using W = B;
  static const W& wide(const B& bytes) { return bytes; }
  static I dot4Wide(I acc, const W& weights, int32_t activations) { return dot4(acc, weights, activations); }
};

}  // namespace gateskip::simd
