// What attention kernels are given: some query vectors, and the K/V rows of one K/V head of one sequence.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kv-layout.h"

namespace gateskip {

// Keys go in spans from the first one on. A span's softmax is complete in itself, and spans are joined in order; so a query's
// result depends on what it sees alone, not on which queries stand beside it or which thread had which span.
constexpr size_t spanKeys = 256;
// Keys that are unpacked at a time.
constexpr size_t panelKeys = 64;
static_assert(spanKeys % panelKeys == 0);

struct AttendTile {
  const float* queries;        // [count, headStride] f32, already divided by sqrt(head size)
  const uint32_t* visible;     // [count]: K/V rows that each query sees, from the first on
  size_t count;
  size_t headStride;           // head size padded to 16
  const uint8_t* const* rows;  // K/V rows in order of position
  KvFormat format;
  bool bf16;  // multiply bfloat16 numbers, where the kernels can
  size_t keyOffset, valueOffset, keyScaleOffset, valueScaleOffset;  // bytes within a row
  float* scratch;              // attendScratchFloats(count, headStride)
};

// softmax numerators times V over some keys, with what is needed to join them with others.
struct AttendPartial {
  float* maxima;   // [count]: largest score
  float* sums;     // [count]: of exp(score - largest)
  float* outputs;  // [count, headStride]
};

// Scores, a panel of keys or values, queries as bfloat16 (the last vector of them may be stored whole).
constexpr size_t attendScratchFloats(size_t count, size_t headStride) { return count * spanKeys + panelKeys * headStride + count * headStride / 2 + 16; }

}  // namespace gateskip
