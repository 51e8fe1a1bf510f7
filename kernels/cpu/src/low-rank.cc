#include "low-rank.h"

#include <algorithm>
#include <cstring>

#include "matrix-pack.h"
#include "model-weights.h"

namespace gateskip {

namespace {

enum Matrix : size_t { query, key, value, attentionOutput, mlpGate, mlpUp, mlpDown };

using Factors = std::array<LowRankSource, layerMatrixCount>;
using Shapes = std::array<std::array<size_t, 2>, layerMatrixCount>;

bool isBf16(const float* values, size_t count) {
  uint32_t low = 0;
  for (size_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, values + i, 4);
    low |= bits & 0xffff;
  }
  return low == 0;
}

// Lays the arrays of all layers one behind the other: first where each lies, then, once there is memory, their numbers.
class Layout {
 public:
  Layout(PackedFormat format, size_t rank, const Shapes& shapes) : format_(format), rank_(rank), shapes_(shapes) {}

  void place(LayerLowRank& layer, const Factors& factors, uint8_t* memory) {
    layer.attentionInput = down({key, value, query}, factors, memory);
    layer.attended = down({attentionOutput}, factors, memory);
    layer.mlpInput = down({mlpGate, mlpUp}, factors, memory);
    layer.inner = down({mlpDown}, factors, memory);
    layer.keyValueRanks = 0;
    size_t first = 0;
    for (const Matrix matrix : {key, value, query}) {
      LowRankUp& target = matrix == key ? layer.key : matrix == value ? layer.value : layer.query;
      target = up(matrix, first, factors, memory);
      if (factors[matrix].up != nullptr) first += rank_;
      if (matrix == value) layer.keyValueRanks = first;
    }
    layer.attentionOutput = up(attentionOutput, 0, factors, memory);
    layer.mlpGate = up(mlpGate, 0, factors, memory);
    layer.mlpUp = up(mlpUp, factors[mlpGate].up == nullptr ? 0 : rank_, factors, memory);
    layer.mlpDown = up(mlpDown, 0, factors, memory);
  }

  size_t bytes() const { return bytes_; }

 private:
  uint8_t* take(size_t bytes, uint8_t* memory) {
    uint8_t* at = memory == nullptr ? nullptr : memory + bytes_;
    bytes_ = roundUp(bytes_ + bytes, 64);
    return at;
  }

  LowRankDown down(std::initializer_list<Matrix> matrices, const Factors& factors, uint8_t* memory) {
    LowRankDown made;
    made.format = format_;
    const size_t columns = shapes_[*matrices.begin()][1];
    made.stride = roundUp(columns, blockColumns);
    for (const Matrix matrix : matrices)
      if (factors[matrix].down != nullptr) made.ranks += rank_;
    if (made.ranks == 0) return {};
    const size_t width = format_ == PackedFormat::bf16 ? 2 : 4;
    uint8_t* to = take(made.ranks * made.stride * width, memory);
    made.data = to;
    if (to == nullptr) return made;
    for (const Matrix matrix : matrices) {
      if (factors[matrix].down == nullptr) continue;
      for (size_t k = 0; k < rank_; ++k, to += made.stride * width) {
        const float* from = factors[matrix].down + k * columns;
        for (size_t i = 0; i < columns; ++i) {
          // The upper half of a float is its bf16.
          if (width == 2)
            std::memcpy(to + 2 * i, reinterpret_cast<const uint8_t*>(from + i) + 2, 2);
          else
            std::memcpy(to + 4 * i, from + i, 4);
        }
      }
    }
    return made;
  }

  LowRankUp up(Matrix matrix, size_t first, const Factors& factors, uint8_t* memory) {
    if (factors[matrix].up == nullptr) return {};
    LowRankUp made;
    made.first = first;
    made.matrix = packedShape(format_, shapes_[matrix][0], rank_);
    uint8_t* to = take(made.matrix.sizeBytes(), memory);
    made.matrix.data = to;
    if (to == nullptr) return made;
    const uint8_t* source = reinterpret_cast<const uint8_t*>(factors[matrix].up);
    SourceType type = SourceType::f32;
    std::vector<uint16_t> halves;
    if (format_ == PackedFormat::bf16) {
      type = SourceType::bf16;
      halves.resize(made.matrix.rows * rank_);
      for (size_t i = 0; i < halves.size(); ++i) std::memcpy(&halves[i], source + 4 * i + 2, 2);
      source = reinterpret_cast<const uint8_t*>(halves.data());
    }
    for (size_t tile = 0; tile < made.matrix.tiles; ++tile) packTile(made.matrix, type, source, tile, to + tile * made.matrix.tileBytes);
    return made;
  }

  PackedFormat format_;
  size_t rank_;
  const Shapes& shapes_;
  size_t bytes_ = 0;
};

}  // namespace

std::array<std::array<size_t, 2>, layerMatrixCount> layerMatrixShapes(const ModelSizes& s) {
  const size_t q = s.queryWidth();
  const size_t kv = s.kvWidth();
  return {{{q, s.hidden}, {kv, s.hidden}, {kv, s.hidden}, {s.hidden, q}, {s.intermediate, s.hidden}, {s.intermediate, s.hidden}, {s.hidden, s.intermediate}}};
}

const LayerLowRank& LowRankModel::layer(size_t index) const {
  static const LayerLowRank none;
  return layers.empty() ? none : layers[index];
}

LowRankModel makeLowRank(const ModelSizes& sizes, size_t rank, float scale, const std::vector<Factors>& factors) {
  LowRankModel model;
  if (factors.empty()) return model;
  const Shapes shapes = layerMatrixShapes(sizes);
  bool bf16 = true;
  for (const Factors& layer : factors)
    for (size_t matrix = 0; matrix < layerMatrixCount; ++matrix)
      if (layer[matrix].down != nullptr)
        bf16 = bf16 && isBf16(layer[matrix].down, rank * shapes[matrix][1]) && isBf16(layer[matrix].up, shapes[matrix][0] * rank);
  const PackedFormat format = bf16 ? PackedFormat::bf16 : PackedFormat::f32;
  model.scale = scale;
  model.layers.resize(factors.size());
  Layout sized(format, rank, shapes);
  for (size_t i = 0; i < factors.size(); ++i) sized.place(model.layers[i], factors[i], nullptr);
  Layout filled(format, rank, shapes);
  uint8_t* memory = model.memory.ensure(std::max(size_t{64}, sized.bytes()));
  for (size_t i = 0; i < factors.size(); ++i) filled.place(model.layers[i], factors[i], memory);
  for (size_t matrix = 0; matrix < layerMatrixCount; ++matrix) {
    if (factors[0][matrix].down == nullptr) continue;
    const double macs = static_cast<double>(rank) * static_cast<double>(shapes[matrix][0] + shapes[matrix][1]);
    (matrix < mlpGate ? model.attentionMacs : model.mlpMacs) += macs;
    if (matrix == key || matrix == value) model.keyValueMacs += macs;
  }
  return model;
}

}  // namespace gateskip
