// Room for the int8 form of rows of activations.
#pragma once
#include "aligned-buffer.h"
#include "kernels.h"

namespace gateskip {

struct ActivationScratch {
  AlignedBuffer<int8_t> quants;
  AlignedBuffer<float> scales;
  AlignedBuffer<int32_t> offsets;
  AlignedBuffer<float> minimumWeights;

  // Rows whose floats lie at `values` (null where only int8 is read); the int8 form is filled by quantize().
  Activations room(const float* values, size_t rows, size_t stride, bool quantized) {
    Activations x;
    x.values = values;
    x.stride = stride;
    if (quantized) {
      const size_t blocks = rows * (stride / blockColumns);
      x.quants = quants.ensure(rows * stride);
      x.scales = scales.ensure(blocks);
      x.offsets = offsets.ensure(blocks);
      x.minimumWeights = minimumWeights.ensure(blocks);
    }
    return x;
  }

  // Blocks firstBlock .. firstBlock + count - 1 of a row of room(), from floats.
  void quantize(const Kernels& kernels, size_t stride, size_t row, size_t firstBlock, const float* from, size_t count) {
    const size_t at = row * (stride / blockColumns) + firstBlock;
    kernels.quantize(from, count, {quants.data() + row * stride + firstBlock * blockColumns, scales.data() + at, offsets.data() + at, minimumWeights.data() + at});
  }
};

// The rows from `row` on.
static inline Activations rowsFrom(Activations x, size_t row) {
  const size_t blocks = x.stride / blockColumns;
  if (x.values != nullptr) x.values += row * x.stride;
  if (x.quants != nullptr) {
    x.quants += row * x.stride;
    x.scales += row * blocks;
    x.offsets += row * blocks;
    x.minimumWeights += row * blocks;
  }
  return x;
}

}  // namespace gateskip
