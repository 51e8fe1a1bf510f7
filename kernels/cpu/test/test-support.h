// Counting checks, and numbers to check with.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

#include "cpu-features.h"
#include "f16.h"

using namespace gateskip;

inline int checks = 0;
inline int failures = 0;

// |got - expected| <= tolerance for every element; tolerance is computed by the caller from norms and precision.
inline void compare(const Kernels& k, const char* what, const std::vector<double>& expected, const float* got, const std::vector<double>& tolerance) {
  ++checks;
  double worst = 0;
  size_t at = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double share = std::abs(got[i] - expected[i]) / tolerance[i];
    if (!(share <= worst)) {
      worst = share;
      at = i;
    }
  }
  if (worst <= 1) return;
  ++failures;
  std::printf("FAIL %s %s: element %zu is %.9g, expected %.9g within %.3g\n", k.name, what, at, static_cast<double>(got[at]), expected[at], tolerance[at]);
}

inline void expect(const Kernels& k, const char* what, bool condition) {
  ++checks;
  if (condition) return;
  ++failures;
  std::printf("FAIL %s %s\n", k.name, what);
}

// To nearest even; not for NaN.
inline float roundedToBf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
  std::memcpy(&value, &bits, 4);
  return value;
}

inline std::mt19937 generator(7);
inline float normal() {
  static std::normal_distribution<float> distribution;
  return distribution(generator);
}
