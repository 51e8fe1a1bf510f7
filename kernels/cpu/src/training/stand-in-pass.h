// Stand-ins over rows of a step, forward and exactly backward: c + up (down x), x the branch's normed input.
#pragma once
#include <cstdint>

#include "../kernels.h"
#include "products.h"
#include "training-model.h"

namespace gateskip {

class StandInPass {
 public:
  StandInPass(const TrainingModel& model, const TrainKernels& train, ThreadPool& pool, Products& products);

  // Whether the stand-in of a branch reads its input; else it is the vector alone.
  bool reads() const { return !model_.gates.standInDowns.empty(); }

  // Values of the `count` rows of `normed` that `rows` lists: [count, rowStride(d)], valid until the next call.
  const float* forward(size_t branch, const float* normed, const uint32_t* rows, size_t count);

  // Adds the gradients of `down` and `up` where they are trained, given those of the values in the rows of `dStream`. Returns the input's,
  // [count, rowStride(d)], valid until the next call; the caller may write there.
  float* backward(size_t branch, const float* normed, const uint32_t* rows, size_t count, const float* dStream);

 private:
  void gather(const float* from, const uint32_t* rows, size_t count, AlignedBuffer<float>& to);

  const TrainingModel& model_;
  const TrainKernels& train_;
  ThreadPool& pool_;
  Products& products_;
  size_t hidden_;
  size_t hiddenStride_;
  size_t rank_;
  size_t rankStride_;
  AlignedBuffer<float> inputs_, upstream_, inner_, dInner_, values_, dInputs_;
};

}  // namespace gateskip
