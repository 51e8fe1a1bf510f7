#include "products.h"

#include <algorithm>

namespace gateskip {

namespace {

// Depth of one panel in the cache of a core: 128 KiB.
constexpr size_t mostDepth = 1024;
constexpr size_t rowBlock = 48;
// Below this a panel is not worth copying where it lies in rows already.
constexpr size_t rowsWorthPacking = 24;

}  // namespace

void Products::run(size_t rows, size_t columns, float* c, size_t cRow, bool accumulate, std::initializer_list<Summand> summands) {
  if (rows == 0 || columns == 0) return;
  size_t deepest = 0;
  for (const Summand& summand : summands) deepest = std::max(deepest, std::min(summand.depth, mostDepth));
  for (auto& panel : panels_) panel.ensure(deepest * panelWidth);
  const size_t panels = (columns + panelWidth - 1) / panelWidth;
  const size_t blocks = (rows + rowBlock - 1) / rowBlock;
  // Rows are cut only as far as the threads need it: each part packs its panels anew.
  const size_t wanted = pool_.threads() == 1 ? 1 : 4 * pool_.threads();
  const size_t parts = std::min(blocks, (wanted + panels - 1) / panels);
  pool_.run(panels * parts, [&](size_t task, size_t thread) {
    const size_t column = task % panels * panelWidth;
    const size_t first = std::min(rows, blocks * (task / panels) / parts * rowBlock);
    const size_t end = std::min(rows, blocks * (task / panels + 1) / parts * rowBlock);
    bool adds = accumulate;
    for (const Summand& summand : summands) {
      panelTask(first, end - first, column, std::min(panelWidth, columns - column), c, cRow, adds, summand, thread);
      adds = true;
    }
  });
}

void Products::panelTask(size_t firstRow, size_t rows, size_t column, size_t columns, float* c, size_t cRow, bool accumulate,
                         const Summand& summand, size_t thread) {
  const RightSide& right = summand.right;
  float* panel = panels_[thread].data();
  const size_t pieces = std::max<size_t>(1, (summand.depth + mostDepth - 1) / mostDepth);
  for (size_t piece = 0; piece < pieces; ++piece) {
    const size_t from = summand.depth * piece / pieces;
    const size_t depth = summand.depth * (piece + 1) / pieces - from;
    PanelProduct product{summand.left.values + firstRow * summand.left.rowStep + from * summand.left.depthStep,
                         summand.left.rowStep,
                         summand.left.depthStep,
                         rows,
                         depth,
                         panel,
                         panelWidth,
                         c + firstRow * cRow + column,
                         cRow,
                         columns,
                         accumulate || piece > 0};
    if (right.transposed) {
      const float* sources[panelWidth];
      for (size_t i = 0; i < panelWidth; ++i) sources[i] = i < columns ? right.values + (column + i) * right.stride : nullptr;
      kernels_.packTransposed(sources, from, depth, panel);
    } else if (columns == panelWidth && rows <= rowsWorthPacking) {
      product.panel = right.values + from * right.stride + column;
      product.panelRow = right.stride;
    } else {
      for (size_t k = 0; k < depth; ++k) {
        float* target = panel + k * panelWidth;
        const float* source = right.values + (from + k) * right.stride + column;
        if (columns == panelWidth) {
          std::memcpy(target, source, panelWidth * sizeof(float));
        } else {
          std::copy(source, source + columns, target);
          std::fill(target + columns, target + panelWidth, 0.0f);
        }
      }
    }
    kernels_.multiplyPanel(product);
  }
}

}  // namespace gateskip
