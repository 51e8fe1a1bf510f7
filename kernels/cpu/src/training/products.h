// Matrix products of a training step, dealt to the pool. Every element is summed in one order, whatever the threads.
#pragma once
#include <initializer_list>
#include <vector>

#include "../aligned-buffer.h"
#include "../packed-matrix.h"
#include "../thread-pool.h"
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
  Products(ThreadPool& pool, const TrainKernels& kernels) : pool_(pool), kernels_(kernels), panels_(pool.threads()) {}

  // c [rows, columns] = (or, with `accumulate`, +=) the sum of the products.
  void run(size_t rows, size_t columns, float* c, size_t cRow, bool accumulate, std::initializer_list<Summand> summands);

 private:
  void panelTask(size_t firstRow, size_t rows, size_t column, size_t columns, float* c, size_t cRow, bool accumulate,
                 const Summand& summand, size_t thread);

  ThreadPool& pool_;
  const TrainKernels& kernels_;
  std::vector<AlignedBuffer<float>> panels_;  // by thread
};

}  // namespace gateskip
