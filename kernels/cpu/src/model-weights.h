// A Llama-family model in memory: packed matrices, norm vectors, rotary frequencies, gates.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "aligned-buffer.h"
#include "low-rank.h"
#include "matrix-pack.h"
#include "packed-cache.h"
#include "thread-pool.h"
#include "weight-memory.h"

namespace gateskip {

struct ModelSizes {
  size_t layers = 0;
  size_t hidden = 0;
  size_t heads = 0;
  size_t kvHeads = 0;
  size_t headSize = 0;
  size_t intermediate = 0;
  size_t vocabulary = 0;
  size_t context = 0;
  float epsilon = 0;
  bool interleaved = true;
  std::vector<double> frequencies;  // [ropeSize / 2]

  size_t queryWidth() const { return heads * headSize; }
  size_t kvWidth() const { return kvHeads * headSize; }
  size_t headStride() const { return roundUp(headSize, 16); }
  size_t hiddenStride() const { return roundUp(hidden, 32); }
  size_t branches() const { return 2 * layers; }
};

// One tensor of the caller: a range of a file, or memory that outlives the load.
struct TensorSource {
  std::string name;
  SourceType type = SourceType::f32;
  size_t rows = 0;
  size_t columns = 0;
  std::string path;
  uint64_t offset = 0;
  uint64_t sizeBytes = 0;
  const uint8_t* bytes = nullptr;
};

// A packed matrix; `memory` is empty where it lies in the model's arena.
struct OwnedMatrix {
  PackedMatrix shape;
  AlignedBuffer<uint8_t> memory;
};

struct LayerWeights {
  AlignedBuffer<float> attentionNorm;  // [hiddenStride]
  AlignedBuffer<float> mlpNorm;
  OwnedMatrix query, key, value, attentionOutput, mlpGate, mlpUp, mlpDown;
};

struct ModelWeights {
  ModelSizes sizes;
  // All matrices, one behind the other in the order in which a step reads them: a stream over large pages, whose end asks
  // ahead for the next matrix.
  WeightMemory arena;
  OwnedMatrix tokenEmbedding;
  OwnedMatrix output;  // empty where tied
  AlignedBuffer<float> outputNorm;
  std::vector<LayerWeights> layers;
  // What an adapter adds to the matrices.
  LowRankModel lowRank;

  const PackedMatrix& head() const { return output.shape.data != nullptr ? output.shape : tokenEmbedding.shape; }
  size_t weightBytes() const;
};

using LoadProgress = std::function<void(double share)>;

// Reads and packs every tensor, in pieces, on the pool, or maps what an earlier load packed. Throws Failure; nothing is left
// half loaded.
ModelWeights loadWeights(const ModelSizes& sizes, const std::vector<TensorSource>& tensors, ThreadPool& pool, const std::atomic<bool>& cancelled,
                         const LoadProgress& progress, PackedCache& cache);

// A row-major f32 matrix as a packed one (gates).
OwnedMatrix packFloats(const float* values, size_t rows, size_t columns);

}  // namespace gateskip
