#include "logits.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace gateskip {

void topLogits(const Kernels& kernels, const float* logits, size_t vocabulary, size_t count, int32_t* tokens, float* values, float* logSumExp) {
  const auto before = [logits](int32_t a, int32_t b) {
    const float x = logits[a];
    const float y = logits[b];
    if (std::isnan(x) || std::isnan(y)) {
      if (std::isnan(x) != std::isnan(y)) return std::isnan(y);
      return a < b;
    }
    return x != y ? x > y : a < b;
  };
  // A heap whose root is the worst of the best so far. Once it is full, groups of 16 without anything above the root are
  // passed over unlooked; an equal logit further on loses to the lower index anyway.
  std::vector<int32_t> heap;
  heap.reserve(count);
  const size_t grouped = vocabulary / 16 * 16;
  for (size_t i = 0; i < vocabulary; ++i) {
    if (heap.size() == count && i % 16 == 0 && i < grouped && !std::isnan(logits[heap.front()])) {
      i = kernels.nextAbove(logits, i, grouped, logits[heap.front()]);
      if (i == vocabulary) break;
    }
    const int32_t token = static_cast<int32_t>(i);
    if (heap.size() < count) {
      heap.push_back(token);
      std::push_heap(heap.begin(), heap.end(), before);
    } else if (before(token, heap.front())) {
      std::pop_heap(heap.begin(), heap.end(), before);
      heap.back() = token;
      std::push_heap(heap.begin(), heap.end(), before);
    }
  }
  std::sort_heap(heap.begin(), heap.end(), before);
  for (size_t i = 0; i < count; ++i) {
    tokens[i] = heap[i];
    values[i] = logits[heap[i]];
  }
  const float top = logits[heap[0]];
  *logSumExp = static_cast<float>(static_cast<double>(top) + std::log(kernels.sumExponentials(logits, vocabulary, top)));
}

}  // namespace gateskip
