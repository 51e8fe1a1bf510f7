// One head of a K/V row: how it is stored and read in each format.
#pragma once
#include <cstring>

#include "kernel-rows.h"
#include "kv-layout.h"

namespace gateskip {

template <typename S>
struct KvRowsOf {
  using F = typename S::F;

  // Sixteen numbers at a time of the head that lies at `offset` in a row, its scale (8-bit rows) at `scaleOffset`.
  template <KvFormat format>
  struct Head {
    const uint8_t* numbers;
    float scale;

    Head(const uint8_t* row, size_t offset, size_t scaleOffset) : numbers(row + offset), scale(1.0f) {
      if constexpr (format == KvFormat::q8) memcpy(&scale, row + scaleOffset, 4);
    }
    F chunk(size_t c) const {
      if constexpr (format == KvFormat::f32) return S::load(reinterpret_cast<const float*>(numbers) + 16 * c);
      if constexpr (format == KvFormat::f16) return S::loadF16(reinterpret_cast<const uint16_t*>(numbers) + 16 * c);
      return S::mul(S::loadInt8(reinterpret_cast<const int8_t*>(numbers) + 16 * c), S::set1(scale));
    }
  };

  static void store(KvFormat format, const float* x, size_t headStride, uint8_t* row, size_t offset, size_t scaleOffset) {
    if (format == KvFormat::f32) {
      memcpy(row + offset, x, headStride * 4);
    } else if (format == KvFormat::f16) {
      RowsOf<S>::toF16(x, reinterpret_cast<uint16_t*>(row + offset), headStride);
    } else {
      const float scale = toInt8(x, reinterpret_cast<int8_t*>(row + offset), headStride);
      memcpy(row + scaleOffset, &scale, 4);
    }
  }

  // Steps of max|x| / 127. A head that is not finite gets a NaN scale, so that it stays visible.
  static float toInt8(const float* x, int8_t* out, size_t padded) {
    F largest = S::zero();
    F poison = S::zero();
    for (size_t i = 0; i < padded; i += 16) {
      const F v = S::load(x + i);
      largest = S::max(largest, S::abs(v));
      // Stays zero for finite values: the maximum alone may miss a NaN.
      poison = S::fma(v, S::zero(), poison);
    }
    const float top = S::largest(largest);
    const float unsound = S::sum(poison);
    if (!(unsound == 0.0f) || !(top > 0.0f)) {
      memset(out, 0, padded);
      return unsound;
    }
    // A head below the smallest normal scale would overflow the inverse: it is zero beside anything else.
    const float inverse = 127.0f / top;
    if (!(inverse <= 3e38f)) {
      memset(out, 0, padded);
      return 0.0f;
    }
    for (size_t i = 0; i < padded; i += 16) S::storeInt8(out + i, S::toInt(S::mul(S::load(x + i), S::set1(inverse))));
    return top / 127.0f;
  }
};

}  // namespace gateskip
