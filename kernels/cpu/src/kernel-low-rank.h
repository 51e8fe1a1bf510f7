// Products of low-rank additions. bytes moved: both factors once per group of rows; multiply-adds: rows x rank x (in + out).
// The idea: `down` as dot products along its rows, so that no lane is idle at a rank below 16, `up` as tiles like any matrix.
#pragma once
#include "kernels.h"
#include "unroll.h"

namespace gateskip {

template <typename S>
struct LowRankOf {
  using F = typename S::F;

  // Dot products that stay in registers: ranks of a pass x rows of a pass, beside one vector of each.
  static constexpr int ranksPerPass = S::accumulators >= 24 ? 8 : 4;
  static constexpr int rowsPerPass = S::accumulators >= 24 ? 3 : 1;

  template <bool bf16>
  static F loadAt(const uint8_t* data, size_t i) {
    if constexpr (bf16) return S::loadBf16(reinterpret_cast<const uint16_t*>(data) + i);
    return S::load(reinterpret_cast<const float*>(data) + i);
  }

  // One chain of columns for each rank and row, whatever is computed beside it.
  template <bool bf16, int R, int N>
  static void downBlock(const LowRankDown& down, size_t rank, float scale, const float* x, size_t xStride, float* out, size_t outStride) {
    F sum[R][N];
    GATESKIP_UNROLL
    for (int r = 0; r < R; ++r) {
      GATESKIP_UNROLL
      for (int n = 0; n < N; ++n) sum[r][n] = S::zero();
    }
    for (size_t column = 0; column < down.stride; column += 16) {
      F a[N];
      GATESKIP_UNROLL
      for (int n = 0; n < N; ++n) a[n] = S::load(x + n * xStride + column);
      GATESKIP_UNROLL
      for (int r = 0; r < R; ++r) {
        const F w = loadAt<bf16>(down.data, (rank + r) * down.stride + column);
        GATESKIP_UNROLL
        for (int n = 0; n < N; ++n) sum[r][n] = S::fma(w, a[n], sum[r][n]);
      }
    }
    GATESKIP_UNROLL
    for (int r = 0; r < R; ++r) {
      GATESKIP_UNROLL
      for (int n = 0; n < N; ++n) out[n * outStride + rank + r] = scale * S::sum(sum[r][n]);
    }
  }

  template <bool bf16, int N>
  static void downRows(const LowRankDown& down, size_t begin, size_t end, float scale, const float* x, size_t xStride, float* out, size_t outStride) {
    size_t rank = begin;
    for (; rank + ranksPerPass <= end; rank += ranksPerPass) downBlock<bf16, ranksPerPass, N>(down, rank, scale, x, xStride, out, outStride);
    if constexpr (ranksPerPass > 4)
      for (; rank + 4 <= end; rank += 4) downBlock<bf16, 4, N>(down, rank, scale, x, xStride, out, outStride);
    for (; rank < end; ++rank) downBlock<bf16, 1, N>(down, rank, scale, x, xStride, out, outStride);
  }

  template <bool bf16>
  static void downAll(const LowRankDown& down, size_t begin, size_t end, float scale, const float* x, size_t xStride, size_t rows, float* out, size_t outStride) {
    size_t row = 0;
    if constexpr (rowsPerPass > 1)
      for (; row + rowsPerPass <= rows; row += rowsPerPass)
        downRows<bf16, rowsPerPass>(down, begin, end, scale, x + row * xStride, xStride, out + row * outStride, outStride);
    for (; row < rows; ++row) downRows<bf16, 1>(down, begin, end, scale, x + row * xStride, xStride, out + row * outStride, outStride);
  }

  static void down(const LowRankDown& down, size_t begin, size_t end, float scale, const float* x, size_t xStride, size_t rows, float* out, size_t outStride) {
    if (down.format == PackedFormat::bf16)
      downAll<true>(down, begin, end, scale, x, xStride, rows, out, outStride);
    else
      downAll<false>(down, begin, end, scale, x, xStride, rows, out, outStride);
  }

  // The sum over the rank first, in order, then onto what is there.
  template <bool bf16, int N>
  static void upBlock(const PackedMatrix& up, const uint8_t* tile, const float* inner, size_t innerStride, float* out, size_t outStride) {
    F sum[N];
    GATESKIP_UNROLL
    for (int n = 0; n < N; ++n) sum[n] = S::zero();
    for (size_t k = 0; k < up.columns; ++k) {
      const F w = loadAt<bf16>(tile, k * tileRows);
      GATESKIP_UNROLL
      for (int n = 0; n < N; ++n) sum[n] = S::fma(w, S::set1(inner[n * innerStride + k]), sum[n]);
    }
    GATESKIP_UNROLL
    for (int n = 0; n < N; ++n) S::store(out + n * outStride, S::add(S::load(out + n * outStride), sum[n]));
  }

  template <bool bf16>
  static void upAll(const PackedMatrix& up, size_t tileBegin, size_t tileEnd, const float* inner, size_t innerStride, size_t rows, float* out,
                    size_t outStride) {
    constexpr int N = 4;
    for (size_t tile = tileBegin; tile < tileEnd; ++tile) {
      const uint8_t* data = up.data + tile * up.tileBytes;
      float* target = out + tile * tileRows;
      size_t row = 0;
      for (; row + N <= rows; row += N) upBlock<bf16, N>(up, data, inner + row * innerStride, innerStride, target + row * outStride, outStride);
      for (; row < rows; ++row) upBlock<bf16, 1>(up, data, inner + row * innerStride, innerStride, target + row * outStride, outStride);
    }
  }

  static void up(const PackedMatrix& up, size_t tileBegin, size_t tileEnd, const float* inner, size_t innerStride, size_t rows, float* out,
                 size_t outStride) {
    if (up.format == PackedFormat::bf16)
      upAll<true>(up, tileBegin, tileEnd, inner, innerStride, rows, out, outStride);
    else
      upAll<false>(up, tileBegin, tileEnd, inner, innerStride, rows, out, outStride);
  }
};

}  // namespace gateskip
