// Gates over the rows of a step, forward and exactly backward (packages/gate: the definitions).
#pragma once
#include <vector>

#include "../kernels.h"
#include "products.h"
#include "training-model.h"

namespace gateskip {

// What the gate of one branch said about N rows.
struct GateTape {
  bool asked = false;
  AlignedBuffer<float> logits;  // [N, widthStride], before the last sigmoid
  AlignedBuffer<float> output;  // [N, widthStride]
  AlignedBuffer<float> inner;   // [N, innerStride]: mlp: before the silu; low-rank: V x
  std::vector<double> scalarLogits;  // hybrid: [N]
  std::vector<double> scores;        // [N]
};

class GatePass {
 public:
  GatePass(const TrainingModel& model, const Kernels& kernels, const TrainKernels& train, ThreadPool& pool, Products& products);

  size_t widthStride() const { return widthStride_; }

  // input [rows, rowStride(d)]
  void forward(size_t branch, const float* input, size_t rows, GateTape& tape);

  // dOutput [rows, widthStride], zero or what the output's gradient is, becomes that of the logits; dScores [rows] or null.
  // dInput [rows, rowStride(d)] or null is written.
  void backward(size_t branch, const float* input, size_t rows, const GateTape& tape, float* dOutput, const double* dScores, float* dInput);

 private:
  const float* activeInner(const GateTape& tape, size_t rows);
  void addColumnSums(const float* values, size_t stride, size_t rows, size_t columns, float* sums);

  const TrainingModel& model_;
  const Kernels& kernels_;
  const TrainKernels& train_;
  ThreadPool& pool_;
  Products& products_;
  size_t hidden_;
  size_t hiddenStride_;
  size_t width_;
  size_t widthStride_;
  size_t innerStride_;
  AlignedBuffer<float> active_;
  AlignedBuffer<float> dInner_;
  std::vector<float> dScalarLogits_;
};

}  // namespace gateskip
