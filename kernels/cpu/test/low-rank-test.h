// Low-rank products of one instruction set: against plain loops, and to the bit against themselves in other company.
#pragma once
#include "low-rank-pack.h"
#include "test-support.h"

constexpr double lowRankUlp = 6e-8;

// Factors [rank, columns] and [outputs, rank] in a format, with the numbers that are multiplied.
struct LowRankFixture {
  PackedFormat format;
  size_t rank, columns, outputs, stride;
  std::vector<float> down, up;  // row by row
  std::vector<uint8_t> downBytes, upBytes;

  LowRankFixture(PackedFormat kept, size_t ranks, size_t columnCount, size_t outputCount)
      : format(kept), rank(ranks), columns(columnCount), outputs(outputCount), stride(roundUp(columnCount, 32)), down(ranks * columnCount), up(outputCount * ranks) {
    // Whole sixteenths below 16 are numbers that bf16 holds.
    for (std::vector<float>* values : {&down, &up})
      for (float& value : *values) value = holdsBf16(format) ? std::round(normal() * 16) / 16 : normal();
    downBytes.resize(gateskip::downBytes(format, rank, stride));
    packDown(format, down.data(), rank, columns, stride, downBytes.data());
    upBytes.resize(packedShape(format, outputs, rank).sizeBytes());
    packUp(packedShape(format, outputs, rank), up.data(), upBytes.data());
  }

  LowRankDown packedDown() const { return {format, rank, stride, downBytes.data()}; }
  PackedMatrix packedUp() const {
    PackedMatrix m = packedShape(format, outputs, rank);
    m.data = upBytes.data();
    return m;
  }
  // What becomes of a number that is multiplied by a factor.
  double taken(float value) const { return double{format == PackedFormat::bf16Pairs ? roundedToBf16(value) : value}; }
  const char* name() const { return format == PackedFormat::f32 ? "f32" : format == PackedFormat::bf16 ? "bf16" : "bf16 pairs"; }

  // scale * (down x), and how far off it may be.
  void expectDown(const float* x, double scale, double* sums, double* tolerance) const {
    for (size_t r = 0; r < rank; ++r) {
      double magnitude = 0;
      sums[r] = 0;
      for (size_t c = 0; c < columns; ++c) {
        const double product = double{down[r * columns + c]} * taken(x[c]);
        sums[r] += scale * product;
        magnitude += std::abs(scale * product);
      }
      tolerance[r] = static_cast<double>(columns + 2) * lowRankUlp * magnitude + 1e-12;
    }
  }
  // start + up inner, and how far off it may be.
  void expectUp(const float* inner, const float* start, double* sums, double* tolerance) const {
    for (size_t o = 0; o < outputs; ++o) {
      double magnitude = std::abs(double{start[o]});
      sums[o] = start[o];
      for (size_t r = 0; r < rank; ++r) {
        const double product = double{up[o * rank + r]} * taken(inner[r]);
        sums[o] += product;
        magnitude += std::abs(product);
      }
      tolerance[o] = static_cast<double>(rank + 3) * lowRankUlp * magnitude + 1e-12;
    }
  }
};

// down . x and its addition through up, for any part of the ranks and any rows.
inline void testLowRank(const Kernels& k, PackedFormat format, size_t rank, size_t inputs) {
  const LowRankFixture f(format, rank, 71, 41);
  const LowRankDown d = f.packedDown();
  const PackedMatrix m = f.packedUp();
  std::vector<float> x(inputs * f.stride, 0.0f);
  for (size_t i = 0; i < inputs; ++i)
    for (size_t c = 0; c < f.columns; ++c) x[i * f.stride + c] = normal();
  const float scale = 0.5f;
  const size_t outStride = m.outputStride();
  // What lies behind the last number may be anything.
  std::vector<float> inner(inputs * rank + 64, NAN), out(inputs * outStride);
  for (float& value : out) value = normal();
  const std::vector<float> before = out;
  const size_t middle = rank / 3;
  k.lowRankDown(d, 0, middle, scale, x.data(), f.stride, inputs, inner.data(), rank);
  k.lowRankDown(d, middle, rank, scale, x.data(), f.stride, inputs, inner.data(), rank);
  k.lowRankUp(m, 0, m.tiles, inner.data(), rank, inputs, out.data(), outStride);
  std::vector<double> innerExpected(inputs * rank), innerTolerance(inputs * rank), expected(inputs * f.outputs), tolerance(inputs * f.outputs);
  std::vector<float> compact(inputs * f.outputs);
  for (size_t i = 0; i < inputs; ++i) {
    f.expectDown(&x[i * f.stride], scale, &innerExpected[i * rank], &innerTolerance[i * rank]);
    f.expectUp(&inner[i * rank], &before[i * outStride], &expected[i * f.outputs], &tolerance[i * f.outputs]);
    std::copy_n(&out[i * outStride], f.outputs, &compact[i * f.outputs]);
  }
  char name[96];
  std::snprintf(name, sizeof name, "low-rank down, %s, rank %zu, %zu rows", f.name(), rank, inputs);
  compare(k, name, innerExpected, inner.data(), innerTolerance);
  std::snprintf(name, sizeof name, "low-rank up, %s, rank %zu, %zu rows", f.name(), rank, inputs);
  compare(k, name, expected, compact.data(), tolerance);

  std::vector<float> innerAlone(rank), alone(before.end() - static_cast<std::ptrdiff_t>(outStride), before.end());
  const size_t last = inputs - 1;
  for (size_t r = 0; r < rank; ++r) k.lowRankDown(d, r, r + 1, scale, &x[last * f.stride], f.stride, 1, innerAlone.data(), rank);
  expect(k, "down of a row and a rank is the same bits alone", std::memcmp(innerAlone.data(), &inner[last * rank], rank * 4) == 0);
  for (size_t tile = 0; tile < m.tiles; ++tile) {
    PackedMatrix one = m;
    one.data = m.data + tile * m.tileBytes;
    one.tiles = 1;
    k.lowRankUp(one, 0, 1, innerAlone.data(), rank, 1, alone.data() + tile * tileRows, outStride);
  }
  expect(k, "up of a row and a tile is the same bits alone", std::memcmp(alone.data(), &out[last * outStride], outStride * 4) == 0);
}

