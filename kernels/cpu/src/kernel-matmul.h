// Packed weights times rows of activations.
//
// bytes moved: every weight once per group of rows; multiply-adds: rows x weights. One unpacked vector of weights serves all
// rows of a pass (S::rowsPerPass), so a pass is bound by dot products and not by unpacking.
#pragma once
#include <cstring>

#include "kernels.h"
#include "unroll.h"

namespace gateskip {

template <typename S>
struct MatmulOf {
  using F = typename S::F;
  using I = typename S::I;
  using B = typename S::B;

  static int32_t four(const int8_t* p) {
    int32_t v;
    memcpy(&v, p, 4);
    return v;
  }

  // How far ahead of the reading weights are asked for. Few rows: tiles are one stream that the hardware follows as fast as
  // memory gives it, and asking for more only disturbs it. Many rows: the stream is slow, the hardware looks ahead too little, and
  // asking hides the wait behind the products. A line is asked for where one is read: a whole group at once fills the buffers that
  // wait for memory, and the reading then stands behind it (measured with 8 rows from memory, one core: q4 121 -> 155 GMAC/s,
  // q8 88 -> 105, q4Min 145 either way).
  template <int N, PackedFormat format>
  static inline __attribute__((always_inline)) void askAhead(const uint8_t* reading) {
    if constexpr (N >= (format == PackedFormat::q8 ? 8 : 6)) __builtin_prefetch(reading + 3072, 0, 3);
  }

  // The part of one block: integer sums are exact, and each lane adds its blocks in order.
  template <int N, PackedFormat format>
  static inline __attribute__((always_inline)) void addBlock(const uint8_t* scales, const uint8_t* quants, const Activations& x, size_t row,
                                                             size_t scaleStride, size_t block, F* total) {
    const int8_t* a = x.quants + row * x.stride + block * blockColumns;
    const size_t at = row * scaleStride + block;
    I sum[N];
    GATESKIP_UNROLL
    for (int n = 0; n < N; ++n) {
      if constexpr (format == PackedFormat::q4Min) sum[n] = S::izero();
      if constexpr (format == PackedFormat::q4) sum[n] = S::iset1(x.offsets[at + n * scaleStride]);
      if constexpr (format == PackedFormat::q8) sum[n] = S::wideIsSigned ? S::izero() : S::iset1(16 * x.offsets[at + n * scaleStride]);
    }
    if constexpr (format == PackedFormat::q8) {
      GATESKIP_UNROLL
      for (int k = 0; k < 8; ++k) {
        askAhead<N, format>(quants + k * 64);
        const typename S::W bytes = S::wide(S::loadBytes(quants + k * 64));
        GATESKIP_UNROLL
        for (int n = 0; n < N; ++n) sum[n] = S::dot4Wide(sum[n], bytes, four(a + n * x.stride + 4 * k));
      }
    } else {
      GATESKIP_UNROLL
      for (int k = 0; k < 4; ++k) {
        askAhead<N, format>(quants + k * 64);
        const B bytes = S::loadBytes(quants + k * 64);
        const B low = S::lowNibbles(bytes);
        const B high = S::highNibbles(bytes);
        GATESKIP_UNROLL
        for (int n = 0; n < N; ++n) sum[n] = S::dot4(sum[n], low, four(a + n * x.stride + 4 * k));
        GATESKIP_UNROLL
        for (int n = 0; n < N; ++n) sum[n] = S::dot4(sum[n], high, four(a + n * x.stride + 16 + 4 * k));
      }
    }
    const F scale = S::loadF16(reinterpret_cast<const uint16_t*>(scales));
    GATESKIP_UNROLL
    for (int n = 0; n < N; ++n) total[n] = S::fma(S::toFloat(sum[n]), S::mul(scale, S::set1(x.scales[at + n * scaleStride])), total[n]);
    if constexpr (format == PackedFormat::q4Min) {
      const F minimum = S::loadF16(reinterpret_cast<const uint16_t*>(scales) + tileRows);
      GATESKIP_UNROLL
      for (int n = 0; n < N; ++n) total[n] = S::fma(minimum, S::set1(x.minimumWeights[at + n * scaleStride]), total[n]);
    }
  }

  // N rows of activations against one tile: the weights are unpacked once for all of them. N does not change any result.
  template <int N, PackedFormat format>
  static void quantTile(const PackedMatrix& w, const uint8_t* tile, const Activations& x, size_t row, float* out, size_t outStride) {
    constexpr GroupLayout layout = groupLayout(format);
    constexpr size_t slotBytes = GroupLayout::scaleBytes / layout.blocks;
    const size_t scaleStride = x.stride / blockColumns;
    F total[N];
    GATESKIP_UNROLL
    for (int n = 0; n < N; ++n) total[n] = S::zero();
    const uint8_t* group = tile;
    for (size_t block = 0; block < w.blocks; block += layout.blocks, group += layout.bytes()) {
      askAhead<N, format>(group);
      for (size_t slot = 0; slot < layout.blocks && block + slot < w.blocks; ++slot)
        addBlock<N, format>(group + slot * slotBytes, group + GroupLayout::scaleBytes + slot * layout.quantBytes, x, row, scaleStride, block + slot, total);
    }
    GATESKIP_UNROLL
    for (int n = 0; n < N; ++n) S::store(out + (row + n) * outStride, total[n]);
  }

