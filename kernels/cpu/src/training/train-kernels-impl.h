// Written once over the sixteen-lane types of simd/*.h. Nothing of the standard library is instantiated here.
#pragma once
#include "../kernel-logits.h"
#include "../kernel-math.h"
#include "../unroll.h"
#include "train-kernels.h"

namespace gateskip {

template <typename S>
struct TrainOf {
  using F = typename S::F;
  static constexpr int mostVectors = S::accumulators >= 12 ? 2 : 1;
  static constexpr int mostRows = S::accumulators / mostVectors;

  // R rows by V vectors; sums stay in registers over all of the depth.
  template <int R, int V, bool byColumns>
  static void block(const PanelProduct& p, size_t row, size_t column) {
    F sums[R][V];
    GATESKIP_UNROLL
    for (int r = 0; r < R; ++r) {
      GATESKIP_UNROLL
      for (int v = 0; v < V; ++v) sums[r][v] = S::zero();
    }
    const float* a = p.a + row * p.aRow;
    const float* b = p.panel + column;
    const size_t aStep = byColumns ? p.aColumn : 1;
    const size_t aRow = byColumns ? 1 : p.aRow;
    for (size_t k = 0; k < p.depth; ++k) {
      F w[V];
      GATESKIP_UNROLL
      for (int v = 0; v < V; ++v) w[v] = S::load(b + 16 * v);
      GATESKIP_UNROLL
      for (int r = 0; r < R; ++r) {
        const F x = S::set1(a[static_cast<size_t>(r) * aRow]);
        GATESKIP_UNROLL
        for (int v = 0; v < V; ++v) sums[r][v] = S::fma(x, w[v], sums[r][v]);
      }
      a += aStep;
      b += p.panelRow;
    }
    GATESKIP_UNROLL
    for (int r = 0; r < R; ++r) {
      GATESKIP_UNROLL
      for (int v = 0; v < V; ++v) put(p, row + static_cast<size_t>(r), column + 16 * static_cast<size_t>(v), sums[r][v]);
    }
  }

  static void put(const PanelProduct& p, size_t row, size_t column, const F& sum) {
    float* c = p.c + row * p.cRow + column;
    const size_t left = p.columns - column;
    if (left >= 16) return S::store(c, p.accumulate ? S::add(S::load(c), sum) : sum);
    float lanes[16];
    S::store(lanes, sum);
    for (size_t i = 0; i < left; ++i) c[i] = p.accumulate ? c[i] + lanes[i] : lanes[i];
  }

  template <int V, bool byColumns>
  static void rowsOf(const PanelProduct& p, size_t column) {
    size_t row = 0;
    for (; row + mostRows <= p.rows; row += mostRows) block<mostRows, V, byColumns>(p, row, column);
    if (mostRows > 8 && row + 8 <= p.rows) {
      block<8, V, byColumns>(p, row, column);
      row += 8;
    }
    for (; row + 4 <= p.rows; row += 4) block<4, V, byColumns>(p, row, column);
    for (; row < p.rows; ++row) block<1, V, byColumns>(p, row, column);
  }

  template <bool byColumns>
  static void columnsOf(const PanelProduct& p) {
    if (mostVectors == 2 && p.columns > 16) return rowsOf<mostVectors, byColumns>(p, 0);
    for (size_t column = 0; column < p.columns; column += 16) rowsOf<1, byColumns>(p, column);
  }

  static void multiplyPanel(const PanelProduct& p) {
    if (p.aColumn == 1)
      columnsOf<false>(p);
    else
      columnsOf<true>(p);
  }

  static void packTransposed(const float* const* rows, size_t from, size_t depth, float* panel) {
    for (size_t half = 0; half < panelWidth; half += 16) {
      size_t k = 0;
      for (; k + 16 <= depth; k += 16) {
        F lanes[16];
        for (int i = 0; i < 16; ++i) lanes[i] = rows[half + i] == nullptr ? S::zero() : S::load(rows[half + i] + from + k);
        S::transpose(lanes);
        for (int i = 0; i < 16; ++i) S::store(panel + (k + static_cast<size_t>(i)) * panelWidth + half, lanes[i]);
      }
      for (; k < depth; ++k)
        for (size_t i = half; i < half + 16; ++i) panel[k * panelWidth + i] = rows[i] == nullptr ? 0.0f : rows[i][from + k];
    }
  }

