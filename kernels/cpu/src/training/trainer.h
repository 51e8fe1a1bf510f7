// A model that can be trained: its arrays, its threads and the buffers of its steps.
#pragma once
#include <memory>

#include "train-step.h"

namespace gateskip {

class Trainer {
 public:
  Trainer(const Kernels& kernels, std::unique_ptr<ThreadPool> pool, TrainingModel model)
      : kernels_(kernels), pool_(std::move(pool)), model_(std::move(model)), step_(model_, kernels, trainKernelsFor(kernels.name), *pool_) {}
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  // One at a time. Throws Failure, std::bad_alloc; gradients are then partly added to.
  void step(TrainRequest& request) { step_.run(request); }

  const Kernels& kernels() const { return kernels_; }
  const ThreadPool& pool() const { return *pool_; }
  const TrainingModel& model() const { return model_; }

 private:
  const Kernels& kernels_;
  std::unique_ptr<ThreadPool> pool_;
  TrainingModel model_;
  TrainStep step_;
};

}  // namespace gateskip
