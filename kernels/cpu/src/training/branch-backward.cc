// A branch with its gate, its skip rule and its stand-in, backward.
#include <algorithm>
#include <cmath>

#include "../parallel.h"
#include "train-step.h"

namespace gateskip {

namespace {

// dkept/dscore: the slope of sigma((score - threshold) / temperature), or 1.
double surrogateSlope(double score, double threshold, double temperature) {
  if (temperature == 0) return 1;
  const double e = std::exp(-std::fabs((score - threshold) / temperature));
  return e / ((1 + e) * (1 + e)) / temperature;
}

// Where a mean is too close to 0 or 1, the divergence and its slope are taken at this distance from it.
constexpr double densityMargin = 1e-6;

double entropyTerm(double p, double q) { return p == 0 ? 0 : p * std::log(p / q); }

}  // namespace

// The branch's share of the gate loss, without its weight; with `dOutput` [N, widthStride] its gradient is added, with it.
double TrainStep::gateLoss(const BranchTape& tape, float* dOutput) const {
  const TrainGateLoss& loss = request_->gateLoss;
  const size_t width = model_.gates.width(d_);
  const size_t stride = gates_.widthStride();
  const double branches = static_cast<double>(std::count_if(loss.branches, loss.branches + branches_, [](uint8_t counts) { return counts != 0; }));
  size_t rows = 0;
  double sum = 0;
  double squares = 0;
  for (size_t row = 0; row < rows_; ++row) {
    if (loss.rows != nullptr && loss.rows[row] == 0) continue;
    ++rows;
    for (size_t i = 0; i < width; ++i) {
      const double g = static_cast<double>(tape.gate.output[row * stride + i]);
      sum += g;
      squares += g * g;
    }
  }
  if (rows == 0) return 0;
  const double count = static_cast<double>(rows * width);
  const double share = 1 / (count * branches);
  const double mean = std::min(1 - densityMargin, std::max(densityMargin, sum / count));
  if (dOutput != nullptr) {
    const double level = (mean - loss.density) / (mean * (1 - mean));
    for (size_t row = 0; row < rows_; ++row) {
      if (loss.rows != nullptr && loss.rows[row] == 0) continue;
      for (size_t i = 0; i < width; ++i) {
        const double g = static_cast<double>(tape.gate.output[row * stride + i]);
        // Outputs of gates are never negative.
        const double slope = loss.kind == GateLossKind::l2 ? 2 * g : loss.kind == GateLossKind::l1 ? (g > 0 ? 1 : 0) : level;
        dOutput[row * stride + i] += static_cast<float>(loss.weight * share * slope);
      }
    }
  }
  if (loss.kind == GateLossKind::l2) return squares * share;
  if (loss.kind == GateLossKind::l1) return sum * share;
  return (entropyTerm(loss.density, mean) + entropyTerm(1 - loss.density, 1 - mean)) / branches;
}

void TrainStep::gateUpstream(size_t branch, const BranchTape& tape, float* dOutput, std::vector<double>& dScores, bool hasScores) {
  const size_t width = model_.gates.width(d_);
  const size_t stride = gates_.widthStride();
  const bool isMapped = hasScores && standsIn() && standIns_.reads();
  const float* mapped = isMapped ? standIns_.forward(branch, normed_.data(), allRows_.data(), rows_) : nullptr;
  const float* vector = standsIn() ? model_.gates.standIns[branch].value : nullptr;
  const bool weighs = multiplies();
  HeldScores* held = hasScores && request_->savings != nullptr ? &heldScores_[branch] : nullptr;
  if (held != nullptr) held->slopes.resize(rows_);
  float* gains = hasScores && request_->results.gains != nullptr ? request_->results.gains + branch * rows_ : nullptr;
  forRows(pool_, rows_, 16, [&](size_t row, size_t thread) {
    const float* dy = dStream_.data() + row * hiddenStride_;
    const float* f = tape.output.data() + tape.slots[row] * hiddenStride_;
    float* target = dOutput + row * stride;
    std::fill(target, target + width, 0.0f);
    if (weighs && tape.skipped[row] == 0) {
      if (width == 1)
        target[0] = static_cast<float>(train_.dot(dy, f, d_));
      else
        for (size_t i = 0; i < d_; ++i) target[i] = dy[i] * f[i];
    }
    if (!hasScores) return;
    dScores[row] = 0;
    if (held != nullptr) held->slopes[row] = 0;
    if (gains != nullptr) gains[row] = 0;
    if (request_->plan.pinned != nullptr && request_->plan.pinned[row] != 0) return;
    // What keeping the row adds less what skipping it adds.
    const float* instead = isMapped ? mapped + row * hiddenStride_ : vector;
    float* more = rowScratch_[thread].data();
    for (size_t i = 0; i < d_; ++i) {
      const float added = weighs ? factors(tape, row)[width == 1 ? 0 : i] * f[i] : f[i];
      more[i] = instead == nullptr ? added : added - instead[i];
    }
    const double gain = train_.dot(dy, more, d_);
    if (gains != nullptr) gains[row] = static_cast<float>(gain);
    if (request_->teachesSkippedOnly && tape.skipped[row] == 0) return;
    const double slope = surrogateSlope(tape.gate.scores[row], tape.threshold, request_->temperature);
    dScores[row] = slope * gain;
    if (held != nullptr) held->slopes[row] = slope * request_->savings[branch];
  });
  if (isRegularised(branch)) gateLoss(tape, dOutput);
}

// Gradients of the gate's arrays; returns that of its input, [N, d] by rows, where it is not detached.
const float* TrainStep::gateBackward(size_t branch, const BranchTape& tape) {
  if (!tape.gate.asked) return nullptr;
  const bool trains = model_.gates.gates[branch].bias.gradient != nullptr;
  const bool hasScores = isSurrogate(branch) && tape.hasThreshold;
  if (model_.options.detachGateInput && !trains) return nullptr;
  if (!multiplies() && !isRegularised(branch) && !hasScores) return nullptr;
  std::vector<double> dScores(hasScores ? rows_ : 0);
  float* dOutput = dGateOutput_.data();
  gateUpstream(branch, tape, dOutput, dScores, hasScores);
  const bool isHeld = hasScores && request_->savings != nullptr;
  if (isHeld) {
    heldScores_[branch].gains = std::move(dScores);
    // What the scores get follows when the price is known; the output has its own.
    if (!multiplies() && !isRegularised(branch)) return nullptr;
  }
  const float* input = normed_.data();
  AlignedBuffer<float> outputs;
  if (model_.gates.after) {
    float* copy = outputs.ensure(rows_ * hiddenStride_);
    for (size_t slot = 0; slot < tape.computed; ++slot)
      std::copy(tape.output.data() + slot * hiddenStride_, tape.output.data() + slot * hiddenStride_ + d_, copy + tape.order[slot] * hiddenStride_);
    input = copy;
  }
  float* dInput = model_.options.detachGateInput ? nullptr : dGateInput_.data();
  gates_.backward(branch, input, rows_, tape.gate, dOutput, hasScores && !isHeld ? dScores.data() : nullptr, dInput);
  return dInput;
}

void TrainStep::backwardBranch(size_t branch, const float* input, BranchTape& tape) {
  const TrainingLayer& layer = model_.layers[branch / 2];
  norm(input, norms_[branch].data());
  standInBackward(branch, tape);
  const float* dGateInput = gateBackward(branch, tape);
  const bool isMapped = standsIn() && standIns_.reads() && tape.kept < rows_;
  float* dStandIn =
      isMapped ? standIns_.backward(branch, normed_.data(), tape.order.data() + tape.kept, rows_ - tape.kept, dStream_.data()) : nullptr;
  const bool weighs = multiplies();
  const bool isWide = model_.gates.width(d_) > 1;
  forRows(pool_, tape.kept, 32, [&](size_t slot, size_t) {
    const size_t row = tape.order[slot];
    const float* dy = dStream_.data() + row * hiddenStride_;
    float* target = dOutput_.data() + slot * hiddenStride_;
    for (size_t i = 0; i < d_; ++i) target[i] = weighs ? dy[i] * factors(tape, row)[isWide ? i : 0] : dy[i];
    if (dGateInput != nullptr && model_.gates.after) train_.addScaled(target, dGateInput + row * hiddenStride_, 1.0f, d_);
  });
  const bool isAttention = branch % 2 == 0;
  const size_t slots = isAttention ? attentionBackward(branch / 2, tape) : mlpBackward(branch / 2, tape);
  normBackward(input, isAttention ? layer.attentionNorm : layer.mlpNorm, tape, slots, model_.gates.after ? nullptr : dGateInput, dStandIn);
}

// Of the vector: the gradients of the rows that got it.
void TrainStep::standInBackward(size_t branch, const BranchTape& tape) {
  if (!standsIn() || model_.gates.standIns[branch].gradient == nullptr) return;
  float* gradient = model_.gates.standIns[branch].gradient;
  pool_.run((d_ + 63) / 64, [&](size_t task, size_t) {
    const size_t from = task * 64;
    for (size_t slot = tape.kept; slot < rows_; ++slot)
      train_.addScaled(gradient + from, dStream_.data() + tape.order[slot] * hiddenStride_ + from, 1.0f, std::min<size_t>(64, d_ - from));
  });
}

// dSlots_ (the first `slots`), the gate's own and the stand-in's through the norm, added to dStream_.
void TrainStep::normBackward(const float* input, const Parameter& weight, const BranchTape& tape, size_t slots, const float* dGateInput,
                             float* dStandIn) {
  std::vector<const float*> slopes(rows_);
  forRows(pool_, rows_, 16, [&](size_t row, size_t thread) {
    float* own = dSlots_.data() + tape.slots[row] * hiddenStride_;
    float* fromStandIn = dStandIn == nullptr || tape.skipped[row] == 0 ? nullptr : dStandIn + (tape.slots[row] - tape.kept) * hiddenStride_;
    const bool hasOwn = tape.slots[row] < slots;
    if (hasOwn && fromStandIn != nullptr) train_.addScaled(own, fromStandIn, 1.0f, d_);
    float* ours = hasOwn ? own : fromStandIn;
    const float* fromGate = dGateInput == nullptr ? nullptr : dGateInput + row * hiddenStride_;
    if (ours != nullptr && fromGate != nullptr) train_.addScaled(ours, fromGate, 1.0f, d_);
    const float* slope = ours != nullptr ? ours : fromGate;
    slopes[row] = slope;
    if (slope == nullptr) return;
    const float* x = input + row * hiddenStride_;
    float* weighed = rowScratch_[thread].data();
    for (size_t i = 0; i < d_; ++i) weighed[i] = slope[i] * weight.value[i];
    const double scale = static_cast<double>(rowScales_[row]);
    const double back = train_.dot(weighed, x, d_) * scale * scale * scale / static_cast<double>(d_);
    float* target = dStream_.data() + row * hiddenStride_;
    train_.addScaled(target, weighed, static_cast<float>(scale), d_);
    train_.addScaled(target, x, static_cast<float>(-back), d_);
  });
  if (weight.gradient == nullptr) return;
  pool_.run((d_ + 63) / 64, [&](size_t task, size_t) {
    const size_t end = std::min(d_, task * 64 + 64);
    for (size_t row = 0; row < rows_; ++row) {
      if (slopes[row] == nullptr) continue;
      const float* x = input + row * hiddenStride_;
      for (size_t i = task * 64; i < end; ++i) weight.gradient[i] += slopes[row][i] * x[i] * rowScales_[row];
    }
  });
}

}  // namespace gateskip