  template <PackedFormat format>
  static F loadColumn(const uint8_t* tile, size_t column) {
    if constexpr (format == PackedFormat::f32) return S::load(reinterpret_cast<const float*>(tile) + column * tileRows);
    if constexpr (format == PackedFormat::f16) return S::loadF16(reinterpret_cast<const uint16_t*>(tile) + column * tileRows);
    return S::loadBf16(reinterpret_cast<const uint16_t*>(tile) + column * tileRows);
  }

  // Two chains of columns per lane (even, odd), joined at the end: the same for every N.
  template <int N, PackedFormat format>
  static void floatTile(const PackedMatrix& w, const uint8_t* tile, const Activations& x, size_t row, float* out, size_t outStride) {
    const float* a = x.values + row * x.stride;
    F even[N];
    F odd[N];
    GATESKIP_UNROLL
    for (int n = 0; n < N; ++n) even[n] = odd[n] = S::zero();
    size_t column = 0;
    for (; column + 2 <= w.columns; column += 2) {
      const F w0 = loadColumn<format>(tile, column);
      const F w1 = loadColumn<format>(tile, column + 1);
      GATESKIP_UNROLL
      for (int n = 0; n < N; ++n) {
        even[n] = S::fma(w0, S::set1(a[n * x.stride + column]), even[n]);
        odd[n] = S::fma(w1, S::set1(a[n * x.stride + column + 1]), odd[n]);
      }
    }
    if (column < w.columns) {
      const F w0 = loadColumn<format>(tile, column);
      GATESKIP_UNROLL
      for (int n = 0; n < N; ++n) even[n] = S::fma(w0, S::set1(a[n * x.stride + column]), even[n]);
    }
    GATESKIP_UNROLL
    for (int n = 0; n < N; ++n) S::store(out + (row + n) * outStride, S::add(even[n], odd[n]));
  }

  template <int N, PackedFormat format>
  static void tileRowsN(const PackedMatrix& w, const uint8_t* tile, const Activations& x, size_t row, float* out, size_t outStride) {
    if constexpr (format == PackedFormat::q4 || format == PackedFormat::q4Min || format == PackedFormat::q8)
      quantTile<N, format>(w, tile, x, row, out, outStride);
    else
      floatTile<N, format>(w, tile, x, row, out, outStride);
  }

  template <int N, PackedFormat format>
  static void remainder(size_t left, const PackedMatrix& w, const uint8_t* tile, const Activations& x, size_t row, float* out,
                        size_t outStride) {
    if constexpr (N > 0) {
      if (left == N)
        tileRowsN<N, format>(w, tile, x, row, out, outStride);
      else
        remainder<N - 1, format>(left, w, tile, x, row, out, outStride);
    }
  }

  template <PackedFormat format>
  static void matmulFormat(const PackedMatrix& w, size_t tileBegin, size_t tileEnd, const Activations& x, size_t rows, float* out,
                           size_t outStride) {
    constexpr int N = S::rowsPerPass;
    // Rows go in groups whose activations stay in the second-level cache while the tiles pass by.
    constexpr size_t group = 144;
    for (size_t first = 0; first < rows; first += group) {
      const size_t last = first + group < rows ? first + group : rows;
      for (size_t tile = tileBegin; tile < tileEnd; ++tile) {
        const uint8_t* data = w.data + tile * w.tileBytes;
        float* target = out + tile * tileRows;
        size_t row = first;
        for (; row + N <= last; row += N) tileRowsN<N, format>(w, data, x, row, target, outStride);
        remainder<N - 1, format>(last - row, w, data, x, row, target, outStride);
      }
    }
  }

  static void matmul(const PackedMatrix& w, size_t tileBegin, size_t tileEnd, const Activations& x, size_t rows, float* out,
                     size_t outStride) {
    switch (w.format) {
      case PackedFormat::q4:
        return matmulFormat<PackedFormat::q4>(w, tileBegin, tileEnd, x, rows, out, outStride);
      case PackedFormat::q4Min:
        return matmulFormat<PackedFormat::q4Min>(w, tileBegin, tileEnd, x, rows, out, outStride);
      case PackedFormat::q8:
        return matmulFormat<PackedFormat::q8>(w, tileBegin, tileEnd, x, rows, out, outStride);
      case PackedFormat::f32:
        return matmulFormat<PackedFormat::f32>(w, tileBegin, tileEnd, x, rows, out, outStride);
      case PackedFormat::f16:
        return matmulFormat<PackedFormat::f16>(w, tileBegin, tileEnd, x, rows, out, outStride);
      case PackedFormat::bf16:
        return matmulFormat<PackedFormat::bf16>(w, tileBegin, tileEnd, x, rows, out, outStride);
      case PackedFormat::bf16Pairs:  // never a weight matrix
        return;
    }
  }
};

}  // namespace gateskip
