// Holds every instruction set that this machine can run to plain loops in double precision.
//
//   g++ -std=c++17 -I ../src kernels-test.cc ... ; ./kernels-test
//
// packages/backend-cpu/test/kernels.test.ts builds and runs it, for arm64 under qemu where that is installed. Prints one
// line per failed check with its worst element, and the number of checks.
#include "attention-test.h"
#include "logits.h"
#include "low-rank-test.h"
#include "matrix-pack.h"

namespace {

std::vector<uint8_t> randomSource(SourceType type, size_t rows, size_t columns) {
  const size_t rowBytes = sourceRowBytes(type, columns);
  std::vector<uint8_t> bytes(rows * rowBytes);
  const bool floats = type == SourceType::f32 || type == SourceType::f16 || type == SourceType::bf16;
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(generator() >> 13);
  if (floats) {
    for (size_t i = 0; i < rows * columns; ++i) {
      const float value = normal();
      const uint16_t half = floatToF16(value);
      uint32_t bits;
      std::memcpy(&bits, &value, 4);
      const uint16_t top = static_cast<uint16_t>(bits >> 16);
      if (type == SourceType::f32) std::memcpy(&bytes[4 * i], &value, 4);
      if (type == SourceType::f16) std::memcpy(&bytes[2 * i], &half, 2);
      if (type == SourceType::bf16) std::memcpy(&bytes[2 * i], &top, 2);
    }
    return bytes;
  }
  const size_t blockBytes = sourceRowBytes(type, 32);
  for (size_t block = 0; block < bytes.size() / blockBytes; ++block) {
    const uint16_t scale = floatToF16(0.02f * (1 + std::abs(normal())));
    const uint16_t minimum = floatToF16(-0.1f * normal());
    std::memcpy(&bytes[block * blockBytes], &scale, 2);
    if (type == SourceType::q4_1) std::memcpy(&bytes[block * blockBytes + 2], &minimum, 2);
  }
  return bytes;
}

void testMatmul(const Kernels& k, SourceType type, size_t rows, size_t columns, size_t inputs) {
  const std::vector<uint8_t> source = randomSource(type, rows, columns);
  PackedMatrix m = packedShape(packedFormatFor(type), rows, columns);
  std::vector<uint8_t> packed(m.sizeBytes());
  for (size_t tile = 0; tile < m.tiles; ++tile) packTile(m, type, source.data(), tile, packed.data() + tile * m.tileBytes);
  m.data = packed.data();

  const size_t stride = roundUp(columns, 32);
  const size_t blocks = stride / 32;
  std::vector<float> x(inputs * stride, 0.0f);
  for (size_t i = 0; i < inputs; ++i)
    for (size_t c = 0; c < columns; ++c) x[i * stride + c] = normal();
  std::vector<int8_t> quants(inputs * stride);
  std::vector<float> scales(inputs * blocks);
  std::vector<int32_t> offsets(inputs * blocks);
  std::vector<float> minimumWeights(inputs * blocks);
  for (size_t i = 0; i < inputs; ++i)
    k.quantize(&x[i * stride], blocks, {&quants[i * stride], &scales[i * blocks], &offsets[i * blocks], &minimumWeights[i * blocks]});
  Activations a;
  a.values = x.data();
  a.stride = stride;
  a.quants = quants.data();
  a.scales = scales.data();
  a.offsets = offsets.data();
  a.minimumWeights = minimumWeights.data();

  std::vector<float> row(columns);
  std::vector<double> expected(inputs * rows);
  std::vector<double> tolerance(inputs * rows);
  for (size_t r = 0; r < rows; ++r) {
    unpackRow(m, r, row.data());
    for (size_t i = 0; i < inputs; ++i) {
      double sum = 0;
      double magnitude = 0;
      for (size_t c = 0; c < columns; ++c) {
        const double v = m.quantized() ? double{scales[i * blocks + c / 32]} * quants[i * stride + c] : double{x[i * stride + c]};
        sum += row[c] * v;
        magnitude += std::abs(row[c] * v);
      }
      expected[i * rows + r] = sum;
      // Float32 sums of n terms in order are off by at most n ulps of the sum of magnitudes.
      tolerance[i * rows + r] = static_cast<double>(columns) * 6e-8 * magnitude + 1e-12;
    }
  }
  const size_t outStride = m.outputStride();
  std::vector<float> out(inputs * outStride);
  k.matmul(m, 0, m.tiles, a, inputs, out.data(), outStride);
  std::vector<float> compact(inputs * rows);
  for (size_t i = 0; i < inputs; ++i)
    for (size_t r = 0; r < rows; ++r) compact[i * rows + r] = out[i * outStride + r];
  char name[96];
  std::snprintf(name, sizeof name, "matmul type %d, %zu x %zu, %zu rows", static_cast<int>(type), rows, columns, inputs);
  compare(k, name, expected, compact.data(), tolerance);

  // One row alone must be the same bits as in company, and tiles one by one the same as all at once.
  std::vector<float> alone(outStride);
  Activations last = a;
  last.values += (inputs - 1) * stride;
  last.quants += (inputs - 1) * stride;
  last.scales += (inputs - 1) * blocks;
  last.offsets += (inputs - 1) * blocks;
  last.minimumWeights += (inputs - 1) * blocks;
  for (size_t tile = 0; tile < m.tiles; ++tile) k.matmul(m, tile, tile + 1, last, 1, alone.data(), outStride);
  expect(k, "a row is the same bits alone", std::memcmp(alone.data(), &out[(inputs - 1) * outStride], outStride * 4) == 0);
}

void testRows(const Kernels& k) {
  constexpr size_t n = 96;
  std::vector<float> x(n), w(n), out(n);
  for (size_t i = 0; i < n; ++i) {
    x[i] = normal();
    w[i] = normal();
  }
  double dot = 0, square = 0, magnitude = 0;
  for (size_t i = 0; i < n; ++i) {
    dot += double{x[i]} * w[i];
    square += double{x[i]} * x[i];
    magnitude += std::abs(double{x[i]} * w[i]);
  }
  const float gotDot = k.dot(x.data(), w.data(), n);
  compare(k, "dot", {dot}, &gotDot, {n * 6e-8 * magnitude});
  const float gotRms = k.inverseRms(x.data(), n, 1e-5f);
  compare(k, "inverseRms", {1 / std::sqrt(square / n + 1e-5)}, &gotRms, {n * 6e-8});
  std::vector<double> expected(n), tolerance(n, 1e-6);
  k.scaleBy(x.data(), 0.5f, w.data(), out.data(), n);
  for (size_t i = 0; i < n; ++i) expected[i] = 0.5 * x[i] * w[i];
  compare(k, "scaleBy", expected, out.data(), tolerance);

  // The exponential over its whole range, through the functions that use it.
  std::vector<float> wide(n);
  for (size_t i = 0; i < n; ++i) wide[i] = (static_cast<float>(i) - 48) * 2.3f;
  out = wide;
  k.sigmoid(out.data(), n);
  for (size_t i = 0; i < n; ++i) {
    expected[i] = 1 / (1 + std::exp(-double{wide[i]}));
    tolerance[i] = 4e-7 * expected[i] + 1e-37;
  }
  compare(k, "sigmoid", expected, out.data(), tolerance);
  k.siluMultiply(wide.data(), w.data(), out.data(), n);
  for (size_t i = 0; i < n; ++i) {
    expected[i] = wide[i] / (1 + std::exp(-double{wide[i]})) * w[i];
    tolerance[i] = 6e-7 * std::abs(expected[i]) + 1e-34;
  }
  compare(k, "siluMultiply", expected, out.data(), tolerance);

  std::vector<uint16_t> halves(n);
  wide[0] = 1e9f;
  wide[1] = -1e9f;
  k.toF16(wide.data(), halves.data(), n);
  expect(k, "toF16 saturates", f16ToFloat(halves[0]) == 65504.0f && f16ToFloat(halves[1]) == -65504.0f);
  bool same = true;
  for (size_t i = 2; i < n; ++i) same = same && halves[i] == floatToF16(wide[i]);
  expect(k, "toF16 rounds to nearest even", same);
}

void testQuantize(const Kernels& k) {
  std::vector<float> x(128, 0.0f);
  for (size_t i = 0; i < 64; ++i) x[i] = normal() * 10;
  x[70] = NAN;
  x[100] = INFINITY;
  std::vector<int8_t> quants(128);
  std::vector<float> scales(4);
  std::vector<int32_t> offsets(4);
  std::vector<float> minimumWeights(4);
  k.quantize(x.data(), 4, {quants.data(), scales.data(), offsets.data(), minimumWeights.data()});
  std::vector<double> expected(64), tolerance(64);
  std::vector<float> got(64);
  int32_t sum = 0;
  for (size_t i = 0; i < 64; ++i) {
    expected[i] = x[i];
    got[i] = scales[i / 32] * quants[i];
    tolerance[i] = 0.5001 * scales[i / 32];
    if (i < 32) sum += quants[i];
  }
  compare(k, "quantize is off by half a step at most", expected, got.data(), tolerance);
  expect(k, "quantize sums its quants", offsets[0] == -8 * sum && minimumWeights[0] == scales[0] * static_cast<float>(sum));
  expect(k, "quantize keeps NaN and infinity visible",
         std::isnan(scales[2]) && std::isnan(scales[3]) && std::isnan(minimumWeights[2]) && std::isnan(minimumWeights[3]));
}

void testTopLogits(const Kernels& k, size_t vocabulary, size_t count) {
  std::vector<float> logits(roundUp(vocabulary, 16), 1e30f);  // what lies beyond the vocabulary must not be seen
  for (size_t i = 0; i < vocabulary; ++i) logits[i] = std::round(normal() * 40) / 8;  // with ties
  std::vector<int32_t> order(vocabulary);
  for (size_t i = 0; i < vocabulary; ++i) order[i] = static_cast<int32_t>(i);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
  double sum = 0;
  for (size_t i = 0; i < vocabulary; ++i) sum += std::exp(double{logits[i]} - logits[order[0]]);
  std::vector<int32_t> tokens(count);
  std::vector<float> values(count);
  float logSumExp = 0;
  topLogits(k, logits.data(), vocabulary, count, tokens.data(), values.data(), &logSumExp);
  expect(k, "topLogits in order, ties by index", std::equal(tokens.begin(), tokens.end(), order.begin()));
  compare(k, "logSumExp", {logits[order[0]] + std::log(sum)}, &logSumExp, {1e-7 * (1 + std::abs(logits[order[0]]))});
  logits[5] = NAN;
  topLogits(k, logits.data(), vocabulary, count, tokens.data(), values.data(), &logSumExp);
  expect(k, "topLogits lets NaN show", std::isnan(logSumExp) && (count == vocabulary) == (std::find(tokens.begin(), tokens.end(), 5) != tokens.end()));
}

void testRotate(const Kernels& k) {
  for (const bool interleaved : {true, false}) {
    float head[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    const float cosines[3] = {0, 1, 0.6f};
    const float sines[3] = {1, 0, 0.8f};
    k.rotate(head, 6, interleaved, cosines, sines);
    const std::vector<double> expected = interleaved ? std::vector<double>{-2, 1, 3, 4, 5 * 0.6 - 6 * 0.8, 5 * 0.8 + 6 * 0.6, 7, 8}
                                                     : std::vector<double>{-4, 2, 3 * 0.6 - 6 * 0.8, 1, 5, 3 * 0.8 + 6 * 0.6, 7, 8};
    compare(k, "rotate", expected, head, std::vector<double>(8, 1e-6));
  }
}

}  // namespace

int main() {
  for (const Kernels* k : availableKernels()) {
    std::printf("testing %s\n", k->name);
    for (const SourceType type : {SourceType::f32, SourceType::f16, SourceType::bf16, SourceType::q4_0, SourceType::q4_1, SourceType::q8_0})
      for (const size_t inputs : {1, 2, 3, 5, 12, 13, 150}) testMatmul(*k, type, 41, type < SourceType::q4_0 ? 71 : 96, inputs);
    testLowRanks(*k);
    testRows(*k);
    testQuantize(*k);
    testRotate(*k);
    for (const size_t vocabulary : {16, 101, 4096, 49152})
      for (const size_t count : {1, 2, 16}) testTopLogits(*k, vocabulary, count);
    testAttention(*k);
  }
  std::printf("%d checks, %d failed\n", checks, failures);
  return failures == 0 ? 0 : 1;
}
