// From the rows of a model file to packed tiles, and back for single rows.
#pragma once
#include <cstddef>
#include <cstdint>

#include "packed-matrix.h"

namespace gateskip {

enum class SourceType : uint8_t { f32 = 0, f16 = 1, bf16 = 2, q4_0 = 3, q4_1 = 4, q8_0 = 5 };

PackedFormat packedFormatFor(SourceType type);

// Bytes of one row of `columns` numbers; 0 where the type cannot hold that many.
size_t sourceRowBytes(SourceType type, size_t columns);

// Rows 16 * tile .. of a row-major source into one tile; rows beyond the last are zero.
void packTile(const PackedMatrix& matrix, SourceType type, const uint8_t* source, size_t tile, uint8_t* out);

// The same from `count` rows, at most 16, that lie at `rows`.
void packTileRows(const PackedMatrix& matrix, SourceType type, const uint8_t* rows, size_t count, uint8_t* out);

// One row as floats; out holds at least `columns` numbers.
void unpackRow(const PackedMatrix& matrix, size_t row, float* out);

// A row of the source as floats.
void unpackSource(SourceType type, const uint8_t* source, size_t columns, float* out);

}  // namespace gateskip
