// down(silu(gate x) * up x) for the kept rows.
#include <algorithm>

#include "step-run.h"

namespace gateskip {

namespace {

// Rows whose gate and up products of one pair of tiles stay in the cache until they are joined.
constexpr size_t joinedRows = 144;
constexpr size_t tilesPerBlock = blockColumns / tileRows;

// Tiles tile .. tile + count - 1 as a matrix of their own.
PackedMatrix slice(const PackedMatrix& m, size_t tile, size_t count) {
  PackedMatrix part = m;
  part.data += tile * m.tileBytes;
  part.tiles = count;
  return part;
}

}  // namespace

// One task is a range of the inner columns, block by block: both products, silu and the rounding to int8 for the last
// product follow one another while the numbers are at hand, and only int8 (or floats, where that product or
// an addition to it reads floats) leave it.
Activations StepRun::mlpInner(size_t layerIndex, const Crew& crew, const Activations& x, const RowList& rowIds) {
  const size_t rows = rowIds.count;
  const LayerWeights& layer = weights_.layers[layerIndex];
  const LayerLowRank& low = lowRankLayer(layerIndex);
  const PackedMatrix& gate = layer.mlpGate.shape;
  const PackedMatrix& up = layer.mlpUp.shape;
  const bool quantized = layer.mlpDown.shape.quantized();
  const size_t innerStride = roundUp(gate.outputStride(), blockColumns);
  const size_t blocks = innerStride / blockColumns;
  // Floats stay too where an addition reads them.
  float* values = quantized && low.inner.ranks == 0 ? nullptr : crew.scratch.inner.ensure(rows * innerStride);
  const AddedInner additions = lowRankInner(crew, low.mlpInput, x, rowIds);
  askForDown(low.inner, rows);
  const auto add = [&](const LowRankUp& part, size_t tile, size_t end, size_t first, size_t count, float* out, size_t thread) {
    if (!part.present()) return;
    const float* from = additions.of(thread) + first * additions.stride() + part.first;
    kernels_.lowRankUp(slice(part.matrix, tile, end - tile), 0, end - tile, from, additions.stride(), count, out, blockColumns);
  };
  const Activations inner = crew.scratch.innerInt8.room(values, rows, innerStride, quantized);
  const size_t group = std::min(rows, joinedRows);
  const size_t threadFloats = 2 * group * blockColumns;
  float* scratch = crew.scratch.joined.ensure(crew.pool.threads() * threadFloats);
  const size_t tasks = tasksFor(crew.pool, blocks, rows);
  crew.pool.run(tasks, [&](size_t task, size_t thread) {
    float* g = scratch + thread * threadFloats;
    float* u = g + group * blockColumns;
    for (size_t first = 0; first < rows; first += group) {
      const size_t count = std::min(group, rows - first);
      const Activations part = rowsFrom(x, first);
      for (size_t block = blocks * task / tasks; block < blocks * (task + 1) / tasks; ++block) {
        const size_t tile = block * tilesPerBlock;
        const size_t end = std::min(tile + tilesPerBlock, gate.tiles);
        // Half a block where the tiles are odd in number: its other half is zero.
        if (end - tile < tilesPerBlock) std::fill(g, g + 2 * group * blockColumns, 0.0f);
        for (const LowRankUp* part : {&low.mlpGate, &low.mlpUp})
          if (part->present()) askFor(part->matrix.data + tile * part->matrix.tileBytes, (end - tile) * part->matrix.tileBytes);
        kernels_.matmul(slice(gate, tile, end - tile), 0, end - tile, part, count, g, blockColumns);
        kernels_.matmul(slice(up, tile, end - tile), 0, end - tile, part, count, u, blockColumns);
        add(low.mlpGate, tile, end, first, count, g, thread);
        add(low.mlpUp, tile, end, first, count, u, thread);
        kernels_.siluMultiply(g, u, g, count * blockColumns);
        for (size_t row = 0; row < count; ++row) {
          const float* joined = g + row * blockColumns;
          if (quantized) crew.scratch.innerInt8.quantize(kernels_, innerStride, first + row, block, joined, 1);
          if (values != nullptr)
            std::copy(joined, joined + blockColumns, values + (first + row) * innerStride + block * blockColumns);
        }
      }
    }
  });
  return inner;
}

void StepRun::mlpRows(size_t branch, const Crew& crew, const RowList& rows, size_t pass) {
  const LayerWeights& layer = weights_.layers[branch / 2];
  const LayerLowRank& low = lowRankLayer(branch / 2);
  const size_t outStride = layer.mlpDown.shape.outputStride();
  const Activations x = normRows(crew, rows, layer.mlpNorm, {&layer.mlpGate.shape, &layer.mlpUp.shape});
  const Activations inner = mlpInner(branch / 2, crew, x, rows);
  const AddedInner additions = lowRankInner(crew, low.inner, inner, rows);
  if (branch + 1 < sizes_.branches()) askForDown(lowRankLayer(branch / 2 + 1).attentionInput, rows.count);
  float* product = crew.scratch.product.ensure(rows.count * outStride);
  multiply(crew.pool, kernels_, {{&layer.mlpDown.shape, product, outStride, rows.count, &low.mlpDown, &additions}}, inner);
  addToStream(branch, crew, rows, outStride, pass);
}

void StepRun::mlp(size_t branch) {
  for (size_t pass = 0; pass < 2; ++pass) {
    finish(branch, pass == 0 ? kept_ : twice_, pass, [&](const Crew& crew, const RowList& rows) { mlpRows(branch, crew, rows, pass); });
    if (isLast(pass)) break;
  }
}

}  // namespace gateskip
