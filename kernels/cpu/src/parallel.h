// Matrix products and row loops dealt to the pool.
#pragma once
#include <algorithm>
#include <initializer_list>

#include "added-inner.h"
#include "kernels.h"
#include "thread-pool.h"

namespace gateskip {

// weights . activations for the first `rows` rows into out; outStride is at least the matrix's padded row count, or the
// padded width of the consumer where that is larger or equal.
struct Product {
  const PackedMatrix* weights;
  float* out;
  size_t outStride;
  size_t rows;
  // What is added to the product, where there is such: up . inner, rows of innerStride floats.
  const LowRankUp* up = nullptr;
  const AddedInner* inner = nullptr;

  bool adds() const { return up != nullptr && up->present(); }
};

// Tasks that `pieces` of a loop over `rows` rows are dealt in. With many rows a piece is long beside the handing out, and small tasks
// leave no thread waiting long for the last one.
inline size_t tasksFor(const ThreadPool& pool, size_t pieces, size_t rows) {
  constexpr size_t manyRows = 32;
  return pool.active() == 1 ? 1 : std::min(pieces, pool.active() * (rows < manyRows ? 4 : 16));
}

// Products that read the same activations run as one loop over all their tiles.
inline void multiply(ThreadPool& pool, const Kernels& kernels, std::initializer_list<Product> products, const Activations& x) {
  size_t tiles = 0;
  size_t rows = 0;
  for (const Product& p : products) {
    if (p.rows > 0) tiles += p.weights->tiles;
    rows = std::max(rows, p.rows);
  }
  if (tiles == 0) return;
  const size_t tasks = tasksFor(pool, tiles, rows);
  pool.run(tasks, [&](size_t task, size_t thread) {
    size_t begin = tiles * task / tasks;
    const size_t end = tiles * (task + 1) / tasks;
    size_t base = 0;
    for (const Product& p : products) {
      if (p.rows == 0) continue;
      const size_t last = base + p.weights->tiles;
      if (begin < last && begin < end) {
        const size_t stop = std::min(end, last);
        if (p.adds()) askFor(p.up->matrix.data + (begin - base) * p.up->matrix.tileBytes, (stop - begin) * p.up->matrix.tileBytes);
        kernels.matmul(*p.weights, begin - base, stop - base, x, p.rows, p.out, p.outStride);
        if (p.adds())
          kernels.lowRankUp(p.up->matrix, begin - base, stop - base, p.inner->of(thread) + p.up->first, p.inner->stride(), p.rows, p.out, p.outStride);
        begin = stop;
      }
      base = last;
    }
  });
}

// body(row, thread) for every row; rows of one task lie together.
template <typename Body>
void forRows(ThreadPool& pool, size_t rows, size_t rowsPerTask, Body&& body) {
  const size_t tasks = (rows + rowsPerTask - 1) / rowsPerTask;
  pool.run(tasks, [&](size_t task, size_t thread) {
    const size_t end = std::min(rows, (task + 1) * rowsPerTask);
    for (size_t row = task * rowsPerTask; row < end; ++row) body(row, thread);
  });
}

}  // namespace gateskip
