#include "low-rank.h"

#include <algorithm>

#include "low-rank-pack.h"
#include "model-weights.h"

namespace gateskip {

namespace {

enum Matrix : size_t { query, key, value, attentionOutput, mlpGate, mlpUp, mlpDown };

using Factors = std::array<LowRankSource, layerMatrixCount>;
using Shapes = std::array<std::array<size_t, 2>, layerMatrixCount>;

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
    uint8_t* to = take(downBytes(format_, made.ranks, made.stride), memory);
    made.data = to;
    if (to == nullptr) return made;
    for (const Matrix matrix : matrices) {
      if (factors[matrix].down == nullptr) continue;
      packDown(format_, factors[matrix].down, rank_, columns, made.stride, to);
      to += downBytes(format_, rank_, made.stride);
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
    if (to != nullptr) packUp(made.matrix, factors[matrix].up, to);
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

LowRankModel makeLowRank(const ModelSizes& sizes, size_t rank, float scale, const std::vector<Factors>& factors, bool pairs) {
  LowRankModel model;
  if (factors.empty()) return model;
  const Shapes shapes = layerMatrixShapes(sizes);
  bool bf16 = true;
  for (const Factors& layer : factors)
    for (size_t matrix = 0; matrix < layerMatrixCount; ++matrix)
      if (layer[matrix].down != nullptr)
        bf16 = bf16 && isBf16(layer[matrix].down, rank * shapes[matrix][1]) && isBf16(layer[matrix].up, shapes[matrix][0] * rank);
  const PackedFormat format = factorFormat(bf16, pairs);
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