  static void siluBackward(const float* gate, const float* up, const float* dActive, float* active, float* dGate, float* dUp, size_t padded) {
    const F one = S::set1(1.0f);
    for (size_t i = 0; i < padded; i += 16) {
      const F z = S::load(gate + i);
      const F u = S::load(up + i);
      const F d = S::load(dActive + i);
      const F share = MathOf<S>::logistic(z);
      const F silu = S::mul(z, share);
      S::store(active + i, S::mul(silu, u));
      S::store(dGate + i, S::mul(S::mul(d, u), S::mul(share, S::fma(z, S::sub(one, share), one))));
      S::store(dUp + i, S::mul(d, silu));
    }
  }

  static void scaledExponentials(float* x, size_t n, float shift, float factor) {
    const F s = S::set1(shift);
    const F f = S::set1(factor);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) S::store(x + i, S::mul(f, MathOf<S>::exponential(S::sub(S::load(x + i), s))));
    if (i == n) return;
    float lanes[16];
    tail(x + i, n - i, shift, lanes);
    S::store(lanes, S::mul(f, MathOf<S>::exponential(S::sub(S::load(lanes), s))));
    for (size_t j = 0; i + j < n; ++j) x[i + j] = lanes[j];
  }

  static float largest(const float* x, size_t n) {
    float most = x[0];
    size_t i = 0;
    if (n >= 16) {
      F lanes = S::load(x);
      for (i = 16; i + 16 <= n; i += 16) lanes = S::max(S::load(x + i), lanes);
      most = S::largest(lanes);
    }
    for (; i < n; ++i) most = x[i] > most ? x[i] : most;
    return most;
  }

  static float softmax(float* x, size_t n, float highest, float extra) {
    scaledExponentials(x, n, highest, 1.0f);
    F lanes = S::zero();
    size_t i = 0;
    for (; i + 16 <= n; i += 16) lanes = S::add(lanes, S::load(x + i));
    float sum = S::sum(lanes) + extra;
    for (; i < n; ++i) sum += x[i];
    const float inverse = 1.0f / sum;
    const F factor = S::set1(inverse);
    for (i = 0; i + 16 <= n; i += 16) S::store(x + i, S::mul(S::load(x + i), factor));
    for (; i < n; ++i) x[i] *= inverse;
    return inverse;
  }

  static void softmaxBackward(const float* weights, float* dScores, size_t n) {
    F lanes = S::zero();
    size_t i = 0;
    for (; i + 16 <= n; i += 16) lanes = S::fma(S::load(weights + i), S::load(dScores + i), lanes);
    float mean = S::sum(lanes);
    for (; i < n; ++i) mean += weights[i] * dScores[i];
    const F m = S::set1(mean);
    for (i = 0; i + 16 <= n; i += 16) S::store(dScores + i, S::mul(S::load(weights + i), S::sub(S::load(dScores + i), m)));
    for (; i < n; ++i) dScores[i] = weights[i] * (dScores[i] - mean);
  }

  static void addScaled(float* y, const float* x, float factor, size_t n) {
    const F f = S::set1(factor);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) S::store(y + i, S::fma(S::load(x + i), f, S::load(y + i)));
    for (; i < n; ++i) y[i] += factor * x[i];
  }

  static double dot(const float* x, const float* y, size_t n) {
    F lanes = S::zero();
    size_t i = 0;
    for (; i + 16 <= n; i += 16) lanes = S::fma(S::load(x + i), S::load(y + i), lanes);
    double sum = static_cast<double>(S::sum(lanes));
    for (; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(y[i]);
    return sum;
  }

 private:
  static void tail(const float* x, size_t n, float fill, float (&lanes)[16]) {
    for (size_t i = 0; i < 16; ++i) lanes[i] = i < n ? x[i] : fill;
  }
};

template <typename S>
constexpr TrainKernels trainKernelTable() {
  using T = TrainOf<S>;
  return TrainKernels{S::name,    T::multiplyPanel,   T::packTransposed, T::siluBackward, T::scaledExponentials, LogitsOf<S>::sumExponentials,
                      T::largest, T::softmax, T::softmaxBackward, T::addScaled,    T::dot};
}

}  // namespace gateskip
