#include "logits.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace gateskip {

void topLogits(const float* logits, size_t vocabulary, size_t count, int32_t* tokens, float* values, float* logSumExp) {
  const auto before = [logits](int32_t a, int32_t b) {
    const float x = logits[a];
    const float y = logits[b];
    if (std::isnan(x) || std::isnan(y)) {
      if (std::isnan(x) != std::isnan(y)) return std::isnan(y);
      return a < b;
    }
    return x != y ? x > y : a < b;
  };
  // A heap whose root is the worst of the best so far; most logits fail the first comparison.
  std::vector<int32_t> heap;
  heap.reserve(count);
  for (size_t i = 0; i < vocabulary; ++i) {
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
  // Eight partial sums, so that the additions need not wait for one another; the order is fixed.
  double sums[8] = {};
  for (size_t i = 0; i < vocabulary; ++i) sums[i % 8] += std::exp(static_cast<double>(logits[i] - top));
  double total = 0;
  for (double sum : sums) total += sum;
  *logSumExp = static_cast<float>(static_cast<double>(top) + std::log(total));
}

}  // namespace gateskip
