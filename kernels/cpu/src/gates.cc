#include "gates.h"

#include <algorithm>
#include <cmath>

#include "parallel.h"

namespace gateskip {

float logisticOf(double x) { return static_cast<float>(1.0 / (1.0 + std::exp(-x))); }

double GateModel::macs(size_t hidden) const {
  const double d = static_cast<double>(hidden);
  switch (variant) {
    case GateVariant::vector:
      return d * d;
    case GateVariant::scalar:
      return d;
    case GateVariant::mlp:
    case GateVariant::lowRank:
      return 2 * d * static_cast<double>(inner);
    case GateVariant::hybrid:
      return d * d + d;
  }
  return 0;
}

namespace {

AlignedBuffer<float> padded(const float* values, size_t count, size_t stride) {
  AlignedBuffer<float> buffer(stride);
  std::copy(values, values + count, buffer.data());
  return buffer;
}

}  // namespace

Gate makeGate(GateVariant variant, size_t inner, const GateSource& source, const ModelSizes& sizes, const AlignedBuffer<float>& norm) {
  const size_t d = sizes.hidden;
  const size_t stride = sizes.hiddenStride();
  Gate gate;
  if (variant == GateVariant::scalar) {
    gate.scalarWeight = padded(source.weight, d, stride);
    gate.scalarBias = source.bias[0];
  } else {
    gate.bias = padded(source.bias, d, stride);
    const bool narrow = variant == GateVariant::mlp || variant == GateVariant::lowRank;
    gate.weight = packFloats(source.weight, d, narrow ? inner : d);
    if (narrow) gate.down = packFloats(source.down, inner, d);
    if (variant == GateVariant::mlp) gate.downBias = padded(source.downBias, inner, roundUp(inner, 32));
    if (variant == GateVariant::hybrid) {
      gate.scalarWeight = padded(source.scalarWeight, d, stride);
      gate.scalarBias = source.scalarBias[0];
    }
  }
  if (gate.scalarWeight.size() != 0) {
    gate.normedScalar.ensure(stride);
    for (size_t i = 0; i < d; ++i) gate.normedScalar[i] = gate.scalarWeight[i] * norm[i];
  }
  return gate;
}

void evaluateGate(const Gate& gate, const GateModel& model, const ModelSizes& sizes, const Kernels& kernels, ThreadPool& pool, const float* input,
                  size_t rows, GateScratch& scratch, float* factors, float* scores) {
  const size_t d = sizes.hidden;
  const size_t stride = sizes.hiddenStride();
  Activations x;
  x.values = input;
  x.stride = stride;
  if (model.variant == GateVariant::mlp || model.variant == GateVariant::lowRank) {
    const size_t innerStride = roundUp(model.inner, 32);
    const size_t outStride = gate.down.shape.outputStride();
    float* raw = scratch.innerOut.ensure(rows * outStride);
    float* inner = scratch.inner.ensure(rows * innerStride);
    multiply(pool, kernels, {{&gate.down.shape, raw, outStride, rows}}, x);
    for (size_t row = 0; row < rows; ++row) {
      float* to = inner + row * innerStride;
      std::fill(to, to + innerStride, 0.0f);
      std::copy(raw + row * outStride, raw + row * outStride + model.inner, to);
      if (model.variant == GateVariant::mlp) {
        kernels.add(to, gate.downBias.data(), innerStride);
        kernels.silu(to, innerStride);
      }
    }
    x.values = inner;
    x.stride = innerStride;
  }
  multiply(pool, kernels, {{&gate.weight.shape, factors, stride, rows}}, x);
  for (size_t row = 0; row < rows; ++row) {
    float* f = factors + row * stride;
    kernels.add(f, gate.bias.data(), stride);
    kernels.sigmoid(f, stride);
    if (model.variant == GateVariant::hybrid) {
      const float common = logisticOf(static_cast<double>(kernels.dot(input + row * stride, gate.scalarWeight.data(), d)) + gate.scalarBias);
      for (size_t i = 0; i < d; ++i) f[i] *= common;
    }
    double sum = 0;
    for (size_t i = 0; i < d; ++i) sum += f[i];
    scores[row] = static_cast<float>(sum / static_cast<double>(d));
  }
}

}  // namespace gateskip
