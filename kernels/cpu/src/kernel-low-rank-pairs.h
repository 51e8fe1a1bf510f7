// Products of low-rank additions with bfloat16 pairs and sums in f32: rows are rounded to nearest even on their way in.
#pragma once
#include <cstring>

#include "kernel-low-rank.h"

namespace gateskip {

template <typename S>
struct PairLowRankOf {
  using F = typename S::F;
  using P = typename S::P;

  // Dot products that stay in registers, and rows of a pass over a tile of `up`.
  static constexpr int ranksPerPass = 8;
  static constexpr int rowsPerPass = 3;
  static constexpr int upRows = 6;
  // Inner numbers that are rounded at a time.
  static constexpr size_t innerBlock = 64;

  // One chain of columns for each rank and row, whatever is computed beside it.
  template <int R, int N, typename Rows>
  static void downBlock(const LowRankDown& down, size_t rank, const Rows& x, float* out, size_t outStride) {
    const uint32_t* weights = reinterpret_cast<const uint32_t*>(down.data);
    F sum[R][N];
    GATESKIP_UNROLL
    for (int r = 0; r < R; ++r) {
      GATESKIP_UNROLL
      for (int n = 0; n < N; ++n) sum[r][n] = S::zero();
    }
    for (size_t column = 0; column < down.stride; column += 32) {
      P a[N];
      GATESKIP_UNROLL
      for (int n = 0; n < N; ++n) a[n] = S::roundBoth(x.load(n, column), x.load(n, column + 16));
      GATESKIP_UNROLL
      for (int r = 0; r < R; ++r) {
        const P w = S::loadPairs(weights + ((rank + r) * down.stride + column) / 2);
        GATESKIP_UNROLL
        for (int n = 0; n < N; ++n) sum[r][n] = S::dotPairs(sum[r][n], w, a[n]);
      }
    }
    GATESKIP_UNROLL
    for (int r = 0; r < R; ++r) {
      GATESKIP_UNROLL
      for (int n = 0; n < N; ++n) out[n * outStride + rank + r] = x.scale(n) * S::sum(sum[r][n]);
    }
  }

  template <int N, typename Rows>
  static void downRows(const LowRankDown& down, size_t begin, size_t end, const Rows& x, float* out, size_t outStride) {
    size_t rank = begin;
    for (; rank + ranksPerPass <= end; rank += ranksPerPass) downBlock<ranksPerPass, N>(down, rank, x, out, outStride);
    for (; rank < end; ++rank) downBlock<1, N>(down, rank, x, out, outStride);
  }

  template <typename Rows>
  static void down(const LowRankDown& down, size_t begin, size_t end, const Rows& x, size_t rows, float* out, size_t outStride) {
    size_t row = 0;
    for (; row + rowsPerPass <= rows; row += rowsPerPass) downRows<rowsPerPass>(down, begin, end, x.from(row), out + row * outStride, outStride);
    for (; row < rows; ++row) downRows<1>(down, begin, end, x.from(row), out + row * outStride, outStride);
  }

  // The sum over the rank first, in order, then onto what is there. The rank goes in blocks: `sum` keeps what they have given so far.
  template <int N>
  static void upBlock(const uint8_t* tile, size_t pairs, const uint32_t (*inner)[innerBlock / 2], F (&sum)[N]) {
    for (size_t pair = 0; pair < pairs; ++pair) {
      const P w = S::loadPairs(reinterpret_cast<const uint32_t*>(tile) + pair * tileRows);
      GATESKIP_UNROLL
      for (int n = 0; n < N; ++n) sum[n] = S::dotPairs(sum[n], w, S::set1Pair(inner[n][pair]));
    }
  }

  template <int N, typename Sums>
  static void upRowsN(const PackedMatrix& up, size_t tileBegin, size_t tileEnd, const float* inner, size_t innerStride, const Sums& out) {
    // A rank of no more than a block is rounded once for all tiles.
    uint32_t rounded[N][innerBlock / 2];
    const bool isOne = up.columns <= innerBlock;
    if (isOne) roundInner<N>(inner, innerStride, up.columns, rounded);
    for (size_t tile = tileBegin; tile < tileEnd; ++tile) {
      const uint8_t* data = up.data + tile * up.tileBytes;
      const size_t column = tile * tileRows;
      F sum[N];
      GATESKIP_UNROLL
      for (int n = 0; n < N; ++n) sum[n] = out.start(column);
      for (size_t k = 0; k < up.columns; k += innerBlock) {
        const size_t count = up.columns - k < innerBlock ? up.columns - k : innerBlock;
        if (!isOne) roundInner<N>(inner + k, innerStride, count, rounded);
        upBlock<N>(data + k * tileRows * 2, (count + 1) / 2, rounded, sum);
      }
      GATESKIP_UNROLL
      for (int n = 0; n < N; ++n) S::store(out.at(n, column), S::add(S::load(out.at(n, column)), sum[n]));
    }
  }

  template <int N>
  static void roundInner(const float* inner, size_t stride, size_t count, uint32_t (*to)[innerBlock / 2]) {
    for (int n = 0; n < N; ++n) {
      // Nothing is read beyond the last number: it may be anything.
      float padded[innerBlock];
      memset(padded, 0, sizeof(padded));
      memcpy(padded, inner + n * stride, count * sizeof(float));
      for (size_t i = 0; i < count; i += 32) S::storePairs(to[n] + i / 2, S::roundBoth(S::load(padded + i), S::load(padded + i + 16)));
    }
  }

  template <typename Sums>
  static void up(const PackedMatrix& up, size_t tileBegin, size_t tileEnd, const float* inner, size_t innerStride, size_t rows, const Sums& out) {
    size_t row = 0;
    for (; row + upRows <= rows; row += upRows) upRowsN<upRows>(up, tileBegin, tileEnd, inner + row * innerStride, innerStride, out.from(row));
    for (; row < rows; ++row) upRowsN<1>(up, tileBegin, tileEnd, inner + row * innerStride, innerStride, out.from(row));
  }
};

}  // namespace gateskip
