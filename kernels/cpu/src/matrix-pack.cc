#include "matrix-pack.h"

#include <cstring>
#include <vector>

#include "f16.h"

namespace gateskip {

namespace {

uint16_t half(const uint8_t* p) {
  uint16_t h;
  std::memcpy(&h, p, 2);
  return h;
}

struct BlockLayout {
  size_t bytes;
  size_t quants;  // offset of the quants
};

BlockLayout layoutOf(SourceType type) {
  switch (type) {
    case SourceType::q4_0:
      return {18, 2};
    case SourceType::q4_1:
      return {20, 4};
    case SourceType::q8_0:
      return {34, 2};
    default:
      return {0, 0};
  }
}

// Source: byte i of 16 holds column i (low) and column 16 + i (high): the same pairing as the tile's vectors.
void packNibbles(const uint8_t* source, size_t lane, uint8_t* quants) {
  for (size_t k = 0; k < 4; ++k) std::memcpy(quants + k * 64 + lane * 4, source + 4 * k, 4);
}

void packBytes(const uint8_t* source, size_t lane, uint8_t* quants) {
  for (size_t k = 0; k < 8; ++k)
    for (size_t j = 0; j < 4; ++j) quants[k * 64 + lane * 4 + j] = static_cast<uint8_t>(source[4 * k + j] ^ 0x80);
}

void packBlocks(const PackedMatrix& m, SourceType type, const uint8_t* row, size_t lane, uint8_t* tile) {
  const BlockLayout layout = layoutOf(type);
  const GroupLayout group = groupLayout(m.format);
  for (size_t block = 0; block < m.blocks; ++block) {
    const uint8_t* from = row + block * layout.bytes;
    std::memcpy(tile + group.scales(block) + lane * 2, from, 2);
    if (m.format == PackedFormat::q4Min) std::memcpy(tile + group.minimums(block) + lane * 2, from + 2, 2);
    if (m.format == PackedFormat::q8)
      packBytes(from + layout.quants, lane, tile + group.quants(block));
    else
      packNibbles(from + layout.quants, lane, tile + group.quants(block));
  }
}

float unpackQuant(const PackedMatrix& m, const uint8_t* tile, size_t lane, size_t block, size_t column) {
  const GroupLayout group = groupLayout(m.format);
  const uint8_t* quants = tile + group.quants(block);
  const float scale = f16ToFloat(half(tile + group.scales(block) + lane * 2));
  if (m.format == PackedFormat::q8) {
    const int quant = quants[(column / 4) * 64 + lane * 4 + column % 4];
    return scale * static_cast<float>(quant - 128);
  }
  const size_t within = column % 16;
  const uint8_t byte = quants[(within / 4) * 64 + lane * 4 + within % 4];
  const int quant = column < 16 ? byte & 15 : byte >> 4;
  if (m.format == PackedFormat::q4) return scale * static_cast<float>(quant - 8);
  const float minimum = f16ToFloat(half(tile + group.minimums(block) + lane * 2));
  return scale * static_cast<float>(quant) + minimum;
}

}  // namespace

PackedFormat packedFormatFor(SourceType type) {
  switch (type) {
    case SourceType::q4_0:
      return PackedFormat::q4;
    case SourceType::q4_1:
      return PackedFormat::q4Min;
    case SourceType::q8_0:
      return PackedFormat::q8;
    case SourceType::f16:
      return PackedFormat::f16;
    case SourceType::bf16:
      return PackedFormat::bf16;
    case SourceType::f32:
      break;
  }
  return PackedFormat::f32;
}

size_t sourceRowBytes(SourceType type, size_t columns) {
  switch (type) {
    case SourceType::f32:
      return columns * 4;
    case SourceType::f16:
    case SourceType::bf16:
      return columns * 2;
    default:
      return columns % blockColumns == 0 ? columns / blockColumns * layoutOf(type).bytes : 0;
  }
}

void packTile(const PackedMatrix& m, SourceType type, const uint8_t* source, size_t tile, uint8_t* out) {
  const size_t first = tile * tileRows;
  const size_t count = first < m.rows ? m.rows - first : 0;
  packTileRows(m, type, source + first * sourceRowBytes(type, m.columns), count < tileRows ? count : tileRows, out);
}

void packTileRows(const PackedMatrix& m, SourceType type, const uint8_t* rows, size_t count, uint8_t* out) {
  // Rows and blocks that do not exist keep a scale of zero.
  std::memset(out, 0, m.tileBytes);
  const size_t rowBytes = sourceRowBytes(type, m.columns);
  for (size_t lane = 0; lane < count; ++lane) {
    const uint8_t* from = rows + lane * rowBytes;
    if (m.quantized()) {
      packBlocks(m, type, from, lane, out);
    } else {
      const size_t width = m.format == PackedFormat::f32 ? 4 : 2;
      for (size_t column = 0; column < m.columns; ++column)
        std::memcpy(out + (column * tileRows + lane) * width, from + column * width, width);
    }
  }
}

void unpackRow(const PackedMatrix& m, size_t row, float* out) {
  const uint8_t* tile = m.data + row / tileRows * m.tileBytes;
  const size_t lane = row % tileRows;
  for (size_t column = 0; column < m.columns; ++column) {
    if (m.quantized()) {
      out[column] = unpackQuant(m, tile, lane, column / blockColumns, column % blockColumns);
    } else if (m.format == PackedFormat::f32) {
      std::memcpy(out + column, tile + (column * tileRows + lane) * 4, 4);
    } else {
      const uint16_t bits = half(tile + (column * tileRows + lane) * 2);
      out[column] = m.format == PackedFormat::f16 ? f16ToFloat(bits) : bf16ToFloat(bits);
    }
  }
}

void unpackSource(SourceType type, const uint8_t* source, size_t columns, float* out) {
  PackedMatrix m = packedShape(packedFormatFor(type), 1, columns);
  std::vector<uint8_t> tile(m.tileBytes);
  packTile(m, type, source, 0, tile.data());
  m.data = tile.data();
  unpackRow(m, 0, out);
}

}  // namespace gateskip
