// What a training step needs of an instruction set beside `Kernels`: products of f32 rows with panels of 32 columns, and row
// loops of the way back. A product's result for one row and column depends on nothing else, whatever rows and columns stand
// beside it; sums over k run upwards.
#pragma once
#include <cstddef>
#include <string>

namespace gateskip {

constexpr size_t panelWidth = 32;

// c(row, column) = sum over k of a(row, k) panel(k, column), or added to what is there. Nothing outside rows and columns is
// read or written, except that a panel always has 32 columns to read.
struct PanelProduct {
  const float* a;
  // Distance between rows of a, and between its columns; one of them is 1.
  size_t aRow;
  size_t aColumn;
  size_t rows;
  size_t depth;
  const float* panel;
  size_t panelRow;
  float* c;
  size_t cRow;
  size_t columns;  // 1..32
  bool accumulate;
};

struct TrainKernels {
  const char* name;
  void (*multiplyPanel)(const PanelProduct& product);
  // panel [depth, 32] = columns from..from + depth of 32 rows, each of them one column of the panel; zero where a row is null.
  void (*packTransposed)(const float* const* rows, size_t from, size_t depth, float* panel);
  // active = silu(gate) up, dGate = dActive up silu'(gate), dUp = dActive silu(gate); dUp may be dActive.
  void (*siluBackward)(const float* gate, const float* up, const float* dActive, float* active, float* dGate, float* dUp, size_t padded);
  // x = factor exp(x - shift)
  void (*scaledExponentials)(float* x, size_t n, float shift, float factor);
  double (*sumExponentials)(const float* x, size_t n, float shift);
  float (*largest)(const float* x, size_t n);
  // One row of attention weights: x = softmax(x); returns 1 / sum of exp(x - highest). `highest` is at least each x.
  float (*softmax)(float* x, size_t n, float highest, float extra);
  // dScores = weights (dScores - sum of weights dScores)
  void (*softmaxBackward)(const float* weights, float* dScores, size_t n);
  // y += factor x
  void (*addScaled)(float* y, const float* x, float factor, size_t n);
  // Sum of x[i] y[i] in double precision.
  double (*dot)(const float* x, const float* y, size_t n);
};

// Those for a set of `Kernels`, by its name.
const TrainKernels& trainKernelsFor(const std::string& name);

}  // namespace gateskip
