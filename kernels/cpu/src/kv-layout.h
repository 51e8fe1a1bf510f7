// Where a row of K/V keeps its numbers: keys of all K/V heads, then values, each head padded to 16; 8-bit rows end with one
// f32 scale per head of keys and of values.
#pragma once
#include <cstddef>
#include <cstdint>

#include "packed-matrix.h"

namespace gateskip {

enum class KvFormat : uint8_t { f32 = 0, f16 = 1, q8 = 2 };

struct KvLayout {
  KvFormat format;
  size_t kvHeads;
  size_t headStride;

  constexpr size_t numberBytes() const { return format == KvFormat::f32 ? 4 : format == KvFormat::f16 ? 2 : 1; }
  size_t keyOffset(size_t kvHead) const { return kvHead * headStride * numberBytes(); }
  size_t valueOffset(size_t kvHead) const { return (kvHeads + kvHead) * headStride * numberBytes(); }
  size_t keyScaleOffset(size_t kvHead) const { return 2 * kvHeads * headStride + 4 * kvHead; }
  size_t valueScaleOffset(size_t kvHead) const { return 2 * kvHeads * headStride + 4 * (kvHeads + kvHead); }
  size_t rowBytes() const {
    const size_t numbers = 2 * kvHeads * headStride * numberBytes();
    return format == KvFormat::q8 ? roundUp(numbers + 2 * kvHeads * 4, 16) : numbers;
  }
};

}  // namespace gateskip
