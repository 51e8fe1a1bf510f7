// Stand-ins of the rows that skip a branch.
#include <algorithm>

#include "step-run.h"

namespace gateskip {

namespace {

// Rows that read one copy of the factors from the core's own cache.
constexpr size_t group = 12;

}  // namespace

// No row's numbers depend on the rows beside it, nor on who computes them.
void StepRun::addStandIns(size_t branch, const RowList& rows, size_t thread) {
  const StandIns& standIns = gates_.standIns;
  const LayerWeights& layer = weights_.layers[branch / 2];
  const float* norm = (branch % 2 == 0 ? layer.attentionNorm : layer.mlpNorm).data();
  const float* vector = standIns.vectors[branch].data();
  for (size_t first = 0; first < rows.count; first += group) {
    const size_t count = std::min(group, rows.count - first);
    if (standIns.rank == 0) {
      for (size_t i = first; i < first + count; ++i) kernels_.add(streamRow(rows[i]), vector, hiddenStride_);
    } else {
      float* inner = scratch_.standIns.data() + thread * standInFloats();
      float* streams[group];
      float inverseRms[group];
      for (size_t i = 0; i < count; ++i) {
        streams[i] = streamRow(rows[first + i]);
        inverseRms[i] = inverseRmsOf(rows[first + i]);
      }
      kernels_.addStandIns(standIns.downs[branch], standIns.ups[branch], {streams, inverseRms, count, norm, vector, inner});
    }
    for (size_t i = first; i < first + count; ++i) {
      inverseRms_[rows[i]] = 0;
      scoreAhead(rows[i]);
    }
  }
}

size_t StepRun::standInFloats() const { return roundUp(group * gates_.standIns.rank, 16); }

}  // namespace gateskip
