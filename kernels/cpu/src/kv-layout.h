// Where a row of K/V keeps its numbers. The rows of a slab share its memory head by head: all keys of the first K/V head, row
// after row, then those of the next one, and then the values. So attention, which reads one head at a time, reads on and on
// instead of a piece of every row, which memory serves at a third of the speed. Heads are padded to 16 numbers; an 8-bit head
// ends with its f32 scale.
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
  size_t slabRows = 1;

  constexpr size_t numberBytes() const { return format == KvFormat::f32 ? 4 : format == KvFormat::f16 ? 2 : 1; }
  // From a head of a row to the same head of the next row of its slab, which is also what a row's address grows by.
  size_t headBytes() const { return headStride * numberBytes() + (format == KvFormat::q8 ? sizeof(float) : 0); }
  // All rows of one head. A line more than they need, so that the heads of a row do not all fall on the same lines of a cache.
  size_t planeBytes() const { return slabRows == 1 ? headBytes() : roundUp(slabRows * headBytes(), 64) + 64; }
  // Offsets from a row's address.
  size_t keyOffset(size_t kvHead) const { return kvHead * planeBytes(); }
  size_t valueOffset(size_t kvHead) const { return (kvHeads + kvHead) * planeBytes(); }
  size_t keyScaleOffset(size_t kvHead) const { return keyOffset(kvHead) + headStride; }
  size_t valueScaleOffset(size_t kvHead) const { return valueOffset(kvHead) + headStride; }
  size_t rowBytes() const { return 2 * kvHeads * headBytes(); }
  size_t slabBytes() const { return 2 * kvHeads * planeBytes(); }
};

}  // namespace gateskip
