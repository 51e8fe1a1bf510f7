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
  const size_t rowFloats = 2 * hiddenStride_ + roundUp(down.ranks, 16);
  const size_t threadFloats = group * rowFloats;
  float* scratch = scratch_.standIns.ensure(pool_.threads() * threadFloats);
  // No row's numbers depend on the rows beside it, nor on who computes them.
  pool_.run((replaced_.size() + group - 1) / group, [&](size_t task, size_t thread) {
    float* x = scratch + thread * threadFloats;
    float* added = x + group * hiddenStride_;
    float* inner = added + group * hiddenStride_;
    const size_t first = task * group;
    const size_t count = std::min(group, replaced_.size() - first);
    for (size_t i = 0; i < count; ++i) {
      const uint32_t row = replaced_[first + i];
      kernels_.scaleBy(streamRow(row), inverseRmsOf(row), norm.data(), x + i * hiddenStride_, hiddenStride_);
      std::copy(vector, vector + hiddenStride_, added + i * hiddenStride_);
    }
    kernels_.lowRankDown(down, 0, down.ranks, 1.0f, x, hiddenStride_, count, inner, down.ranks);
    kernels_.lowRankUp(up, 0, up.tiles, inner, down.ranks, count, added, hiddenStride_);
    for (size_t i = 0; i < count; ++i) {
      kernels_.add(streamRow(replaced_[first + i]), added + i * hiddenStride_, hiddenStride_);
      inverseRms_[replaced_[first + i]] = 0;
    }
  });
}

}  // namespace gateskip
