// Who computes some rows of a branch, and where they keep what lies between its products.
//
// Few rows: all threads together, product by product, each with some of the columns; the weights are read once. Many rows: one
// thread takes some of them through the whole branch, and they do not leave its core's cache. The arithmetic of a row is the same.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "activation-scratch.h"
#include "gates.h"
#include "thread-pool.h"

namespace gateskip {

// Some of a list of rows of the step.
struct RowList {
  const uint32_t* ids;
  size_t count;
  size_t first = 0;  // place in the list

  RowList(const uint32_t* list, size_t begin, size_t rows) : ids(list + begin), count(rows), first(begin) {}
  explicit RowList(const std::vector<uint32_t>& list) : ids(list.data()), count(list.size()) {}
  uint32_t operator[](size_t i) const { return ids[i]; }
};

// Buffers grown to the largest step seen.
struct BranchScratch {
  AlignedBuffer<float> normed, product, factors, queries, keys, values, heads, inner, joined, lowRank;
  AlignedBuffer<uint8_t> lowRankMade;
  ActivationScratch int8;
  ActivationScratch innerInt8;
  GateScratch gate;
};

struct Crew {
  ThreadPool& pool;
  BranchScratch& scratch;
};

}  // namespace gateskip
