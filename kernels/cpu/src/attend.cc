// Attention of a step's rows: tiles of query rows, spans of keys, dealt to the threads.
#include <algorithm>

#include "step-run.h"

namespace gateskip {

namespace {

// Query vectors of one tile, about: enough to pay for unpacking K and V, few enough for the caches.
constexpr size_t queriesPerTile = 96;

// Query rows of one sequence that stand together.
struct RowTile {
  size_t first;
  size_t rows;
  size_t spans;
};

// Memory of one AttendPartial.
size_t partialFloats(size_t count, size_t headStride) { return roundUp(count * (headStride + 2), 16); }
AttendPartial partialAt(float* memory, size_t count, size_t headStride) {
  return {memory + count * headStride, memory + count * (headStride + 1), memory};
}

}  // namespace

void StepRun::attend(size_t layer, const std::vector<uint32_t>& rows) {
  const size_t size = sizes_.headSize;
  const size_t headStride = sizes_.headStride();
  const size_t kvHeads = sizes_.kvHeads;
  const size_t group = sizes_.heads / kvHeads;
  const size_t attendedStride = roundUp(sizes_.queryWidth(), 32);
  const KvLayout& layout = runner_.kvLayout();

  // [rows, group]: what a row sees, for each of its query vectors.
  std::vector<uint32_t> visible(rows.size() * group);
  std::vector<RowTile> tiles;
  const size_t mostRows = std::max<size_t>(1, queriesPerTile / group);
  for (size_t i = 0; i < rows.size(); ++i) {
    const Sequence* sequence = sequenceOfRow_[rows[i]];
    const size_t seen = sequence->layers[layer].visible(positions_[rows[i]]);
    std::fill_n(visible.begin() + static_cast<std::ptrdiff_t>(i * group), group, static_cast<uint32_t>(seen));
    if (tiles.empty() || tiles.back().rows == mostRows || sequenceOfRow_[rows[i - 1]] != sequence) tiles.push_back({i, 0, 1});
    ++tiles.back().rows;
    tiles.back().spans = std::max(tiles.back().spans, (seen + spanKeys - 1) / spanKeys);
  }
  size_t mostCount = 0;
  size_t mostSpans = 0;
  for (const RowTile& tile : tiles) {
    mostCount = std::max(mostCount, tile.rows * group);
    mostSpans = std::max(mostSpans, tile.spans);
  }

  const size_t scratchFloats = attendScratchFloats(mostCount, headStride);
  scratch_.attended.ensure(rows.size() * attendedStride);
  float* scratch = scratch_.attendScratch.ensure(pool_.threads() * scratchFloats);
  const auto tileFor = [&](const RowTile& tile, size_t kvHead, size_t thread) {
    AttendTile t;
    t.queries = scratch_.paddedQueries.data() + (kvHead * rows.size() + tile.first) * group * headStride;
    t.visible = visible.data() + tile.first * group;
    t.count = tile.rows * group;
    t.headStride = headStride;
    t.rows = sequenceOfRow_[rows[tile.first]]->layers[layer].pointers.data();
    t.format = layout.format;
    // Where activations are rounded to 8 bits anyway; asked for in f32, K and V are also multiplied so.
    t.bf16 = layout.format != KvFormat::f32 && weights_.layers[layer].query.shape.quantized();
    t.keyOffset = layout.keyOffset(kvHead);
    t.valueOffset = layout.valueOffset(kvHead);
    t.keyScaleOffset = layout.keyScaleOffset(kvHead);
    t.valueScaleOffset = layout.valueScaleOffset(kvHead);
    t.scratch = scratch + thread * scratchFloats;
    return t;
  };
  const auto finish = [&](const RowTile& tile, size_t kvHead, const AttendTile& t, const AttendPartial& total) {
    kernels_.divideBySums(t, total);
    for (size_t i = 0; i < tile.rows; ++i) {
      float* to = scratch_.attended.data() + (tile.first + i) * attendedStride + kvHead * group * size;
      for (size_t g = 0; g < group; ++g) {
        const float* from = total.outputs + (i * group + g) * headStride;
        std::copy(from, from + size, to + g * size);
      }
    }
  };

  const size_t tasks = tiles.size() * kvHeads;
  const size_t slotFloats = partialFloats(mostCount, headStride);
  if (pool_.active() == 1 || mostSpans == 1 || tasks >= 4 * pool_.active()) {
    // Enough for all threads: one task is all spans of a tile.
    float* partials = scratch_.attendPartials.ensure(pool_.threads() * 2 * slotFloats);
    pool_.run(tasks, [&](size_t task, size_t thread) {
      // Later rows see more: the large tasks come first.
      const RowTile& tile = tiles[tiles.size() - 1 - task / kvHeads];
      const AttendTile t = tileFor(tile, task % kvHeads, thread);
      const AttendPartial total = partialAt(partials + 2 * thread * slotFloats, t.count, headStride);
      const AttendPartial part = partialAt(partials + (2 * thread + 1) * slotFloats, t.count, headStride);
      kernels_.attendSpan(t, 0, total);
      for (size_t span = 1; span < tile.spans; ++span) {
        kernels_.attendSpan(t, span, part);
        kernels_.joinSpan(t, span, part, total);
      }
      finish(tile, task % kvHeads, t, total);
    });
  } else {
    // Few rows that see much: spans are dealt too, and joined afterwards in the same order.
    float* partials = scratch_.attendPartials.ensure(tasks * mostSpans * slotFloats);
    const auto slot = [&](size_t task, size_t span, size_t count) { return partialAt(partials + (task * mostSpans + span) * slotFloats, count, headStride); };
    pool_.run(tasks * mostSpans, [&](size_t index, size_t thread) {
      const size_t task = index % tasks;
      const size_t span = index / tasks;
      const RowTile& tile = tiles[task / kvHeads];
      if (span >= tile.spans) return;
      const AttendTile t = tileFor(tile, task % kvHeads, thread);
      kernels_.attendSpan(t, span, slot(task, span, t.count));
    });
    pool_.run(tasks, [&](size_t task, size_t thread) {
      const RowTile& tile = tiles[task / kvHeads];
      const AttendTile t = tileFor(tile, task % kvHeads, thread);
      const AttendPartial total = slot(task, 0, t.count);
      for (size_t span = 1; span < tile.spans; ++span) kernels_.joinSpan(t, span, slot(task, span, t.count), total);
      finish(tile, task % kvHeads, t, total);
    });
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    float* row = scratch_.attended.data() + i * attendedStride;
    std::fill(row + sizes_.queryWidth(), row + attendedStride, 0.0f);
  }
}

}  // namespace gateskip
