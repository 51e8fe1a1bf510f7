// Scores of a branch for the rows that need one, and what the plans make of them.
#include <algorithm>
#include <cmath>
#include <limits>

#include "step-run.h"

namespace gateskip {

bool StepRun::needsGate(const StepPlan& plan, size_t branch) const {
  if (!gates_.present || gates_.after) return false;
  if (request_.out.scores != nullptr && !scoresWithoutGates(plan.scorer)) return true;
  return plan.scorer == Scorer::gate && (gates_.multiplies || ruleRanks(static_cast<Rule>(plan.rules[branch])));
}

void StepRun::scoreRows(size_t branch, const AlignedBuffer<float>& norm) {
  float* scores = scratch_.scores.ensure(rows_);
  gated_.clear();
  for (size_t row = 0; row < rows_; ++row) {
    if (scored_[row] != 0) continue;
    const StepPlan& plan = planOf(row);
    scores[row] = std::numeric_limits<float>::quiet_NaN();
    if (plan.scorer == Scorer::random) scores[row] = randomScore(plan.seed, positions_[row], static_cast<uint32_t>(branch));
    if (plan.scorer == Scorer::given) scores[row] = plan.scores[branch * rows_ + row];
    if (needsGate(plan, branch)) {
      factorSlot_[row] = static_cast<uint32_t>(gated_.size());
      gated_.push_back(static_cast<uint32_t>(row));
    }
  }
  if (!gated_.empty()) {
    if (gates_.scalar()) {
      forRows(pool_, gated_.size(), 32, [&](size_t i, size_t) { scoreScalar(branch, gated_[i]); });
    } else {
      const Crew crew = everyone();
      const Activations x = normRows(crew, RowList(gated_), norm, {});
      float* factors = crew.scratch.factors.ensure(gated_.size() * hiddenStride_);
      std::vector<float> compact(gated_.size());
      evaluateGate(gates_.gates[branch], gates_, sizes_, kernels_, pool_, x.values, gated_.size(), crew.scratch.gate, factors, compact.data());
      for (size_t i = 0; i < gated_.size(); ++i) scores[gated_[i]] = compact[i];
    }
  }
  std::fill(scored_.begin(), scored_.end(), uint8_t{0});
  for (size_t i = 0; i < request_.plans.size(); ++i)
    scoresAhead_[i] = branch + 1 < sizes_.branches() && gates_.scalar() && needsGate(request_.plans[i], branch + 1);
  if (request_.out.scores != nullptr) std::copy(scores, scores + rows_, request_.out.scores + branch * rows_);
}

// w . norm(x) = (w * norm weight) . x / rms(x): the row itself need not be normed to be scored.
void StepRun::scoreScalar(size_t branch, size_t row) {
  const Gate& gate = gates_.gates[branch];
  const float score = logisticOf(static_cast<double>(inverseRmsOf(row)) * kernels_.dot(streamRow(row), gate.normedScalar.data(), sizes_.hidden) + gate.scalarBias);
  scratch_.scores[row] = score;
  scalarFactor_[row] = score;
}

void StepRun::scoreAhead(size_t row) {
  if (scoresAhead_[planOfRow_[row]] == 0) return;
  scoreScalar(branch_ + 1, row);
  scored_[row] = 1;
}

void StepRun::decideRows(size_t branch) {
  for (size_t i = 0; i < request_.plans.size(); ++i) {
    const StepPlan& plan = request_.plans[i];
    decide(static_cast<Rule>(plan.rules[branch]), plan.values[branch], rowsOfPlan_[i], scratch_.scores.data(), plan.pinned, runs_.data());
  }
  kept_.clear();
  twice_.clear();
  replaced_.clear();
  for (size_t row = 0; row < rows_; ++row) {
    if (runs_[row] > 0) kept_.push_back(static_cast<uint32_t>(row));
    if (runs_[row] > 1) twice_.push_back(static_cast<uint32_t>(row));
    if (standsIn(row)) replaced_.push_back(static_cast<uint32_t>(row));
    if (request_.out.keptRows != nullptr) request_.out.keptRows[branch * rows_ + row] = runs_[row] > 0 ? 1 : 0;
  }
}

}  // namespace gateskip
