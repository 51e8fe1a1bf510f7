// Attention of one instruction set: against plain loops, and to the bit against itself in other company.
#pragma once
#include "test-support.h"

// One K/V head of a slab of rows in a format; `numbers` are what the rows hold exactly.
struct KvFixture {
  KvLayout layout;
  size_t count;
  std::vector<uint8_t> bytes;
  std::vector<const uint8_t*> rows;
  std::vector<float> keys, values;  // [count, headStride]

  KvFixture(const Kernels& k, KvFormat format, size_t headStride, size_t rowCount) : layout{format, 2, headStride, rowCount}, count(rowCount), keys(rowCount * headStride), values(rowCount * headStride) {
    bytes.resize(layout.slabBytes());
    std::vector<float> x(headStride);
    for (size_t j = 0; j < count; ++j) {
      uint8_t* row = rowAt(j);
      rows.push_back(row);
      for (const bool isKey : {true, false}) {
        const size_t offset = isKey ? layout.keyOffset(1) : layout.valueOffset(1);
        const size_t scaleOffset = isKey ? layout.keyScaleOffset(1) : layout.valueScaleOffset(1);
        for (float& v : x) v = normal();
        k.storeKv(format, x.data(), headStride, row, offset, scaleOffset);
        readBack(row, offset, scaleOffset, (isKey ? keys : values).data() + j * headStride);
      }
    }
  }

  uint8_t* rowAt(size_t j) { return &bytes[j * layout.headBytes()]; }

  void readBack(const uint8_t* row, size_t offset, size_t scaleOffset, float* to) const {
    float scale = 1;
    if (layout.format == KvFormat::q8) std::memcpy(&scale, row + scaleOffset, 4);
    for (size_t i = 0; i < layout.headStride; ++i) {
      const uint8_t* at = row + offset + i * layout.numberBytes();
      uint16_t half;
      if (layout.format == KvFormat::f32) std::memcpy(&to[i], at, 4);
      if (layout.format == KvFormat::f16) std::memcpy(&half, at, 2), to[i] = f16ToFloat(half);
      if (layout.format == KvFormat::q8) to[i] = scale * static_cast<float>(static_cast<int8_t>(*at));
    }
  }
};

// All spans of a tile, joined: [count, headStride].
inline std::vector<float> attendAll(const Kernels& k, const KvFixture& kv, bool bf16, const float* queries, const std::vector<uint32_t>& visible) {
  const size_t count = visible.size();
  const size_t stride = kv.layout.headStride;
  std::vector<float> scratch(attendScratchFloats(count, stride), NAN), total(count * stride, NAN), part(count * stride, NAN), maxima(2 * count, NAN), sums(2 * count, NAN);
  const AttendTile t{queries,          visible.data(),           count,
                     stride,           kv.rows.data(),           kv.layout.format, bf16,
                     kv.layout.keyOffset(1), kv.layout.valueOffset(1), kv.layout.keyScaleOffset(1), kv.layout.valueScaleOffset(1),
                     scratch.data()};
  const AttendPartial first{maxima.data(), sums.data(), total.data()};
  const AttendPartial later{maxima.data() + count, sums.data() + count, part.data()};
  uint32_t most = 0;
  for (const uint32_t seen : visible) most = std::max(most, seen);
  k.attendSpan(t, 0, first);
  for (size_t span = 1; span * spanKeys < most; ++span) {
    k.attendSpan(t, span, later);
    k.joinSpan(t, span, later, first);
  }
  k.divideBySums(t, first);
  return total;
}

