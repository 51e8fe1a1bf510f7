// A weight matrix in the form the kernels read: tiles of 16 output rows, interleaved so that one vector holds the same
// columns of all 16.
//
// Tile, block formats (columns in blocks of 32):
//   scales  [blocks][16] f16, then for q4Min minimums [blocks][16] f16, padded to 64 bytes
//   quants  q4: [blocks][4][64]: byte 4 r + j of vector k holds column 4 k + j (low nibble) and 16 + 4 k + j (high) of row r
//           q8: [blocks][8][64]: byte 4 r + j of vector k holds column 4 k + j of row r, plus 128
//   value = scale * (quant - zero) [+ minimum], zero = 8 (q4), 0 (q4Min), 128 (q8): exact for Q4_0, Q4_1 and Q8_0.
// Tile, float formats: [columns][16] f32, f16 or bf16.
#pragma once
#include <cstddef>
#include <cstdint>

namespace gateskip {

enum class PackedFormat : uint8_t { q4, q4Min, q8, f32, f16, bf16 };

constexpr size_t tileRows = 16;
constexpr size_t blockColumns = 32;

static inline constexpr size_t roundUp(size_t n, size_t to) { return (n + to - 1) / to * to; }

struct PackedMatrix {
  PackedFormat format = PackedFormat::f32;
  size_t rows = 0;
  size_t columns = 0;
  size_t tiles = 0;
  size_t blocks = 0;  // of 32 columns; the float formats read `columns` of a row padded to 32 * blocks
  size_t quantsOffset = 0;
  size_t minimumsOffset = 0;
  size_t tileBytes = 0;
  const uint8_t* data = nullptr;

  bool quantized() const { return format == PackedFormat::q4 || format == PackedFormat::q4Min || format == PackedFormat::q8; }
  size_t outputStride() const { return tiles * tileRows; }
  size_t sizeBytes() const { return tiles * tileBytes; }
};

// Sizes of a packed matrix; data is left to the caller.
static inline PackedMatrix packedShape(PackedFormat format, size_t rows, size_t columns) {
  PackedMatrix m;
  m.format = format;
  m.rows = rows;
  m.columns = columns;
  m.tiles = (rows + tileRows - 1) / tileRows;
  m.blocks = (columns + blockColumns - 1) / blockColumns;
  const size_t scaleBytes = m.blocks * tileRows * 2;
  switch (format) {
    case PackedFormat::q4:
      m.quantsOffset = roundUp(scaleBytes, 64);
      m.tileBytes = m.quantsOffset + m.blocks * 256;
      break;
    case PackedFormat::q4Min:
      m.minimumsOffset = scaleBytes;
      m.quantsOffset = roundUp(2 * scaleBytes, 64);
      m.tileBytes = m.quantsOffset + m.blocks * 256;
      break;
    case PackedFormat::q8:
      m.quantsOffset = roundUp(scaleBytes, 64);
      m.tileBytes = m.quantsOffset + m.blocks * 512;
      break;
    case PackedFormat::f32:
      m.tileBytes = columns * tileRows * 4;
      break;
    case PackedFormat::f16:
    case PackedFormat::bf16:
      m.tileBytes = roundUp(columns * tileRows * 2, 64);
      break;
  }
  return m;
}

}  // namespace gateskip