// Rows of a stream, in any order, get vector + up (down (norm * x / rms)).
inline void testStandIns(const Kernels& k, PackedFormat format, size_t rank, size_t count) {
  const LowRankFixture f(format, rank, 71, 71);
  const auto padded = [&] {
    std::vector<float> values(f.stride, 0.0f);
    for (size_t c = 0; c < f.columns; ++c) values[c] = normal();
    return values;
  };
  const std::vector<float> norm = padded(), vector = padded();
  std::vector<std::vector<float>> stream;
  for (size_t i = 0; i < count; ++i) stream.push_back(padded());
  const std::vector<std::vector<float>> before = stream;
  std::vector<float*> rows;
  std::vector<float> inverseRms, inner(count * rank, NAN);
  for (size_t i = 0; i < count; ++i) {
    rows.push_back(stream[count - 1 - i].data());
    inverseRms.push_back(k.inverseRms(rows[i], f.columns, 1e-5f));
  }
  k.addStandIns(f.packedDown(), f.packedUp(), {rows.data(), inverseRms.data(), count, norm.data(), vector.data(), inner.data()});
  std::vector<double> expected(count * f.columns), tolerance(count * f.columns), innerExpected(count * rank), innerTolerance(count * rank);
  std::vector<float> got(count * f.columns);
  for (size_t i = 0; i < count; ++i) {
    const std::vector<float>& x = before[count - 1 - i];
    std::vector<float> normed(f.columns), start(f.columns);
    for (size_t c = 0; c < f.columns; ++c) normed[c] = x[c] * norm[c];
    f.expectDown(normed.data(), inverseRms[i], &innerExpected[i * rank], &innerTolerance[i * rank]);
    for (size_t c = 0; c < f.columns; ++c) start[c] = x[c] + vector[c];
    f.expectUp(&inner[i * rank], start.data(), &expected[i * f.columns], &tolerance[i * f.columns]);
    for (size_t c = 0; c < f.columns; ++c) tolerance[i * f.columns + c] += 3 * lowRankUlp * (std::abs(double{x[c]}) + std::abs(double{vector[c]}));
    std::copy_n(rows[i], f.columns, &got[i * f.columns]);
  }
  char name[96];
  std::snprintf(name, sizeof name, "stand-ins' inner, %s, rank %zu, %zu rows", f.name(), rank, count);
  compare(k, name, innerExpected, inner.data(), innerTolerance);
  std::snprintf(name, sizeof name, "stand-ins, %s, rank %zu, %zu rows", f.name(), rank, count);
  compare(k, name, expected, got.data(), tolerance);
  expect(k, "stand-ins leave what is beyond a row at zero",
         std::all_of(stream.begin(), stream.end(), [&](const std::vector<float>& row) { return std::all_of(row.begin() + static_cast<std::ptrdiff_t>(f.columns), row.end(), [](float v) { return v == 0; }); }));

  std::vector<float> alone = before[0], innerAlone(rank);
  float* only = alone.data();
  k.addStandIns(f.packedDown(), f.packedUp(), {&only, &inverseRms[count - 1], 1, norm.data(), vector.data(), innerAlone.data()});
  expect(k, "a stand-in is the same bits alone", std::memcmp(alone.data(), stream[0].data(), f.stride * 4) == 0);
}

inline void testLowRanks(const Kernels& k) {
  for (const PackedFormat format : {PackedFormat::f32, PackedFormat::bf16, PackedFormat::bf16Pairs}) {
    if (format == PackedFormat::bf16Pairs && !k.multipliesBf16) continue;
    for (const size_t rank : {1, 4, 8, 13, 24, 40, 100})
      for (const size_t inputs : {1, 2, 3, 5, 12, 13}) {
        testLowRank(k, format, rank, inputs);
        testStandIns(k, format, rank, inputs);
      }
  }
}