inline void testAttend(const Kernels& k, KvFormat format, bool bf16, size_t headStride, const std::vector<uint32_t>& visible) {
  const char* formats[] = {"f32", "f16", "q8"};
  char name[96];
  std::snprintf(name, sizeof name, "attend, %s rows%s, %zu queries of %zu", formats[static_cast<int>(format)], bf16 ? " as bf16" : "", visible.size(), headStride);
  const size_t count = visible.size();
  const size_t most = *std::max_element(visible.begin(), visible.end());
  KvFixture kv(k, format, headStride, most);
  std::vector<float> queries(count * headStride);
  for (float& q : queries) q = normal() / 4;
  const std::vector<float> got = attendAll(k, kv, bf16, queries.data(), visible);

  constexpr double ulp = 6e-8;
  const auto multiplied = [bf16](float value) { return double{bf16 ? roundedToBf16(value) : value}; };
  std::vector<double> expected(got.size()), tolerance(got.size());
  for (size_t n = 0; n < count; ++n) {
    std::vector<double> weights(visible[n]);
    double total = 0;
    double scoreMagnitude = 0;
    for (size_t j = 0; j < visible[n]; ++j) {
      double score = 0;
      double magnitude = 0;
      for (size_t i = 0; i < headStride; ++i) {
        const double product = multiplied(queries[n * headStride + i]) * multiplied(kv.keys[j * headStride + i]);
        score += product;
        magnitude += std::abs(product);
      }
      total += weights[j] = std::exp(score);
      scoreMagnitude = std::max(scoreMagnitude, magnitude);
    }
    // A score is off by headStride ulps of its terms at most, and so is its weight, above and below the line; an exponential by
    // 4 ulps; sums over keys by one ulp a key. Weights are rounded to bfloat16, above and below the line.
    const double relative = (bf16 ? 2.0 / 256 : 0) + ulp * (2 * static_cast<double>(headStride) * scoreMagnitude + 8 + 2 * static_cast<double>(visible[n]));
    for (size_t i = 0; i < headStride; ++i) {
      double magnitude = 0;
      for (size_t j = 0; j < visible[n]; ++j) {
        expected[n * headStride + i] += weights[j] / total * multiplied(kv.values[j * headStride + i]);
        magnitude += weights[j] / total * std::abs(multiplied(kv.values[j * headStride + i]));
      }
      tolerance[n * headStride + i] = relative * magnitude + 1e-12;
    }
  }
  compare(k, name, expected, got.data(), tolerance);

  // Alone, and in the company of any number of others, a query gets the same bits.
  for (size_t n = 0; n < count; ++n) {
    const std::vector<float> alone = attendAll(k, kv, bf16, &queries[n * headStride], {visible[n]});
    expect(k, "a query alone gets the bits that it gets in company", std::memcmp(alone.data(), &got[n * headStride], headStride * 4) == 0);
  }
  for (size_t first = 1; first < count; first += 2) {
    const std::vector<float> fewer = attendAll(k, kv, bf16, &queries[first * headStride], {visible.begin() + static_cast<std::ptrdiff_t>(first), visible.end()});
    expect(k, "queries get the same bits in less company", std::memcmp(fewer.data(), &got[first * headStride], fewer.size() * 4) == 0);
  }

  // What a query does not see cannot reach it, not even NaN.
  const uint32_t least = *std::min_element(visible.begin(), visible.end());
  if (least == most) return;
  std::vector<float> poison(headStride, NAN);
  for (size_t j = least; j < most; ++j) {
    uint8_t* row = kv.rowAt(j);
    k.storeKv(format, poison.data(), headStride, row, kv.layout.keyOffset(1), kv.layout.keyScaleOffset(1));
    k.storeKv(format, poison.data(), headStride, row, kv.layout.valueOffset(1), kv.layout.valueScaleOffset(1));
  }
  const std::vector<float> poisoned = attendAll(k, kv, bf16, queries.data(), visible);
  for (size_t n = 0; n < count; ++n) {
    const float* row = &poisoned[n * headStride];
    if (visible[n] == least)
      expect(k, "NaN beyond what a query sees does not reach it", std::memcmp(row, &got[n * headStride], headStride * 4) == 0);
    else
      expect(k, "NaN that a query sees shows", std::all_of(row, row + headStride, [](float v) { return std::isnan(v); }));
  }
}

inline void testKvRows(const Kernels& k) {
  constexpr size_t size = 48;
  const KvLayout layout{KvFormat::q8, 1, size};
  std::vector<uint8_t> row(layout.rowBytes());
  std::vector<float> x(size);
  std::vector<double> expected(size);
  std::vector<float> got(size);
  for (const float magnitude : {1e-30f, 1.0f, 1e30f}) {
    for (size_t i = 0; i < size; ++i) expected[i] = x[i] = normal() * magnitude;
    k.storeKv(KvFormat::q8, x.data(), size, row.data(), layout.keyOffset(0), layout.keyScaleOffset(0));
    float scale;
    std::memcpy(&scale, &row[layout.keyScaleOffset(0)], 4);
    for (size_t i = 0; i < size; ++i) got[i] = scale * static_cast<float>(static_cast<int8_t>(row[layout.keyOffset(0) + i]));
    compare(k, "8-bit K/V rows are off by half a step at most", expected, got.data(), std::vector<double>(size, 0.5001 * double{scale}));
  }
  std::fill(x.begin(), x.end(), 1e-42f);
  k.storeKv(KvFormat::q8, x.data(), size, row.data(), layout.keyOffset(0), layout.keyScaleOffset(0));
  float scale;
  std::memcpy(&scale, &row[layout.keyScaleOffset(0)], 4);
  expect(k, "an 8-bit head of numbers near nothing is finite", std::isfinite(scale));
  x[7] = INFINITY;
  k.storeKv(KvFormat::q8, x.data(), size, row.data(), layout.keyOffset(0), layout.keyScaleOffset(0));
  std::memcpy(&scale, &row[layout.keyScaleOffset(0)], 4);
  expect(k, "an 8-bit head keeps infinity visible", std::isnan(scale));
}

inline void testAttention(const Kernels& k) {
  testKvRows(k);
  for (const KvFormat format : {KvFormat::f32, KvFormat::f16, KvFormat::q8}) {
    for (const bool bf16 : {false, true}) {
      if (bf16 && !k.multipliesBf16) continue;
      testAttend(k, format, bf16, 48, {1});
      testAttend(k, format, bf16, 64, {17, 17, 17});
      testAttend(k, format, bf16, 16, {64, 65, 66, 67, 68, 69, 70});
      testAttend(k, format, bf16, 80, {256, 257, 255, 1});
      testAttend(k, format, bf16, 64, {200, 200, 200, 250, 250, 250, 270, 270, 270, 500, 500, 500, 520, 600});
      // Rows that follow each other, from the first key on and across a span, for groups of one and of three.
      for (const uint32_t start : {1, 250}) {
        for (const uint32_t group : {1, 3}) {
          std::vector<uint32_t> visible;
          for (uint32_t row = 0; row < 16; ++row)
            for (uint32_t g = 0; g < group; ++g) visible.push_back(start + row);
          testAttend(k, format, bf16, 32, visible);
        }
      }
    }
  }
}
