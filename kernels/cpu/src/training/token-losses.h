// Cross-entropy and divergence from a teacher, one row of logits at a time (packages/backend, trainer-loss.ts).
#pragma once
#include "train-kernels.h"
#include "train-request.h"

namespace gateskip {

struct TokenLosses {
  double crossEntropy = 0;  // 0 where the row does not count there
  double teacher = 0;
  bool agrees = false;
};

// Losses of `row`; with gradients `logits` [vocabulary] become their gradient, weights and shares included.
TokenLosses tokenLosses(const TrainKernels& kernels, const TrainRequest& request, size_t row, float* logits, size_t vocabulary);

}  // namespace gateskip
