// A model as the training step sees it: every array row-major in f32, with a gradient where it is trained.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "../gates.h"
#include "../model-weights.h"

namespace gateskip {

struct Parameter {
  float* value = nullptr;
  float* gradient = nullptr;  // null where it is frozen
};

// Arrays by their names in `trainerParameters`; the caller's memory, which outlives the trainer.
using CallerArrays = std::map<std::string, Parameter>;

// y = W x + scale up (down x)
struct Projection {
  Parameter weight;  // [rows, columns]
  size_t rows = 0;
  size_t columns = 0;
  size_t rank = 0;  // 0: no low-rank addition
  Parameter down;   // [rank, columns]
  Parameter up;     // [rows, rank]
  float scale = 0;

  bool trains() const { return weight.gradient != nullptr || down.gradient != nullptr; }
};

struct TrainingLayer {
  Parameter attentionNorm, mlpNorm;
  Projection query, key, value, attentionOutput, mlpGate, mlpUp, mlpDown;
};

// Arrays of one gate; null where the variant has none.
struct TrainingGate {
  Parameter weight, bias, down, downBias, scalarWeight, scalarBias;
};

struct TrainingGates {
  bool present = false;
  GateVariant variant = GateVariant::scalar;
  bool multiplies = false;
  bool after = false;
  size_t inner = 0;                  // rank or hidden width
  std::vector<TrainingGate> gates;   // [2L]; shared gates name the same arrays
  std::vector<Parameter> standIns;   // [2L] or empty
  size_t standInRank = 0;            // 0: vectors alone
  std::vector<Parameter> standInDowns, standInUps;  // [2L] or empty: [rank, d], [d, rank]

  size_t width(size_t hidden) const { return variant == GateVariant::scalar ? 1 : hidden; }
};

struct TrainingOptions {
  size_t loraRank = 0;  // 0: none
  float loraScale = 0;
  bool detachGateInput = true;
  bool recompute = false;
  bool bf16 = false;  // products of rows with matrices; the machine has them
};

struct TrainingModel {
  ModelSizes sizes;
  TrainingOptions options;
  Parameter tokenEmbedding;  // [vocabulary, d]
  Parameter outputNorm;
  Projection output;  // over the embedding where they are tied
  std::vector<TrainingLayer> layers;
  TrainingGates gates;
  std::vector<AlignedBuffer<float>> owned;  // what is frozen
};

// Sizes of the caller's arrays are checked by whoever reads them. Takes the packed weights apart, one matrix after another.
TrainingModel makeTrainingModel(const ModelWeights& weights, ThreadPool& pool, const CallerArrays& arrays, TrainingGates gates,
                                const TrainingOptions& options, const std::atomic<bool>& cancelled);

}  // namespace gateskip
