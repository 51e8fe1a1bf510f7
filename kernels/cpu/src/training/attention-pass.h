// Grouped-query attention over ragged visible rows, forward and backward. Weights are computed again on the way back.
#pragma once
#include <cstdint>
#include <vector>

#include "../model-weights.h"
#include "products.h"

namespace gateskip {

// K (rotated) and V of one row, [kvHeads * headSize] each, and where their gradients add up.
struct KeyRow {
  const float* key;
  const float* value;
  float* dKey;
  float* dValue;
};

// A row that attends: it sees the first `seen` keys of its segment and, where it left none behind, K and V of its own.
struct QueryRow {
  uint32_t slot;  // row of the query, mixed and gradient buffers
  uint32_t seen;
  const float* ownKey;
  const float* ownValue;
};

// Keys and queries of all segments, each in the order of rows.
struct AttentionRows {
  std::vector<KeyRow> keys;
  std::vector<QueryRow> queries;
  std::vector<size_t> keyEnds;    // [segments]
  std::vector<size_t> queryEnds;  // [segments]

  size_t segments() const { return keyEnds.size(); }
  size_t firstKey(size_t segment) const { return segment == 0 ? 0 : keyEnds[segment - 1]; }
  size_t firstQuery(size_t segment) const { return segment == 0 ? 0 : queryEnds[segment - 1]; }
  size_t keyCount(size_t segment) const { return keyEnds[segment] - firstKey(segment); }
};

class AttentionPass {
 public:
  AttentionPass(const ModelSizes& sizes, const TrainKernels& kernels, ThreadPool& pool);

  // query, mixed [.., stride]
  void forward(const AttentionRows& rows, const float* query, float* mixed, size_t stride);
  // dQuery is written, gradients of keys and values are added to their rows. Queries have nothing of their own.
  void backward(const AttentionRows& rows, const float* query, const float* dMixed, float* dQuery, size_t stride);

 private:
  struct Block {
    size_t segment;
    size_t first;  // of rows.queries
    size_t count;
    size_t seen;   // most of its queries
  };
  struct Scratch {
    AlignedBuffer<float> query, dMixed, scores, dScores, out;
  };
  // Panels of K or V of all segments, by K/V head.
  struct Panels {
    AlignedBuffer<float> turned;  // [keys / 32][headSize][32]
    AlignedBuffer<float> plain;   // [headSize / 32][keys][32]
  };

  void pack(const AttentionRows& rows, bool keysPlain, bool valuesTurned, bool valuesPlain);
  std::vector<Block> blocksOf(const AttentionRows& rows) const;
  const float* turned(const Panels& panels, size_t segment, size_t kvHead) const;
  const float* plainOf(const Panels& panels, const AttentionRows& rows, size_t segment, size_t kvHead) const;
  // Rows of one head side by side, times `factor`.
  void gather(const AttentionRows& rows, const Block& block, const float* from, size_t stride, size_t head, float factor, float* to) const;
  // to [block, keys] = rows [block, headSize] . panels
  void scoresOf(const Block& block, const float* rows, const float* panels, float* to, size_t toStride) const;
  void weightsOf(const AttentionRows& rows, const Block& block, size_t kvHead, const float* query, float* scores, size_t stride,
                 float* ownWeights) const;
  void backwardBlock(const AttentionRows& rows, const Block& block, size_t head, const float* query, const float* dMixed, float* dQuery,
                     size_t stride, Scratch& scratch, float* dKeys, float* dValues);
  void addUp(const AttentionRows& rows);

  const ModelSizes& sizes_;
  const TrainKernels& kernels_;
  ThreadPool& pool_;
  size_t headStride_;
  size_t dimensionPanels_;
  size_t group_;
  float scale_;
  std::vector<Scratch> scratch_;  // by thread
  Panels keys_, values_;
  std::vector<size_t> paddedStarts_;  // [segments + 1], keys before a segment in whole panels
  AlignedBuffer<float> dKeys_, dValues_;  // [heads, keys, headStride]
};

}  // namespace gateskip
