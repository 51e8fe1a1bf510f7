// What every instruction set provides. A row's result depends on that row alone: the order of its floating-point
// operations is fixed, whatever rows stand beside it and however tiles are dealt to threads.
#pragma once
#include <cstddef>
#include <cstdint>

#include "attend-tile.h"
#include "low-rank-factors.h"
#include "packed-matrix.h"

namespace gateskip {

// Rows of activations, as floats and (where a block-format weight reads them) as int8 with one scale per block of 32. What
// a product needs of a block beside its quants is kept ready: a matrix reads it once per row and tile.
struct Activations {
  const float* values = nullptr;         // [rows, stride] f32, zero beyond the real columns
  size_t stride = 0;                     // multiple of 32
  const int8_t* quants = nullptr;        // [rows, stride]
  const float* scales = nullptr;         // [rows, stride / 32]
  const int32_t* offsets = nullptr;      // [rows, stride / 32]: -8 x the sum of a block's quants
  const float* minimumWeights = nullptr; // [rows, stride / 32]: scale x the sum of a block's quants
};

// Where one row's int8 form goes.
struct QuantizedRow {
  int8_t* quants;
  float* scales;
  int32_t* offsets;
  float* minimumWeights;
};

struct Kernels {
  const char* name;
  // Whether bfloat16 pairs are multiplied as such: `AttendTile::bf16`, `PackedFormat::bf16Pairs`.
  bool multipliesBf16;
  // out[row, 16 tile ..] = weights . activations, for tiles tileBegin..tileEnd and `rows` rows; out has outStride floats a row.
  void (*matmul)(const PackedMatrix& weights, size_t tileBegin, size_t tileEnd, const Activations& x, size_t rows, float* out,
                 size_t outStride);
  // 1 / sqrt(mean(x^2) + epsilon) over `columns`; x is padded with zeros to a multiple of 16.
  float (*inverseRms)(const float* x, size_t columns, float epsilon);
  float (*squaredNorm)(const float* x, size_t columns);
  float (*dot)(const float* a, const float* b, size_t columns);
  // out = x * scale * weight, padded length.
  void (*scaleBy)(const float* x, float scale, const float* weight, float* out, size_t padded);
  // int8 per block of 32: scale = max|x| / 127; a block that is not finite gets a NaN scale, so that it stays visible.
  void (*quantize)(const float* x, size_t blocks, const QuantizedRow& to);
  // out = silu(gate) * up
  void (*siluMultiply)(const float* gate, const float* up, float* out, size_t padded);
  void (*silu)(float* x, size_t padded);
  void (*sigmoid)(float* x, size_t padded);
  // y += x ; y += x * g
  void (*add)(float* y, const float* x, size_t padded);
  void (*addProduct)(float* y, const float* x, const float* g, size_t padded);
  // Rotates pairs (2i, 2i + 1) or (i, i + size / 2) of the first `size` dimensions; cosines and sines [size / 2].
  void (*rotate)(float* head, size_t size, bool interleaved, const float* cosines, const float* sines);
  // out = f16(x), saturated to the largest finite value; NaN stays NaN.
  void (*toF16)(const float* x, uint16_t* out, size_t padded);
  // One head of a K/V row from `headStride` numbers.
  void (*storeKv)(KvFormat format, const float* x, size_t headStride, uint8_t* row, size_t offset, size_t scaleOffset);
  // Attention over one span; queries that see nothing of it are left alone.
  void (*attendSpan)(const AttendTile& tile, size_t span, const AttendPartial& part);
  // total = spans before `span`, and now it too; span 0 is computed into total itself.
  void (*joinSpan)(const AttendTile& tile, size_t span, const AttendPartial& part, const AttendPartial& total);
  // After the last span; zero for a query that sees nothing.
  void (*divideBySums)(const AttendTile& tile, const AttendPartial& total);
  // Sum of exp(x - shift) over n numbers.
  double (*sumExponentials)(const float* x, size_t n, float shift);
  // First index of a group of 16 (from a multiple of 16 on) that holds a number above `bound`; n where there is none. n is a
  // multiple of 16.
  size_t (*nextAbove)(const float* x, size_t from, size_t n, float bound);
  // out[row, k] = scale * (row k of down . x[row]) for k in begin..end.
  void (*lowRankDown)(const LowRankDown& down, size_t begin, size_t end, float scale, const float* x, size_t xStride, size_t rows, float* out,
                      size_t outStride);
  // out[row, 16 tile ..] += up . inner, for tiles tileBegin..tileEnd and `rows` rows.
  void (*lowRankUp)(const PackedMatrix& up, size_t tileBegin, size_t tileEnd, const float* inner, size_t innerStride, size_t rows, float* out,
                    size_t outStride);
  // Both at once, onto the rows that they are of.
  void (*addStandIns)(const LowRankDown& down, const PackedMatrix& up, const StandInTile& tile);
};

}  // namespace gateskip
