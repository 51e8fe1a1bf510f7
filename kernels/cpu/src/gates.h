// Gates of a model and their evaluation for rows of a step (packages/gate, GateVariant: the definitions).
#pragma once
#include <cstdint>
#include <vector>

#include "aligned-buffer.h"
#include "kernels.h"
#include "model-weights.h"
#include "stand-ins.h"

namespace gateskip {

enum class GateVariant : uint8_t { vector = 0, scalar = 1, mlp = 2, lowRank = 3, hybrid = 4 };

// Numbers of one gate as the caller gives them; null where the variant has none.
struct GateSource {
  const float* weight = nullptr;
  const float* bias = nullptr;
  const float* down = nullptr;
  const float* downBias = nullptr;
  const float* scalarWeight = nullptr;
  const float* scalarBias = nullptr;
};

struct Gate {
  OwnedMatrix weight;                     // not for scalar
  AlignedBuffer<float> bias;              // padded to hiddenStride
  OwnedMatrix down;
  AlignedBuffer<float> downBias;
  AlignedBuffer<float> scalarWeight;      // scalar: the gate itself; hybrid: the common factor
  AlignedBuffer<float> normedScalar;      // scalarWeight times the branch's norm weight: reads the unnormed stream
  float scalarBias = 0;
};

struct GateModel {
  bool present = false;
  GateVariant variant = GateVariant::scalar;
  bool multiplies = false;
  bool after = false;
  size_t inner = 0;  // rank or hidden width
  std::vector<Gate> gates;                       // [2L]
  StandIns standIns;

  double macs(size_t hidden) const;
  bool scalar() const { return variant == GateVariant::scalar; }
};

Gate makeGate(GateVariant variant, size_t inner, const GateSource& source, const ModelSizes& sizes, const AlignedBuffer<float>& norm);

// Buffers of gate evaluation, kept between steps.
struct GateScratch {
  AlignedBuffer<float> inner;
  AlignedBuffer<float> innerOut;
};

// Factors [rows, hiddenStride] and scores [rows] of `rows` rows of gate input [rows, hiddenStride]. Not for scalar gates.
void evaluateGate(const Gate& gate, const GateModel& model, const ModelSizes& sizes, const Kernels& kernels, ThreadPool& pool, const float* input,
                  size_t rows, GateScratch& scratch, float* factors, float* scores);

// Logistic function in double precision, for single numbers.
float logisticOf(double x);

}  // namespace gateskip
