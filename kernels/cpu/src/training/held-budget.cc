// The gradient of scores whose threshold moves so that the budget of every segment stays (packages/backend, StraightThroughOptions).
#include "train-step.h"

namespace gateskip {

// What a MAC is worth in each segment, in units of the loss; 0 where no score moves anything.
std::vector<double> TrainStep::segmentPrices() const {
  std::vector<double> gains(segmentEnds_.size(), 0);
  std::vector<double> slopes(segmentEnds_.size(), 0);
  for (const HeldScores& held : heldScores_) {
    if (held.gains.empty()) continue;
    size_t segment = 0;
    for (size_t row = 0; row < rows_; ++row) {
      if (row == segmentEnds_[segment]) ++segment;
      gains[segment] += held.gains[row];
      slopes[segment] += held.slopes[row];
    }
  }
  for (size_t segment = 0; segment < gains.size(); ++segment) gains[segment] = slopes[segment] == 0 ? 0 : gains[segment] / slopes[segment];
  return gains;
}

// Scores of all branches share the price, so their gates follow when the last of them is known.
void TrainStep::holdBudgets() {
  const std::vector<double> prices = segmentPrices();
  for (size_t branch = 0; branch < branches_; ++branch) {
    HeldScores& held = heldScores_[branch];
    if (held.gains.empty()) continue;
    checkCancelled();
    size_t segment = 0;
    for (size_t row = 0; row < rows_; ++row) {
      if (row == segmentEnds_[segment]) ++segment;
      held.gains[row] -= prices[segment] * held.slopes[row];
    }
    norm(inputs_[branch].data(), norms_[branch].data());
    GateTape* gate = &tapes_[branch].gate;
    if (model_.options.recompute) {
      gate = &shared_.gate;
      gates_.forward(branch, normed_.data(), rows_, *gate);
    }
    float* dOutput = dGateOutput_.data();
    std::fill(dOutput, dOutput + rows_ * gates_.widthStride(), 0.0f);
    gates_.backward(branch, normed_.data(), rows_, *gate, dOutput, held.gains.data(), nullptr);
  }
}

}  // namespace gateskip
