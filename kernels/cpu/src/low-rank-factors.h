// The factors of low-rank additions in the form that kernels read.
#pragma once
#include <cstddef>
#include <cstdint>

#include "packed-matrix.h"

namespace gateskip {

// `down` of the matrices that read the same rows, one below the other: [ranks, stride], zero beyond the real columns.
struct LowRankDown {
  PackedFormat format = PackedFormat::f32;  // or bf16, or bf16Pairs: the same numbers, to be multiplied as such
  size_t ranks = 0;
  size_t stride = 0;  // columns rounded up to 32
  const uint8_t* data = nullptr;

  size_t sizeBytes() const { return ranks * stride * (holdsBf16(format) ? 2 : 4); }
};

// Asks for bytes that a product reads soon. Additions are small pieces between the long streams of weights, where the
// hardware does not see them coming: without this each piece waits for memory.
static inline void askFor(const uint8_t* data, size_t bytes) {
  for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(data + at, 0, 2);
}

// Rows of the stream that get `vector + up (down x)` in place of a branch, x their normed numbers.
struct StandInTile {
  float* const* rows;       // [count] of a stride of 32 and zero beyond the real columns, but for `vector`'s
  const float* inverseRms;  // [count]
  size_t count;
  const float* norm;        // weights, padded like the rows
  const float* vector;      // padded like the rows
  float* inner;             // [count, ranks], scratch
};

// `up` of one matrix [out, rank] as tiles, and where its numbers start in a row of `down x`.
struct LowRankUp {
  PackedMatrix matrix;
  size_t first = 0;

  bool present() const { return matrix.data != nullptr; }
};

}  // namespace gateskip
