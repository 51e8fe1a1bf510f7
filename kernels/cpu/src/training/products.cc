#include "products.h"

#include <algorithm>

#include "../parallel.h"

namespace gateskip {

namespace {

// Depth of one panel in the cache of a core: 128 KiB.
constexpr size_t mostDepth = 1024;
constexpr size_t rowBlock = 48;
// Below this a panel is not worth copying where it lies in rows already.
constexpr size_t rowsWorthPacking = 24;
// Rounding costs a pass over both sides.
constexpr size_t depthWorthRounding = 64;
constexpr size_t columnsWorthRounding = 64;

// Even, so that no pair is cut.
size_t pieceStart(size_t depth, size_t piece, size_t pieces) { return piece == pieces ? depth : depth * piece / pieces / 2 * 2; }

// Rounded rows lie an odd number of cache lines apart.
size_t roundedStride(size_t depth) { return 32 * (((depth + 31) / 32) | 1); }

}  // namespace

bool Products::isRounded(const Summand& summand, size_t columns) const {
  return bf16_ != nullptr && columns >= columnsWorthRounding && summand.left.depthStep == 1 && summand.depth >= depthWorthRounding;
}

const uint16_t* Products::roundLeft(const Summand& summand, size_t rows) {
  const size_t stride = roundedStride(summand.depth);
  uint16_t* rounded = rounded_.ensure(rows * stride);
  forRows(pool_, rows, 16, [&](size_t row, size_t) {
    bf16_->round(summand.left.values + row * summand.left.rowStep, summand.depth, rounded + row * stride);
  });
  return rounded;
}

void Products::run(size_t rows, size_t columns, float* c, size_t cRow, bool accumulate, std::initializer_list<Summand> summands) {
  if (rows == 0 || columns == 0) return;
  size_t deepest = 0;
  const Summand* roundedSummand = nullptr;
  for (const Summand& summand : summands) {
    deepest = std::max(deepest, std::min(summand.depth, mostDepth + 2));
    // There is room for one; the others of a sum are the low-rank ones.
    if (roundedSummand == nullptr && isRounded(summand, columns)) roundedSummand = &summand;
  }
  const uint16_t* rounded = roundedSummand == nullptr ? nullptr : roundLeft(*roundedSummand, rows);
  for (auto& panel : panels_) panel.ensure(deepest * panelWidth);
  if (rounded != nullptr)
    for (auto& pairs : pairs_) pairs.ensure((deepest + 1) * panelWidth);
  const size_t panels = (columns + panelWidth - 1) / panelWidth;
  const size_t blocks = (rows + rowBlock - 1) / rowBlock;
  // Rows are cut only as far as the threads need it: each part packs its panels anew.
  const size_t wanted = pool_.threads() == 1 ? 1 : 4 * pool_.threads();
  const size_t parts = std::min(blocks, (wanted + panels - 1) / panels);
  pool_.run(panels * parts, [&](size_t task, size_t thread) {
    const size_t column = task % panels * panelWidth;
    const size_t first = std::min(rows, blocks * (task / panels) / parts * rowBlock);
    const size_t end = std::min(rows, blocks * (task / panels + 1) / parts * rowBlock);
    const Target target{first, end - first, column, std::min(panelWidth, columns - column), c, cRow};
    bool adds = accumulate;
    for (const Summand& summand : summands) {
      panelTask(target, adds, summand, &summand == roundedSummand ? rounded : nullptr, thread);
      adds = true;
    }
  });
}

void Products::pack(const RightSide& right, const Target& target, size_t from, size_t depth, float* panel) const {
  const size_t columns = target.columns;
  if (right.transposed) {
    const float* sources[panelWidth];
    for (size_t i = 0; i < panelWidth; ++i) sources[i] = i < columns ? right.values + (target.column + i) * right.stride : nullptr;
    return kernels_.packTransposed(sources, from, depth, panel);
  }
  for (size_t k = 0; k < depth; ++k) {
    float* to = panel + k * panelWidth;
    const float* source = right.values + (from + k) * right.stride + target.column;
    if (columns == panelWidth) {
      std::memcpy(to, source, panelWidth * sizeof(float));
    } else {
      std::copy(source, source + columns, to);
      std::fill(to + columns, to + panelWidth, 0.0f);
    }
  }
}

void Products::panelTask(const Target& target, bool accumulate, const Summand& summand, const uint16_t* rounded, size_t thread) {
  const LeftSide& left = summand.left;
  const RightSide& right = summand.right;
  float* c = target.c + target.row * target.cRow + target.column;
  float* panel = panels_[thread].data();
  const size_t pieces = std::max<size_t>(1, (summand.depth + mostDepth - 1) / mostDepth);
  for (size_t piece = 0; piece < pieces; ++piece) {
    const size_t from = pieceStart(summand.depth, piece, pieces);
    const size_t depth = pieceStart(summand.depth, piece + 1, pieces) - from;
    const bool adds = accumulate || piece > 0;
    if (rounded != nullptr) {
      const size_t stride = roundedStride(summand.depth);
      uint16_t* pairs = pairs_[thread].data();
      pack(right, target, from, depth, panel);
      bf16_->packPairs(panel, depth, pairs);
      bf16_->multiplyPanel({rounded + target.row * stride + from, stride, target.rows, (depth + 1) / 2, pairs, c, target.cRow, target.columns, adds});
      continue;
    }
    const float* a = left.values + target.row * left.rowStep + from * left.depthStep;
    PanelProduct product{a, left.rowStep, left.depthStep, target.rows, depth, panel, panelWidth, c, target.cRow, target.columns, adds};
    if (!right.transposed && target.columns == panelWidth && target.rows <= rowsWorthPacking) {
      product.panel = right.values + from * right.stride + target.column;
      product.panelRow = right.stride;
    } else {
      pack(right, target, from, depth, panel);
    }
    kernels_.multiplyPanel(product);
  }
}

}  // namespace gateskip
