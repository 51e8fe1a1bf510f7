#include "attention-pass.h"

#include <algorithm>
#include <cmath>

#include "../parallel.h"

namespace gateskip {

namespace {

constexpr size_t blockQueries = 48;

}  // namespace

AttentionPass::AttentionPass(const ModelSizes& sizes, const TrainKernels& kernels, ThreadPool& pool)
    : sizes_(sizes),
      kernels_(kernels),
      pool_(pool),
      headStride_(rowStride(sizes.headSize)),
      dimensionPanels_((sizes.headSize + panelWidth - 1) / panelWidth),
      group_(sizes.heads / sizes.kvHeads),
      scale_(static_cast<float>(1 / std::sqrt(static_cast<double>(sizes.headSize)))),
      scratch_(pool.threads()) {}

std::vector<AttentionPass::Block> AttentionPass::blocksOf(const AttentionRows& rows) const {
  std::vector<Block> blocks;
  for (size_t segment = 0; segment < rows.segments(); ++segment) {
    for (size_t first = rows.firstQuery(segment); first < rows.queryEnds[segment]; first += blockQueries) {
      Block block{segment, first, std::min(blockQueries, rows.queryEnds[segment] - first), 0};
      for (size_t i = 0; i < block.count; ++i) block.seen = std::max<size_t>(block.seen, rows.queries[first + i].seen);
      blocks.push_back(block);
    }
  }
  return blocks;
}

const float* AttentionPass::turned(const Panels& panels, size_t segment, size_t kvHead) const {
  const size_t padded = paddedStarts_[segment + 1] - paddedStarts_[segment];
  return panels.turned.data() + (paddedStarts_[segment] * sizes_.kvHeads + kvHead * padded) * sizes_.headSize;
}

const float* AttentionPass::plainOf(const Panels& panels, const AttentionRows& rows, size_t segment, size_t kvHead) const {
  return panels.plain.data() + (rows.firstKey(segment) * sizes_.kvHeads + kvHead * rows.keyCount(segment)) * dimensionPanels_ * panelWidth;
}

void AttentionPass::pack(const AttentionRows& rows, bool keysPlain, bool valuesTurned, bool valuesPlain) {
  paddedStarts_.assign(1, 0);
  for (size_t segment = 0; segment < rows.segments(); ++segment)
    paddedStarts_.push_back(paddedStarts_.back() + roundUp(rows.keyCount(segment), panelWidth));
  const size_t turnedSize = paddedStarts_.back() * sizes_.kvWidth();
  const size_t plainSize = rows.keys.size() * sizes_.kvHeads * dimensionPanels_ * panelWidth;
  keys_.turned.ensure(turnedSize);
  if (keysPlain) keys_.plain.ensure(plainSize);
  if (valuesTurned) values_.turned.ensure(turnedSize);
  if (valuesPlain) values_.plain.ensure(plainSize);
  const auto turn = [&](const Panels& panels, size_t segment, size_t kvHead, bool isKey) {
    float* target = const_cast<float*>(turned(panels, segment, kvHead));
    const size_t count = rows.keyCount(segment);
    for (size_t from = 0; from < count; from += panelWidth, target += sizes_.headSize * panelWidth) {
      const float* sources[panelWidth];
      for (size_t i = 0; i < panelWidth; ++i) {
        sources[i] = nullptr;
        if (from + i >= count) continue;
        const KeyRow& row = rows.keys[rows.firstKey(segment) + from + i];
        sources[i] = (isKey ? row.key : row.value) + kvHead * sizes_.headSize;
      }
      kernels_.packTransposed(sources, 0, sizes_.headSize, target);
    }
  };
  const auto copy = [&](const Panels& panels, size_t segment, size_t kvHead, bool isKey) {
    float* target = const_cast<float*>(plainOf(panels, rows, segment, kvHead));
    const size_t count = rows.keyCount(segment);
    for (size_t column = 0; column < sizes_.headSize; column += panelWidth) {
      const size_t columns = std::min(panelWidth, sizes_.headSize - column);
      for (size_t i = 0; i < count; ++i, target += panelWidth) {
        const KeyRow& row = rows.keys[rows.firstKey(segment) + i];
        const float* source = (isKey ? row.key : row.value) + kvHead * sizes_.headSize + column;
        std::copy(source, source + columns, target);
        std::fill(target + columns, target + panelWidth, 0.0f);
      }
    }
  };
  pool_.run(rows.segments() * sizes_.kvHeads, [&](size_t task, size_t) {
    const size_t segment = task / sizes_.kvHeads;
    const size_t kvHead = task % sizes_.kvHeads;
    turn(keys_, segment, kvHead, true);
    if (keysPlain) copy(keys_, segment, kvHead, true);
    if (valuesTurned) turn(values_, segment, kvHead, false);
    if (valuesPlain) copy(values_, segment, kvHead, false);
  });
}

void AttentionPass::gather(const AttentionRows& rows, const Block& block, const float* from, size_t stride, size_t head, float factor,
                           float* to) const {
  for (size_t i = 0; i < block.count; ++i) {
    const float* source = from + rows.queries[block.first + i].slot * stride + head * sizes_.headSize;
    for (size_t j = 0; j < sizes_.headSize; ++j) to[i * headStride_ + j] = source[j] * factor;
  }
}

void AttentionPass::scoresOf(const Block& block, const float* rows, const float* panels, float* to, size_t toStride) const {
  for (size_t from = 0; from < block.seen; from += panelWidth)
    kernels_.multiplyPanel({rows, headStride_, 1, block.count, sizes_.headSize, panels + from * sizes_.headSize, panelWidth, to + from,
                            toStride, std::min(panelWidth, block.seen - from), false});
}

// Scores of the scaled queries become weights, zero for keys that a row does not see.
void AttentionPass::weightsOf(const AttentionRows& rows, const Block& block, size_t kvHead, const float* query, float* scores, size_t stride,
                              float* ownWeights) const {
  scoresOf(block, query, turned(keys_, block.segment, kvHead), scores, stride);
  for (size_t i = 0; i < block.count; ++i) {
    const QueryRow& row = rows.queries[block.first + i];
    float* x = scores + i * stride;
    const bool hasOwn = row.ownKey != nullptr;
    float own = 0;
    if (hasOwn) own = static_cast<float>(kernels_.dot(query + i * headStride_, row.ownKey + kvHead * sizes_.headSize, sizes_.headSize));
    float highest = row.seen > 0 ? kernels_.largest(x, row.seen) : own;
    if (hasOwn) highest = std::max(highest, own);
    const float extra = hasOwn ? std::exp(own - highest) : 0;
    const float inverse = row.seen + (hasOwn ? 1 : 0) > 0 ? kernels_.softmax(x, row.seen, highest, extra) : 0;
    if (ownWeights != nullptr) ownWeights[i] = extra * inverse;
    std::fill(x + row.seen, x + block.seen, 0.0f);
  }
}

void AttentionPass::forward(const AttentionRows& rows, const float* query, float* mixed, size_t stride) {
  pack(rows, false, false, true);
  const std::vector<Block> blocks = blocksOf(rows);
  const size_t headSize = sizes_.headSize;
  size_t scoreStride = 0;
  for (const Block& block : blocks) scoreStride = std::max(scoreStride, rowStride(block.seen));
  for (Scratch& scratch : scratch_) {
    scratch.query.ensure(blockQueries * headStride_ + panelWidth);
    scratch.out.ensure(blockQueries * headStride_ + panelWidth);
    scratch.scores.ensure(blockQueries * scoreStride);
  }
  pool_.run(blocks.size() * sizes_.heads, [&](size_t task, size_t thread) {
    const Block& block = blocks[task / sizes_.heads];
    const size_t head = task % sizes_.heads;
    const size_t kvHead = head / group_;
    Scratch& scratch = scratch_[thread];
    const size_t blockStride = rowStride(block.seen);
    float ownWeights[blockQueries];
    gather(rows, block, query, stride, head, scale_, scratch.query.data());
    weightsOf(rows, block, kvHead, scratch.query.data(), scratch.scores.data(), blockStride, ownWeights);
    const float* values = plainOf(values_, rows, block.segment, kvHead);
    for (size_t column = 0; column < headSize; column += panelWidth)
      kernels_.multiplyPanel({scratch.scores.data(), blockStride, 1, block.count, block.seen,
                              values + column * rows.keyCount(block.segment), panelWidth, scratch.out.data() + column, headStride_,
                              std::min(panelWidth, headSize - column), false});
    for (size_t i = 0; i < block.count; ++i) {
      const QueryRow& row = rows.queries[block.first + i];
      float* target = mixed + row.slot * stride + head * headSize;
      const float* out = scratch.out.data() + i * headStride_;
      std::copy(out, out + headSize, target);
      if (row.ownValue != nullptr) kernels_.addScaled(target, row.ownValue + kvHead * headSize, ownWeights[i], headSize);
    }
  });
}

void AttentionPass::backward(const AttentionRows& rows, const float* query, const float* dMixed, float* dQuery, size_t stride) {
  pack(rows, true, true, false);
  const std::vector<Block> blocks = blocksOf(rows);
  const size_t headRows = rows.keys.size() * headStride_;
  dKeys_.ensure(sizes_.heads * headRows);
  dValues_.ensure(sizes_.heads * headRows);
  size_t scoreStride = 0;
  for (const Block& block : blocks) scoreStride = std::max(scoreStride, rowStride(block.seen));
  for (Scratch& scratch : scratch_) {
    for (AlignedBuffer<float>* buffer : {&scratch.query, &scratch.dMixed, &scratch.out}) buffer->ensure(blockQueries * headStride_ + panelWidth);
    scratch.scores.ensure(blockQueries * scoreStride);
    scratch.dScores.ensure(blockQueries * scoreStride);
  }
  pool_.run(rows.segments() * sizes_.heads, [&](size_t task, size_t thread) {
    const size_t segment = task / sizes_.heads;
    const size_t head = task % sizes_.heads;
    const size_t first = head * headRows + rows.firstKey(segment) * headStride_;
    float* dKeys = dKeys_.data() + first;
    float* dValues = dValues_.data() + first;
    std::fill(dKeys, dKeys + rows.keyCount(segment) * headStride_, 0.0f);
    std::fill(dValues, dValues + rows.keyCount(segment) * headStride_, 0.0f);
    for (const Block& block : blocks)
      if (block.segment == segment) backwardBlock(rows, block, head, query, dMixed, dQuery, stride, scratch_[thread], dKeys, dValues);
  });
  addUp(rows);
}

void AttentionPass::backwardBlock(const AttentionRows& rows, const Block& block, size_t head, const float* query, const float* dMixed,
                                  float* dQuery, size_t stride, Scratch& scratch, float* dKeys, float* dValues) {
  const size_t headSize = sizes_.headSize;
  const size_t kvHead = head / group_;
  const size_t blockStride = rowStride(block.seen);
  float* q = scratch.query.data();
  float* d = scratch.dMixed.data();
  float* weights = scratch.scores.data();
  float* slopes = scratch.dScores.data();
  gather(rows, block, query, stride, head, scale_, q);
  gather(rows, block, dMixed, stride, head, 1.0f, d);
  weightsOf(rows, block, kvHead, q, weights, blockStride, nullptr);
  scoresOf(block, d, turned(values_, block.segment, kvHead), slopes, blockStride);
  for (size_t i = 0; i < block.count; ++i) {
    const size_t seen = rows.queries[block.first + i].seen;
    kernels_.softmaxBackward(weights + i * blockStride, slopes + i * blockStride, seen);
    std::fill(slopes + i * blockStride + seen, slopes + i * blockStride + block.seen, 0.0f);
  }
  const float* keys = plainOf(keys_, rows, block.segment, kvHead);
  for (size_t column = 0; column < headSize; column += panelWidth) {
    const size_t columns = std::min(panelWidth, headSize - column);
    // The queries hold the scale already, which is that of dKey; dQuery gets it last.
    kernels_.multiplyPanel({slopes, 1, blockStride, block.seen, block.count, q + column, headStride_, dKeys + column, headStride_, columns, true});
    kernels_.multiplyPanel({weights, 1, blockStride, block.seen, block.count, d + column, headStride_, dValues + column, headStride_, columns, true});
    kernels_.multiplyPanel({slopes, blockStride, 1, block.count, block.seen, keys + column * rows.keyCount(block.segment), panelWidth,
                            scratch.out.data() + column, headStride_, columns, false});
  }
  for (size_t i = 0; i < block.count; ++i) {
    float* target = dQuery + rows.queries[block.first + i].slot * stride + head * headSize;
    for (size_t j = 0; j < headSize; ++j) target[j] = scale_ * scratch.out[i * headStride_ + j];
  }
}

// Heads that share a K/V head, always in the same order.
void AttentionPass::addUp(const AttentionRows& rows) {
  const size_t headRows = rows.keys.size() * headStride_;
  forRows(pool_, rows.keys.size(), 16, [&](size_t key, size_t) {
    const KeyRow& row = rows.keys[key];
    for (size_t head = 0; head < sizes_.heads; ++head) {
      const size_t column = head / group_ * sizes_.headSize;
      kernels_.addScaled(row.dKey + column, dKeys_.data() + head * headRows + key * headStride_, 1.0f, sizes_.headSize);
      kernels_.addScaled(row.dValue + column, dValues_.data() + head * headRows + key * headStride_, 1.0f, sizes_.headSize);
    }
  });
}

}  // namespace gateskip
