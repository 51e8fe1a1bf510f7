// A branch with its gate, its skip rule and its stand-in, forward over all rows of a step.
#include <algorithm>
#include <cmath>
#include <limits>

#include "../parallel.h"
#include "skip-threshold.h"
#include "train-step.h"

namespace gateskip {

bool TrainStep::multiplies() const { return request_->plan.scorer == Scorer::gate && model_.gates.multiplies; }

bool TrainStep::ranksByGate(size_t branch) const {
  return request_->plan.scorer == Scorer::gate && ruleRanks(static_cast<Rule>(request_->plan.rules[branch]));
}

bool TrainStep::asksGate(size_t branch) const {
  if (!model_.gates.present) return false;
  if (request_->plan.scorer == Scorer::gate && (ranksByGate(branch) || multiplies() || isRegularised(branch))) return true;
  return request_->results.scores != nullptr && !scoresWithoutGates(request_->plan.scorer);
}

void TrainStep::norm(const float* input, const float* weight) {
  forRows(pool_, rows_, 16, [&](size_t row, size_t) {
    const float* x = input + row * hiddenStride_;
    rowScales_[row] = kernels_.inverseRms(x, d_, sizes_.epsilon);
    kernels_.scaleBy(x, rowScales_[row], weight, normed_.data() + row * hiddenStride_, roundUp(d_, 16));
  });
}

void TrainStep::takeSlots(const BranchTape& tape, size_t count) {
  forRows(pool_, count, 64, [&](size_t slot, size_t) {
    const float* from = normed_.data() + tape.order[slot] * hiddenStride_;
    std::copy(from, from + d_, slotsNormed_.data() + slot * hiddenStride_);
  });
}

// From scores_ to who skips, and the order of slots.
void TrainStep::decideRows(size_t branch, BranchTape& tape) {
  const StepPlan& plan = request_->plan;
  const Rule rule = static_cast<Rule>(plan.rules[branch]);
  runs_.assign(rows_, 1);
  decide(rule, plan.values[branch], allRows_, scores_.data(), plan.pinned, runs_.data());
  tape.skipped.assign(rows_, 0);
  tape.order.clear();
  tape.slots.resize(rows_);
  for (size_t row = 0; row < rows_; ++row)
    if (runs_[row] > 0) tape.order.push_back(static_cast<uint32_t>(row));
  tape.kept = tape.order.size();
  for (size_t row = 0; row < rows_; ++row) {
    if (runs_[row] > 0) continue;
    tape.skipped[row] = 1;
    tape.order.push_back(static_cast<uint32_t>(row));
  }
  for (size_t slot = 0; slot < rows_; ++slot) tape.slots[tape.order[slot]] = static_cast<uint32_t>(slot);
  tape.computed = isSurrogate(branch) ? rows_ : tape.kept;
  tape.hasThreshold = ranksByGate(branch) && skipThreshold(rule, plan.values[branch], scores_, plan.pinned, tape.skipped, tape.threshold);
}

void TrainStep::forwardBranch(size_t branch, const float* input, BranchTape& tape, bool isReplay) {
  const StepPlan& plan = request_->plan;
  norm(input, norms_[branch].data());
  tape.gate.asked = false;
  const bool asks = asksGate(branch);
  if (asks && !model_.gates.after) gates_.forward(branch, normed_.data(), rows_, tape.gate);
  scores_.assign(rows_, std::numeric_limits<float>::quiet_NaN());
  for (size_t row = 0; row < rows_; ++row) {
    if (plan.scorer == Scorer::random)
      scores_[row] = randomScore(plan.seed, static_cast<uint32_t>(request_->positions[row]), static_cast<uint32_t>(branch));
    else if (plan.scorer == Scorer::given)
      scores_[row] = plan.scores[branch * rows_ + row];
    else if (tape.gate.asked)
      scores_[row] = static_cast<float>(tape.gate.scores[row]);
  }
  decideRows(branch, tape);
  // Before gates that read outputs take the place of the inputs.
  const bool isMapped = !isReplay && standsIn() && standIns_.reads() && tape.kept < rows_;
  const float* mapped = isMapped ? standIns_.forward(branch, normed_.data(), tape.order.data() + tape.kept, rows_ - tape.kept) : nullptr;

  float* output = keepsOutput(branch) ? tape.output.ensure(rows_ * hiddenStride_) : output_.data();
  if (branch % 2 == 0)
    attention(branch / 2, tape, output, isReplay);
  else
    mlp(branch / 2, tape, output);

  if (asks && model_.gates.after) {
    float* gateInput = normed_.data();
    forRows(pool_, rows_, 64, [&](size_t row, size_t) {
      float* target = gateInput + row * hiddenStride_;
      const float* from = output + tape.slots[row] * hiddenStride_;
      if (tape.slots[row] < tape.computed)
        std::copy(from, from + d_, target);
      else
        std::fill(target, target + d_, 0.0f);
    });
    gates_.forward(branch, gateInput, rows_, tape.gate);
    for (size_t row = 0; row < rows_; ++row)
      if (tape.skipped[row] == 0) scores_[row] = static_cast<float>(tape.gate.scores[row]);
  }
  if (isReplay) return;

  if (isRegularised(branch)) request_->results.gates += gateLoss(tape, nullptr);
  for (size_t row = 0; row < rows_; ++row) request_->results.keptRows[branch * rows_ + row] = tape.skipped[row] == 0 ? 1 : 0;
  if (request_->results.scores != nullptr) std::copy(scores_.begin(), scores_.end(), request_->results.scores + branch * rows_);
  const float* vector = standsIn() ? model_.gates.standIns[branch].value : nullptr;
  const bool weighs = multiplies();
  const bool isWide = model_.gates.width(d_) > 1;
  forRows(pool_, rows_, 32, [&](size_t row, size_t) {
    float* target = stream_.data() + row * hiddenStride_;
    if (tape.skipped[row] != 0) {
      const float* instead = isMapped ? mapped + (tape.slots[row] - tape.kept) * hiddenStride_ : vector;
      if (instead != nullptr) train_.addScaled(target, instead, 1.0f, d_);
      return;
    }
    const float* from = output + tape.slots[row] * hiddenStride_;
    if (!weighs)
      train_.addScaled(target, from, 1.0f, d_);
    else if (!isWide)
      train_.addScaled(target, from, factors(tape, row)[0], d_);
    else
      for (size_t i = 0; i < d_; ++i) target[i] += factors(tape, row)[i] * from[i];
  });
}

}  // namespace gateskip
