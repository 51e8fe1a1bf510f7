// What a skipping row gets in place of a branch's output: c + up (down x), x the branch's normed input.
#pragma once
#include <vector>

#include "aligned-buffer.h"
#include "low-rank-factors.h"
#include "model-weights.h"

namespace gateskip {

// The caller's numbers of one branch; null factors where stand-ins are vectors alone.
struct StandInSource {
  const float* vector = nullptr;  // c [d]
  const float* down = nullptr;    // [rank, d]
  const float* up = nullptr;      // [d, rank]
};

struct StandIns {
  std::vector<AlignedBuffer<float>> vectors;  // [2L] of [hiddenStride], or empty
  size_t rank = 0;                            // 0: vectors alone
  std::vector<LowRankDown> downs;             // [2L]
  std::vector<PackedMatrix> ups;              // [2L]
  AlignedBuffer<uint8_t> memory;

  bool empty() const { return vectors.empty(); }
  // Of one skipping row in one branch.
  double macs(size_t hidden) const { return 2.0 * static_cast<double>(hidden) * static_cast<double>(rank); }
};

// Factors are kept as bf16 where all of them are such, else as f32: nothing is rounded.
StandIns makeStandIns(const ModelSizes& sizes, size_t rank, const std::vector<StandInSource>& sources, bool pairs);

}  // namespace gateskip
