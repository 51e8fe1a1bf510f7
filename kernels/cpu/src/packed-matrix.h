// A weight matrix in the form the kernels read: tiles of 16 output rows, interleaved so that one vector holds the same
// columns of all 16.
//
// Tile, block formats (columns in blocks of 32, one block a group for q4Min, two for the others), so that every group is
// whole cache lines and a tile is one stream without a seam:
//   group   [64 bytes of scales][quants of its blocks]
//           scales  per block [16] f16, then for q4Min its minimums [16] f16
//           quants  q4: per block [4][64]: byte 4 r + j of vector k holds column 4 k + j (low nibble) and 16 + 4 k + j (high)
//                       of row r
//                   q8: per block [8][64]: byte 4 r + j of vector k holds column 4 k + j of row r, plus 128
//   value = scale * (quant - zero) [+ minimum], zero = 8 (q4), 0 (q4Min), 128 (q8): exact for Q4_0, Q4_1 and Q8_0.
// Tile, float formats: [columns][16] f32, f16 or bf16.
// Tile, pairs (factors of low-rank products alone): [columns / 2][16][2] bf16, zero beyond an odd number of columns.
#pragma once
#include <cstddef>
#include <cstdint>

namespace gateskip {

// Raised whenever the bytes below change their meaning, so that no packed file of an earlier layout is read as this one.
constexpr uint32_t packedLayoutVersion = 2;

enum class PackedFormat : uint8_t { q4, q4Min, q8, f32, f16, bf16, bf16Pairs };

constexpr bool holdsBf16(PackedFormat format) { return format == PackedFormat::bf16 || format == PackedFormat::bf16Pairs; }

constexpr size_t tileRows = 16;
constexpr size_t blockColumns = 32;

static inline constexpr size_t roundUp(size_t n, size_t to) { return (n + to - 1) / to * to; }

// Where the numbers of a block lie in a tile.
struct GroupLayout {
  size_t blocks;      // of one group
  size_t quantBytes;  // of one block

  constexpr size_t bytes() const { return scaleBytes + blocks * quantBytes; }
  constexpr size_t scales(size_t block) const { return block / blocks * bytes() + block % blocks * (scaleBytes / blocks); }
  constexpr size_t minimums(size_t block) const { return scales(block) + 2 * tileRows; }
  constexpr size_t quants(size_t block) const { return block / blocks * bytes() + scaleBytes + block % blocks * quantBytes; }

  static constexpr size_t scaleBytes = 64;
};

constexpr GroupLayout groupLayout(PackedFormat format) {
  return format == PackedFormat::q4Min ? GroupLayout{1, 256} : format == PackedFormat::q4 ? GroupLayout{2, 256} : GroupLayout{2, 512};
}

struct PackedMatrix {
  PackedFormat format = PackedFormat::f32;
  size_t rows = 0;
  size_t columns = 0;
  size_t tiles = 0;
  size_t blocks = 0;  // of 32 columns; the float formats read `columns` of a row padded to 32 * blocks
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
  const GroupLayout group = groupLayout(format);
  switch (format) {
    case PackedFormat::q4:
    case PackedFormat::q4Min:
    case PackedFormat::q8:
      m.tileBytes = (m.blocks + group.blocks - 1) / group.blocks * group.bytes();
      break;
    case PackedFormat::f32:
      m.tileBytes = columns * tileRows * 4;
      break;
    case PackedFormat::f16:
    case PackedFormat::bf16:
      m.tileBytes = roundUp(columns * tileRows * 2, 64);
      break;
    case PackedFormat::bf16Pairs:
      m.tileBytes = roundUp(columns, 2) * tileRows * 2;
      break;
  }
  return m;
}

}  // namespace gateskip
