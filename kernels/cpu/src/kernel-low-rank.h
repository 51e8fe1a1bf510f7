// Products of low-rank additions. bytes moved: both factors once per group of rows; multiply-adds: rows x rank x (in + out).
// The idea: `down` as dot products along its rows, so that no lane is idle at a rank below 16, `up` as tiles like any matrix.
#pragma once
#include "kernels.h"
#include "unroll.h"

namespace gateskip {

template <typename S>
struct PairLowRankOf;

// What is multiplied: rows one behind the other, all scaled alike.
template <typename S>
struct PlainRows {
  const float* x;
  size_t stride;
  float factor;

  typename S::F load(size_t row, size_t column) const { return S::load(x + row * stride + column); }
  float scale(size_t) const { return factor; }
  PlainRows from(size_t row) const { return {x + row * stride, stride, factor}; }
};

// Rows of the stream as a branch would read them. What scales a whole row is left to the end.
template <typename S>
struct NormedRows {
  float* const* rows;
  const float* inverseRms;
  const float* norm;

  typename S::F load(size_t row, size_t column) const { return S::mul(S::load(rows[row] + column), S::load(norm + column)); }
  float scale(size_t row) const { return inverseRms[row]; }
  NormedRows from(size_t row) const { return {rows + row, inverseRms + row, norm}; }
};

// Where products go: rows one behind the other.
template <typename S>
struct PlainSums {
  float* out;
  size_t stride;

  typename S::F start(size_t) const { return S::zero(); }
  float* at(size_t row, size_t column) const { return out + row * stride + column; }
  PlainSums from(size_t row) const { return {out + row * stride, stride}; }
};

// Rows of the stream, which get a vector besides.
template <typename S>
struct StreamSums {
  float* const* rows;
  const float* vector;

  typename S::F start(size_t column) const { return S::load(vector + column); }
  float* at(size_t row, size_t column) const { return rows[row] + column; }
  StreamSums from(size_t row) const { return {rows + row, vector}; }
};

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
  template <bool bf16, int R, int N, typename Rows>
  static void downBlock(const LowRankDown& down, size_t rank, const Rows& x, float* out, size_t outStride) {
    F sum[R][N];
    GATESKIP_UNROLL
    for (int r = 0; r < R; ++r) {
      GATESKIP_UNROLL
      for (int n = 0; n < N; ++n) sum[r][n] = S::zero();
    }
    for (size_t column = 0; column < down.stride; column += 16) {
      F a[N];
      GATESKIP_UNROLL
      for (int n = 0; n < N; ++n) a[n] = x.load(n, column);
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
      for (int n = 0; n < N; ++n) out[n * outStride + rank + r] = x.scale(n) * S::sum(sum[r][n]);
    }
  }

  template <bool bf16, int N, typename Rows>
  static void downRows(const LowRankDown& down, size_t begin, size_t end, const Rows& x, float* out, size_t outStride) {
    size_t rank = begin;
    for (; rank + ranksPerPass <= end; rank += ranksPerPass) downBlock<bf16, ranksPerPass, N>(down, rank, x, out, outStride);
    if constexpr (ranksPerPass > 4)
      for (; rank + 4 <= end; rank += 4) downBlock<bf16, 4, N>(down, rank, x, out, outStride);
    for (; rank < end; ++rank) downBlock<bf16, 1, N>(down, rank, x, out, outStride);
  }

  template <bool bf16, typename Rows>
  static void downAll(const LowRankDown& down, size_t begin, size_t end, const Rows& x, size_t rows, float* out, size_t outStride) {
    size_t row = 0;
    if constexpr (rowsPerPass > 1)
      for (; row + rowsPerPass <= rows; row += rowsPerPass) downRows<bf16, rowsPerPass>(down, begin, end, x.from(row), out + row * outStride, outStride);
    for (; row < rows; ++row) downRows<bf16, 1>(down, begin, end, x.from(row), out + row * outStride, outStride);
  }

  template <typename Rows>
  static void downOf(const LowRankDown& down, size_t begin, size_t end, const Rows& x, size_t rows, float* out, size_t outStride) {
    if constexpr (S::hasBf16) {
      if (down.format == PackedFormat::bf16Pairs) return PairLowRankOf<S>::down(down, begin, end, x, rows, out, outStride);
    }
    if (down.format == PackedFormat::bf16)
      downAll<true>(down, begin, end, x, rows, out, outStride);
    else
      downAll<false>(down, begin, end, x, rows, out, outStride);
  }

  static void down(const LowRankDown& down, size_t begin, size_t end, float scale, const float* x, size_t xStride, size_t rows, float* out, size_t outStride) {
    downOf(down, begin, end, PlainRows<S>{x, xStride, scale}, rows, out, outStride);
  }

  // The sum over the rank first, in order, then onto what is there.
  template <bool bf16, int N, typename Sums>
  static void upBlock(const PackedMatrix& up, const uint8_t* tile, const float* inner, size_t innerStride, const Sums& out, size_t column) {
    F sum[N];
    GATESKIP_UNROLL
    for (int n = 0; n < N; ++n) sum[n] = out.start(column);
    for (size_t k = 0; k < up.columns; ++k) {
      const F w = loadAt<bf16>(tile, k * tileRows);
      GATESKIP_UNROLL
      for (int n = 0; n < N; ++n) sum[n] = S::fma(w, S::set1(inner[n * innerStride + k]), sum[n]);
    }
    GATESKIP_UNROLL
    for (int n = 0; n < N; ++n) S::store(out.at(n, column), S::add(S::load(out.at(n, column)), sum[n]));
  }

  template <bool bf16, typename Sums>
  static void upAll(const PackedMatrix& up, size_t tileBegin, size_t tileEnd, const float* inner, size_t innerStride, size_t rows, const Sums& out) {
    constexpr int N = 4;
    for (size_t tile = tileBegin; tile < tileEnd; ++tile) {
      const uint8_t* data = up.data + tile * up.tileBytes;
      size_t row = 0;
      for (; row + N <= rows; row += N) upBlock<bf16, N>(up, data, inner + row * innerStride, innerStride, out.from(row), tile * tileRows);
      for (; row < rows; ++row) upBlock<bf16, 1>(up, data, inner + row * innerStride, innerStride, out.from(row), tile * tileRows);
    }
  }

  template <typename Sums>
  static void upOf(const PackedMatrix& up, size_t tileBegin, size_t tileEnd, const float* inner, size_t innerStride, size_t rows, const Sums& out) {
    if constexpr (S::hasBf16) {
      if (up.format == PackedFormat::bf16Pairs) return PairLowRankOf<S>::up(up, tileBegin, tileEnd, inner, innerStride, rows, out);
    }
    if (up.format == PackedFormat::bf16)
      upAll<true>(up, tileBegin, tileEnd, inner, innerStride, rows, out);
    else
      upAll<false>(up, tileBegin, tileEnd, inner, innerStride, rows, out);
  }

  static void up(const PackedMatrix& up, size_t tileBegin, size_t tileEnd, const float* inner, size_t innerStride, size_t rows, float* out,
                 size_t outStride) {
    upOf(up, tileBegin, tileEnd, inner, innerStride, rows, PlainSums<S>{out, outStride});
  }

  static void addStandIns(const LowRankDown& down, const PackedMatrix& up, const StandInTile& t) {
    downOf(down, 0, down.ranks, NormedRows<S>{t.rows, t.inverseRms, t.norm}, t.count, t.inner, down.ranks);
    upOf(up, 0, up.tiles, t.inner, down.ranks, t.count, StreamSums<S>{t.rows, t.vector});
  }
};

}  // namespace gateskip
