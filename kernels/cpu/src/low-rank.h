// Low-rank additions to the matrices of a layer, carried beside them: y = W x + up (scale down x).
//
// x is the float form of what W reads, so that an addition is off by float rounding alone where W's product rounds to int8.
// Numbers are kept as bf16 where all of them are such, as adapter files have them, else as f32: nothing is rounded here.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "aligned-buffer.h"
#include "low-rank-factors.h"

namespace gateskip {

struct ModelSizes;

struct LayerLowRank {
  // Key and value first: rows that skip attention need those alone.
  LowRankDown attentionInput, attended, mlpInput, inner;
  size_t keyValueRanks = 0;
  LowRankUp query, key, value, attentionOutput, mlpGate, mlpUp, mlpDown;
};

// In the order of `layerMatrices`: query, key, value, attentionOutput, mlpGate, mlpUp, mlpDown.
constexpr size_t layerMatrixCount = 7;

// The caller's factors of one matrix; null where it has no addition.
struct LowRankSource {
  const float* down = nullptr;  // [rank, in]
  const float* up = nullptr;    // [out, rank]
};

struct LowRankModel {
  float scale = 0;  // alpha / rank
  std::vector<LayerLowRank> layers;  // empty where there are none
  AlignedBuffer<uint8_t> memory;
  // MACs of one row in one layer.
  double attentionMacs = 0;
  double keyValueMacs = 0;
  double mlpMacs = 0;

  bool present() const { return !layers.empty(); }
  // Empty where there are no additions.
  const LayerLowRank& layer(size_t index) const;
};

// [rows, columns] of the matrices, in the same order.
std::array<std::array<size_t, 2>, layerMatrixCount> layerMatrixShapes(const ModelSizes& sizes);

// `pairs`: as factorFormat has it.
LowRankModel makeLowRank(const ModelSizes& sizes, size_t rank, float scale, const std::vector<std::array<LowRankSource, layerMatrixCount>>& layers,
                         bool pairs);

}  // namespace gateskip
