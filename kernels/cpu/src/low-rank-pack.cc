#include "low-rank-pack.h"

#include <cstring>
#include <vector>

#include "matrix-pack.h"

namespace gateskip {

bool isBf16(const float* values, size_t count) {
  uint32_t low = 0;
  for (size_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, values + i, 4);
    low |= bits & 0xffff;
  }
  return low == 0;
}

size_t downBytes(PackedFormat format, size_t ranks, size_t stride) { return ranks * stride * (holdsBf16(format) ? 2 : 4); }

void packDown(PackedFormat format, const float* from, size_t ranks, size_t columns, size_t stride, uint8_t* to) {
  const size_t width = holdsBf16(format) ? 2 : 4;
  for (size_t k = 0; k < ranks; ++k, from += columns, to += stride * width) {
    for (size_t i = 0; i < columns; ++i) {
      // The upper half of a float is its bf16.
      if (width == 2)
        std::memcpy(to + 2 * i, reinterpret_cast<const uint8_t*>(from + i) + 2, 2);
      else
        std::memcpy(to + 4 * i, from + i, 4);
    }
  }
}

// The upper halves of [shape.rows, shape.columns] floats.
static void packUpPairs(const PackedMatrix& shape, const float* from, uint8_t* to) {
  std::memset(to, 0, shape.sizeBytes());
  for (size_t row = 0; row < shape.rows; ++row) {
    uint8_t* tile = to + row / tileRows * shape.tileBytes;
    for (size_t k = 0; k < shape.columns; ++k)
      std::memcpy(tile + 2 * ((k / 2 * tileRows + row % tileRows) * 2 + k % 2), reinterpret_cast<const uint8_t*>(from + row * shape.columns + k) + 2, 2);
  }
}

void packUp(const PackedMatrix& shape, const float* from, uint8_t* to) {
  if (shape.format == PackedFormat::bf16Pairs) return packUpPairs(shape, from, to);
  const uint8_t* source = reinterpret_cast<const uint8_t*>(from);
  SourceType type = SourceType::f32;
  std::vector<uint16_t> halves;
  if (shape.format == PackedFormat::bf16) {
    type = SourceType::bf16;
    halves.resize(shape.rows * shape.columns);
    for (size_t i = 0; i < halves.size(); ++i) std::memcpy(&halves[i], source + 4 * i + 2, 2);
    source = reinterpret_cast<const uint8_t*>(halves.data());
  }
  for (size_t tile = 0; tile < shape.tiles; ++tile) packTile(shape, type, source, tile, to + tile * shape.tileBytes);
}

}  // namespace gateskip
