// down(silu(gate x) * up x) for the kept rows.
#include "step-run.h"

namespace gateskip {

void StepRun::mlp(size_t branch) {
  const LayerWeights& layer = weights_.layers[branch / 2];
  const size_t innerStride = layer.mlpGate.shape.outputStride();
  const size_t actStride = roundUp(innerStride, 32);
  const size_t outStride = layer.mlpDown.shape.outputStride();
  for (size_t pass = 0; pass < 2; ++pass) {
    const std::vector<uint32_t>& rows = pass == 0 ? kept_ : twice_;
    if (rows.empty()) break;
    const bool quantized = layer.mlpGate.shape.quantized() || layer.mlpUp.shape.quantized();
    const Activations x = normRows(rows, layer.mlpNorm, quantized);
    float* gateOut = scratch_.gateOut.ensure(rows.size() * actStride);
    float* upOut = scratch_.upOut.ensure(rows.size() * actStride);
    multiply(pool_, kernels_, {{&layer.mlpGate.shape, gateOut, actStride, rows.size()}, {&layer.mlpUp.shape, upOut, actStride, rows.size()}}, x);
    // Where 32 divides the stride but not the tiles, the tail may hold an earlier step's numbers.
    forRows(pool_, rows.size(), 8, [&](size_t i, size_t) {
      float* g = gateOut + i * actStride;
      kernels_.siluMultiply(g, upOut + i * actStride, g, innerStride);
      for (size_t j = innerStride; j < actStride; ++j) g[j] = 0.0f;
    });
    const Activations inner = quantizeRows(gateOut, rows.size(), actStride, layer.mlpDown.shape.quantized());
    float* product = scratch_.product.ensure(rows.size() * outStride);
    multiply(pool_, kernels_, {{&layer.mlpDown.shape, product, outStride, rows.size()}}, inner);
    addToStream(branch, rows, outStride, pass);
  }
}

}  // namespace gateskip
