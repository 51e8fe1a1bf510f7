// Stand-ins of the rows that skip a branch.
#include <algorithm>

#include "step-run.h"

namespace gateskip {

namespace {

// Rows that read one copy of the factors from the core's own cache.
constexpr size_t group = 12;

}  // namespace

void StepRun::addStandIns(size_t branch, const AlignedBuffer<float>& norm) {
  const StandIns& standIns = gates_.standIns;
  // Nothing is dealt out where every row ran.
  if (standIns.empty() || kept_.size() == rows_) return;
  const float* vector = standIns.vectors[branch].data();
  if (standIns.rank == 0) {
    forRows(pool_, rows_, 64, [&](size_t row, size_t) {
      if (!standsIn(row)) return;
      kernels_.add(streamRow(row), vector, hiddenStride_);
      inverseRms_[row] = 0;
    });
    return;
  }
  replaced_.clear();
  for (size_t row = 0; row < rows_; ++row)
    if (standsIn(row)) replaced_.push_back(static_cast<uint32_t>(row));
  const LowRankDown& down = standIns.downs[branch];
  const PackedMatrix& up = standIns.ups[branch];
  const size_t innerFloats = roundUp(group * down.ranks, 16);
  float* scratch = scratch_.standIns.ensure(pool_.threads() * innerFloats);
  // No row's numbers depend on the rows beside it, nor on who computes them.
  pool_.run((replaced_.size() + group - 1) / group, [&](size_t task, size_t thread) {
    float* rows[group];
    float inverseRms[group];
    const size_t first = task * group;
    const size_t count = std::min(group, replaced_.size() - first);
    for (size_t i = 0; i < count; ++i) {
      rows[i] = streamRow(replaced_[first + i]);
      inverseRms[i] = inverseRmsOf(replaced_[first + i]);
    }
    kernels_.addStandIns(down, up, {rows, inverseRms, count, norm.data(), vector, scratch + thread * innerFloats});
    for (size_t i = 0; i < count; ++i) inverseRms_[replaced_[first + i]] = 0;
  });
}

}  // namespace gateskip
