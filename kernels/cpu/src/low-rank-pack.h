// Row-major factors in the form that low-rank kernels read.
#pragma once
#include "low-rank-factors.h"

namespace gateskip {

// Whether bf16 holds all the numbers exactly, as adapter files have them: then nothing is rounded by keeping them so.
bool isBf16(const float* values, size_t count);

// Bytes of `ranks` rows of `down` factors.
size_t downBytes(PackedFormat format, size_t ranks, size_t stride);

// `ranks` rows of `columns` numbers to rows of `stride`; what lies between is left as it is. format: f32 or bf16.
void packDown(PackedFormat format, const float* from, size_t ranks, size_t columns, size_t stride, uint8_t* to);

// [shape.rows, shape.columns] as tiles. shape.format: f32 or bf16.
void packUp(const PackedMatrix& shape, const float* from, uint8_t* to);

}  // namespace gateskip
