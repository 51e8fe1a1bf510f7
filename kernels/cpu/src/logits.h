#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels.h"

namespace gateskip {

// The `count` highest of `logits`, descending, ties by lower index, NaN last; and log of the sum of exp.
void topLogits(const Kernels& kernels, const float* logits, size_t vocabulary, size_t count, int32_t* tokens, float* values, float* logSumExp);

}  // namespace gateskip
