// Row-major factors in the form that low-rank kernels read.
#pragma once
#include "low-rank-factors.h"

namespace gateskip {

// Whether bf16 holds all the numbers exactly, as adapter files have them: then nothing is rounded by keeping them so.
bool isBf16(const float* values, size_t count);

// How factors are kept that bf16 holds or not; `pairs`: the kernels multiply bf16 pairs, and rows may be rounded to bf16 for it.
inline PackedFormat factorFormat(bool bf16, bool pairs) { return !bf16 ? PackedFormat::f32 : pairs ? PackedFormat::bf16Pairs : PackedFormat::bf16; }

// Bytes of `ranks` rows of `down` factors.
size_t downBytes(PackedFormat format, size_t ranks, size_t stride);

// `ranks` rows of `columns` numbers to rows of `stride`; what lies between is left as it is. format: f32, bf16 or bf16Pairs.
void packDown(PackedFormat format, const float* from, size_t ranks, size_t columns, size_t stride, uint8_t* to);

// [shape.rows, shape.columns] as tiles. shape.format: f32, bf16 or bf16Pairs.
void packUp(const PackedMatrix& shape, const float* from, uint8_t* to);

}  // namespace gateskip
