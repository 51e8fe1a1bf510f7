// Matrix products of a training step, dealt to the pool. Every element is summed in one order, whatever the threads.
#pragma once
#include <initializer_list>
#include <vector>

#include "../aligned-buffer.h"
#include "../packed-matrix.h"
#include "../thread-pool.h"
#include "bf16-kernels.h"
#include "train-kernels.h"

namespace gateskip {

// Floats between rows of activations: whole vectors, an odd number of them, so that the rows of a block fall into different
// sets of the cache.
inline size_t rowStride(size_t columns) { return 16 * (((columns + 15) / 16) | 1); }

// Left side: element (row, k) at values[row * rowStep + k * depthStep], one of the steps is 1.
struct LeftSide {
  const float* values;
  size_t rowStep;
  size_t depthStep;
};

// Right side: element (k, column) at values[k * stride + column], or transposed at values[column * stride + k].
struct RightSide {
  const float* values;
  size_t stride;
  bool transposed;
};

struct Summand {
  LeftSide left;
  RightSide right;
  size_t depth;
};

// Rows as they are, and turned: then the sum runs over rows.
inline LeftSide rowsOf(const float* values, size_t stride) { return {values, stride, 1}; }
inline LeftSide columnsOf(const float* values, size_t stride) { return {values, 1, stride}; }
// x W^T for W [outputs, inputs], and dy W.
inline RightSide transposed(const float* weight, size_t stride) { return {weight, stride, true}; }
inline RightSide plain(const float* weight, size_t stride) { return {weight, stride, false}; }

class Products {
 public:
  // With `bf16` deep products of rows round both sides; without it is null.
  Products(ThreadPool& pool, const TrainKernels& kernels, const Bf16Kernels* bf16)
      : pool_(pool), kernels_(kernels), bf16_(bf16), panels_(pool.threads()), pairs_(pool.threads()) {}

  // c [rows, columns] = (or, with `accumulate`, +=) the sum of the products.
  void run(size_t rows, size_t columns, float* c, size_t cRow, bool accumulate, std::initializer_list<Summand> summands);

 private:
  // Part of the result: rows from `row`, at most 32 columns.
  struct Target {
    size_t row;
    size_t rows;
    size_t column;
    size_t columns;
    float* c;
    size_t cRow;
  };

  bool isRounded(const Summand& summand, size_t columns) const;
  const uint16_t* roundLeft(const Summand& summand, size_t rows);
  void panelTask(const Target& target, bool accumulate, const Summand& summand, const uint16_t* rounded, size_t thread);
  // Columns of the right side as a panel [depth, 32].
  void pack(const RightSide& right, const Target& target, size_t from, size_t depth, float* panel) const;

  ThreadPool& pool_;
  const TrainKernels& kernels_;
  const Bf16Kernels* bf16_;
  std::vector<AlignedBuffer<float>> panels_;    // by thread
  std::vector<AlignedBuffer<uint16_t>> pairs_;  // by thread
  AlignedBuffer<uint16_t> rounded_;             // left side of the product at hand
};

}  // namespace gateskip
