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
// product follow one another while the numbers are at hand, and only int8 (or floats, where that product reads floats)
// leave it.
Activations StepRun::mlpInner(const LayerWeights& layer, const Activations& x, size_t rows) {
  const PackedMatrix& gate = layer.mlpGate.shape;
  const PackedMatrix& up = layer.mlpUp.shape;
  const bool quantized = layer.mlpDown.shape.quantized();
  const size_t innerStride = roundUp(gate.outputStride(), blockColumns);
  const size_t blocks = innerStride / blockColumns;
  float* values = quantized ? nullptr : scratch_.inner.ensure(rows * innerStride);
  const Activations inner = scratch_.innerInt8.room(values, rows, innerStride, quantized);
  const size_t group = std::min(rows, joinedRows);
  const size_t threadFloats = 2 * group * blockColumns;
  float* scratch = scratch_.joined.ensure(pool_.threads() * threadFloats);
  const size_t tasks = pool_.active() == 1 ? 1 : std::min(blocks, pool_.active() * 4);
  pool_.run(tasks, [&](size_t task, size_t thread) {
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
        kernels_.matmul(slice(gate, tile, end - tile), 0, end - tile, part, count, g, blockColumns);
        kernels_.matmul(slice(up, tile, end - tile), 0, end - tile, part, count, u, blockColumns);
        kernels_.siluMultiply(g, u, g, count * blockColumns);
        for (size_t row = 0; row < count; ++row) {
          const float* joined = g + row * blockColumns;
          if (quantized)
            scratch_.innerInt8.quantize(kernels_, innerStride, first + row, block, joined, 1);
          else
            std::copy(joined, joined + blockColumns, values + (first + row) * innerStride + block * blockColumns);
        }
      }
    }
  });
  return inner;
}

void StepRun::mlp(size_t branch) {
  const LayerWeights& layer = weights_.layers[branch / 2];
  const size_t outStride = layer.mlpDown.shape.outputStride();
  for (size_t pass = 0; pass < 2; ++pass) {
    const std::vector<uint32_t>& rows = pass == 0 ? kept_ : twice_;
    if (rows.empty()) break;
    const bool quantized = layer.mlpGate.shape.quantized() || layer.mlpUp.shape.quantized();
    const Activations x = normRows(rows, layer.mlpNorm, quantized);
    const Activations inner = mlpInner(layer, x, rows.size());
    float* product = scratch_.product.ensure(rows.size() * outStride);
    multiply(pool_, kernels_, {{&layer.mlpDown.shape, product, outStride, rows.size()}}, inner);
    addToStream(branch, rows, outStride, pass);
  }
}

}  // namespace gateskip
