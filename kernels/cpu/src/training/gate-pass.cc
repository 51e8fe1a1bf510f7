#include "gate-pass.h"

#include <cmath>

#include "../parallel.h"

namespace gateskip {

namespace {

double logistic(double z) {
  if (z >= 0) return 1 / (1 + std::exp(-z));
  const double e = std::exp(z);
  return e / (1 + e);
}

// From z, so that 1 - g loses no digits where g is near 1.
double logisticSlope(double z) {
  const double e = std::exp(-std::fabs(z));
  return e / ((1 + e) * (1 + e));
}

double siluSlope(double z) { return logistic(z) + z * logisticSlope(z); }

constexpr size_t rowsPerTask = 16;

}  // namespace

GatePass::GatePass(const TrainingModel& model, const Kernels& kernels, const TrainKernels& train, ThreadPool& pool, Products& products)
    : model_(model),
      kernels_(kernels),
      train_(train),
      pool_(pool),
      products_(products),
      hidden_(model.sizes.hidden),
      hiddenStride_(rowStride(hidden_)),
      width_(model.gates.width(hidden_)),
      widthStride_(rowStride(width_)),
      innerStride_(rowStride(model.gates.inner)) {}

const float* GatePass::activeInner(const GateTape& tape, size_t rows) {
  if (model_.gates.variant == GateVariant::lowRank) return tape.inner.data();
  float* active = active_.ensure(rows * innerStride_);
  std::copy(tape.inner.data(), tape.inner.data() + rows * innerStride_, active);
  forRows(pool_, rows, rowsPerTask, [&](size_t row, size_t) { kernels_.silu(active + row * innerStride_, roundUp(model_.gates.inner, 16)); });
  return active;
}

void GatePass::forward(size_t branch, const float* input, size_t rows, GateTape& tape) {
  const TrainingGates& gates = model_.gates;
  const TrainingGate& gate = gates.gates[branch];
  const size_t d = hidden_;
  tape.asked = true;
  tape.scores.resize(rows);
  float* logits = tape.logits.ensure(rows * widthStride_);
  float* output = tape.output.ensure(rows * widthStride_);
  if (gates.variant == GateVariant::scalar) {
    forRows(pool_, rows, rowsPerTask, [&](size_t row, size_t) {
      const double z = train_.dot(input + row * hiddenStride_, gate.weight.value, d) + static_cast<double>(gate.bias.value[0]);
      logits[row * widthStride_] = static_cast<float>(z);
      tape.scores[row] = logistic(z);
      output[row * widthStride_] = static_cast<float>(tape.scores[row]);
    });
    return;
  }
  const float* last = input;
  size_t lastStride = hiddenStride_;
  size_t depth = d;
  if (gates.inner > 0) {
    float* inner = tape.inner.ensure(rows * innerStride_);
    products_.run(rows, gates.inner, inner, innerStride_, false, {{rowsOf(input, hiddenStride_), transposed(gate.down.value, d), d}});
    if (gate.downBias.value != nullptr)
      forRows(pool_, rows, rowsPerTask, [&](size_t row, size_t) { train_.addScaled(inner + row * innerStride_, gate.downBias.value, 1.0f, gates.inner); });
    last = activeInner(tape, rows);
    lastStride = innerStride_;
    depth = gates.inner;
  }
  products_.run(rows, d, logits, widthStride_, false, {{rowsOf(last, lastStride), transposed(gate.weight.value, depth), depth}});
  if (gates.variant == GateVariant::hybrid) tape.scalarLogits.resize(rows);
  forRows(pool_, rows, rowsPerTask, [&](size_t row, size_t) {
    float* z = logits + row * widthStride_;
    float* g = output + row * widthStride_;
    train_.addScaled(z, gate.bias.value, 1.0f, d);
    std::copy(z, z + widthStride_, g);
    kernels_.sigmoid(g, roundUp(d, 16));
    if (gates.variant == GateVariant::hybrid) {
      tape.scalarLogits[row] = train_.dot(input + row * hiddenStride_, gate.scalarWeight.value, d) + static_cast<double>(gate.scalarBias.value[0]);
      const float scalar = static_cast<float>(logistic(tape.scalarLogits[row]));
      for (size_t i = 0; i < d; ++i) g[i] *= scalar;
    }
    double sum = 0;
    for (size_t i = 0; i < d; ++i) sum += static_cast<double>(g[i]);
    tape.scores[row] = sum / static_cast<double>(d);
  });
}

void GatePass::backward(size_t branch, const float* input, size_t rows, const GateTape& tape, float* dOutput, const double* dScores,
                        float* dInput) {
  const TrainingGates& gates = model_.gates;
  const TrainingGate& gate = gates.gates[branch];
  const size_t d = hidden_;
  const bool hybrid = gates.variant == GateVariant::hybrid;
  if (hybrid) dScalarLogits_.resize(rows);
  forRows(pool_, rows, rowsPerTask, [&](size_t row, size_t) {
    const float* z = tape.logits.data() + row * widthStride_;
    float* dz = dOutput + row * widthStride_;
    const double share = dScores == nullptr ? 0 : dScores[row] / static_cast<double>(width_);
    const double scalar = hybrid ? logistic(tape.scalarLogits[row]) : 1;
    double dScalar = 0;
    for (size_t i = 0; i < width_; ++i) {
      const double slope = static_cast<double>(dz[i]) + share;
      if (hybrid) dScalar += slope * logistic(static_cast<double>(z[i]));
      dz[i] = static_cast<float>(slope * scalar * logisticSlope(static_cast<double>(z[i])));
    }
    if (hybrid) dScalarLogits_[row] = static_cast<float>(dScalar * logisticSlope(tape.scalarLogits[row]));
  });
  const LeftSide dLogitsTurned = columnsOf(dOutput, widthStride_);
  const RightSide inputRows = plain(input, hiddenStride_);
  if (gate.bias.gradient != nullptr) addColumnSums(dOutput, widthStride_, rows, width_, gate.bias.gradient);
  if (gates.inner > 0) {
    const size_t inner = gates.inner;
    if (gate.weight.gradient != nullptr)
      products_.run(d, inner, gate.weight.gradient, inner, true, {{dLogitsTurned, plain(activeInner(tape, rows), innerStride_), rows}});
    float* dInner = dInner_.ensure(rows * innerStride_);
    products_.run(rows, inner, dInner, innerStride_, false, {{rowsOf(dOutput, widthStride_), plain(gate.weight.value, inner), d}});
    if (gates.variant == GateVariant::mlp)
      forRows(pool_, rows, rowsPerTask, [&](size_t row, size_t) {
        const float* z = tape.inner.data() + row * innerStride_;
        float* dz = dInner + row * innerStride_;
        for (size_t i = 0; i < inner; ++i) dz[i] *= static_cast<float>(siluSlope(static_cast<double>(z[i])));
      });
    if (gate.downBias.gradient != nullptr) addColumnSums(dInner, innerStride_, rows, inner, gate.downBias.gradient);
    if (gate.down.gradient != nullptr) products_.run(inner, d, gate.down.gradient, d, true, {{columnsOf(dInner, innerStride_), inputRows, rows}});
    if (dInput != nullptr) products_.run(rows, d, dInput, hiddenStride_, false, {{rowsOf(dInner, innerStride_), plain(gate.down.value, d), inner}});
  } else {
    if (gate.weight.gradient != nullptr) products_.run(width_, d, gate.weight.gradient, d, true, {{dLogitsTurned, inputRows, rows}});
    if (dInput != nullptr)
      products_.run(rows, d, dInput, hiddenStride_, false, {{rowsOf(dOutput, widthStride_), plain(gate.weight.value, d), width_}});
  }
  if (!hybrid) return;
  const float* slopes = dScalarLogits_.data();
  if (gate.scalarWeight.gradient != nullptr) {
    products_.run(1, d, gate.scalarWeight.gradient, d, true, {{columnsOf(slopes, 1), inputRows, rows}});
    double sum = 0;
    for (size_t row = 0; row < rows; ++row) sum += static_cast<double>(slopes[row]);
    gate.scalarBias.gradient[0] += static_cast<float>(sum);
  }
  if (dInput != nullptr)
    forRows(pool_, rows, rowsPerTask, [&](size_t row, size_t) { train_.addScaled(dInput + row * hiddenStride_, gate.scalarWeight.value, slopes[row], d); });
}

void GatePass::addColumnSums(const float* values, size_t stride, size_t rows, size_t columns, float* sums) {
  constexpr size_t chunk = 64;
  pool_.run((columns + chunk - 1) / chunk, [&](size_t task, size_t) {
    const size_t from = task * chunk;
    const size_t count = std::min(chunk, columns - from);
    for (size_t row = 0; row < rows; ++row) train_.addScaled(sums + from, values + row * stride + from, 1.0f, count);
  });
}

}  // namespace gateskip
