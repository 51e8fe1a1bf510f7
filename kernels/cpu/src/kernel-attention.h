// softmax(q K^T) V for a tile of query vectors over one span of keys.
//
// bytes moved: every K and V of the span once per tile; multiply-adds: 2 x queries x keys x head size. Keys are turned so that
// lanes are keys: a score is one chain over the dimensions, without sums over lanes, and the same for any number of queries.
#pragma once
#include "attend-tile.h"
#include "kernel-kv-rows.h"
#include "kernel-math.h"
#include "unroll.h"

namespace gateskip {

template <typename S>
struct PairAttentionOf;

template <typename S>
struct AttentionOf {
  using F = typename S::F;

  // Queries that share what is loaded of a key or value.
  static constexpr int mostQueries = 6;
  // Vectors beside each other for R queries: their accumulators must fit the registers.
  static constexpr int vectorsBeside(int queries) { return S::accumulators / queries < 4 ? S::accumulators / queries : 4; }

  template <int N>
  struct Number {
    static constexpr int value = N;
  };
  // body(Number<n>) for n in 1..N.
  template <int N, typename Body>
  static void withNumber(size_t n, Body&& body) {
    if constexpr (N > 0) {
      if (n == N)
        body(Number<N>{});
      else
        withNumber<N - 1>(n, body);
    }
  }
  // body(Number<C>, at) over n vectors, C at a time, and what is left.
  template <int C, typename Body>
  static void inVectors(size_t n, Body&& body) {
    size_t at = 0;
    for (; at + C <= n; at += C) body(Number<C>{}, at);
    withNumber<C - 1>(n - at, [&](auto left) { body(left, at); });
  }

  static size_t seenOf(const AttendTile& t, size_t begin, size_t query) {
    if (t.visible[query] <= begin) return 0;
    return t.visible[query] - begin < spanKeys ? t.visible[query] - begin : spanKeys;
  }

  static void attendSpan(const AttendTile& t, size_t span, const AttendPartial& out) {
    if constexpr (S::hasBf16) {
      if (t.bf16) return PairAttentionOf<S>::attendSpan(t, span, out);
    }
    if (t.format == KvFormat::f32) spanOf<KvFormat::f32>(t, span * spanKeys, out);
    if (t.format == KvFormat::f16) spanOf<KvFormat::f16>(t, span * spanKeys, out);
    if (t.format == KvFormat::q8) spanOf<KvFormat::q8>(t, span * spanKeys, out);
  }

  template <KvFormat format>
  static void spanOf(const AttendTile& t, size_t begin, const AttendPartial& out) {
    float* scores = t.scratch;
    float* panel = t.scratch + t.count * spanKeys;
    size_t longest = 0;
    for (size_t i = 0; i < t.count; ++i) longest = seenOf(t, begin, i) > longest ? seenOf(t, begin, i) : longest;
    for (size_t p = 0; p < longest; p += panelKeys) {
      const size_t keys = longest - p < panelKeys ? longest - p : panelKeys;
      turnKeys<format>(t, begin + p, keys, panel);
      eachGroup(t, begin, [&](auto queries, size_t first, size_t, size_t most) {
        if (most > p) scorePanel<queries.value>(t, first, panel, most - p < panelKeys ? most - p : panelKeys, scores + first * spanKeys + p);
      });
    }
    for (size_t i = 0; i < t.count; ++i) {
      const size_t seen = seenOf(t, begin, i);
      if (seen == 0) continue;
      softmaxNumerators(scores + i * spanKeys, seen, out.maxima[i], out.sums[i]);
      memset(out.outputs + i * t.headStride, 0, t.headStride * sizeof(float));
    }
    for (size_t p = 0; p < longest; p += panelKeys) {
      const size_t keys = longest - p < panelKeys ? longest - p : panelKeys;
      const uint8_t* const* rows = t.rows + begin + p;
      if (t.count <= mostQueries) {
        addPanel(t, begin, p, keys, scores, out, [&](size_t key, size_t c) { return valueOf<format>(t, rows[key]).chunk(c); });
      } else {
        for (size_t key = 0; key < keys; ++key) {
          const auto value = valueOf<format>(t, rows[key]);
          for (size_t c = 0; c < t.headStride / 16; ++c) S::store(panel + key * t.headStride + 16 * c, value.chunk(c));
        }
        addPanel(t, begin, p, keys, scores, out, [&](size_t key, size_t c) { return S::load(panel + key * t.headStride + 16 * c); });
      }
    }
  }

  template <KvFormat format>
  static typename KvRowsOf<S>::template Head<format> keyOf(const AttendTile& t, const uint8_t* row) {
    return {row, t.keyOffset, t.keyScaleOffset};
  }
  template <KvFormat format>
  static typename KvRowsOf<S>::template Head<format> valueOf(const AttendTile& t, const uint8_t* row) {
    return {row, t.valueOffset, t.valueScaleOffset};
  }

  // body(Number of queries, first, fewest seen, most seen) for groups of queries side by side.
  template <typename Body>
  static void eachGroup(const AttendTile& t, size_t begin, Body&& body) {
    for (size_t first = 0; first < t.count; first += mostQueries) {
      const size_t count = t.count - first < mostQueries ? t.count - first : mostQueries;
      size_t fewest = spanKeys;
      size_t most = 0;
      for (size_t i = first; i < first + count; ++i) {
        const size_t seen = seenOf(t, begin, i);
        fewest = seen < fewest ? seen : fewest;
        most = seen > most ? seen : most;
      }
      withNumber<mostQueries>(count, [&](auto queries) { body(queries, first, fewest, most); });
    }
  }

  // One row's queries use a key too little to hide the way from memory. What follows a row lies behind it as a rule; where it
  // does not, asking for it does no harm.
  template <KvFormat format>
  static void askAhead(const AttendTile& t, const uint8_t* row) {
    if (t.count > mostQueries) return;
    const size_t bytes = 16 * KvLayout{format, 1, t.headStride}.headBytes();
    const uintptr_t next = reinterpret_cast<uintptr_t>(row) + t.keyOffset + bytes;
    for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(reinterpret_cast<const void*>(next + at));
  }

  // panel [headStride, panelKeys] from `count` rows of keys.
  template <KvFormat format>
  static void turnKeys(const AttendTile& t, size_t first, size_t count, float* panel) {
    for (size_t key = 0; key < count; key += 16) {
      const uint8_t* const* rows = t.rows + first + key;
      const size_t last = count - key - 1;
      askAhead<format>(t, rows[0]);
      for (size_t c = 0; c < t.headStride / 16; ++c) {
        F block[16];
        // Lanes beyond the last key repeat it; nobody reads their scores.
        GATESKIP_UNROLL
        for (size_t i = 0; i < 16; ++i) block[i] = keyOf<format>(t, rows[i < last ? i : last]).chunk(c);
        S::transpose(block);
        GATESKIP_UNROLL
        for (size_t i = 0; i < 16; ++i) S::store(panel + (16 * c + i) * panelKeys + key, block[i]);
      }
    }
  }

  // scores [R, spanKeys] of queries first.. for `keys` keys of the panel.
  template <int R>
  static void scorePanel(const AttendTile& t, size_t first, const float* panel, size_t keys, float* scores) {
    const float* queries = t.queries + first * t.headStride;
    inVectors<vectorsBeside(R)>((keys + 15) / 16, [&](auto vectors, size_t at) {
      constexpr int C = decltype(vectors)::value;
      F sum[R][C];
      GATESKIP_UNROLL
      for (int r = 0; r < R; ++r) {
        GATESKIP_UNROLL
        for (int c = 0; c < C; ++c) sum[r][c] = S::zero();
      }
      const float* key = panel + 16 * at;
      for (size_t i = 0; i < t.headStride; ++i, key += panelKeys) {
        F k[C];
        GATESKIP_UNROLL
        for (int c = 0; c < C; ++c) k[c] = S::load(key + 16 * c);
        GATESKIP_UNROLL
        for (int r = 0; r < R; ++r) {
          const F q = S::set1(queries[r * t.headStride + i]);
          GATESKIP_UNROLL
          for (int c = 0; c < C; ++c) sum[r][c] = S::fma(q, k[c], sum[r][c]);
        }
      }
      GATESKIP_UNROLL
      for (int r = 0; r < R; ++r) {
        GATESKIP_UNROLL
        for (int c = 0; c < C; ++c) S::store(scores + r * spanKeys + 16 * (at + c), sum[r][c]);
      }
    });
  }

  // In place: exp(s - max), for n numbers padded to 16.
  static void softmaxNumerators(float* s, size_t n, float& maximum, float& total) {
    const size_t padded = roundUp(n, 16);
    for (size_t j = n; j < padded; ++j) s[j] = -__builtin_inff();
    // The lowest finite number to start with: a span of scores that are all minus infinity adds nothing instead of NaN.
    F top = S::set1(-3.402823466e38f);
    for (size_t j = 0; j < padded; j += 16) top = S::max(top, S::load(s + j));
    maximum = S::largest(top);
    const F m = S::set1(maximum);
    F sum = S::zero();
    for (size_t j = 0; j < padded; j += 16) {
      const F e = MathOf<S>::exponential(S::sub(S::load(s + j), m));
      S::store(s + j, e);
      sum = S::add(sum, e);
    }
    // Padding contributes exp(-103) each, below half an ulp of the sum, which is at least 1.
    total = S::sum(sum);
  }

  // outputs += weights . values, for `keys` keys from `p` of the span on; value(key, c) is a vector of the key p + key.
  template <typename Value>
  static void addPanel(const AttendTile& t, size_t begin, size_t p, size_t keys, const float* weights, const AttendPartial& out, Value&& value) {
    eachGroup(t, begin, [&](auto queries, size_t first, size_t fewest, size_t most) {
      if (most <= p) return;
      const size_t common = fewest <= p ? 0 : fewest - p < keys ? fewest - p : keys;
      addValues<queries.value>(t, first, weights + first * spanKeys + p, 0, common, out.outputs, value);
      if (fewest == most) return;
      // What only some of the queries see must not touch the others, not even times zero: it may be NaN.
      for (size_t i = first; i < first + queries.value; ++i) {
        const size_t seen = seenOf(t, begin, i);
        if (seen > p + common) addValues<1>(t, i, weights + i * spanKeys + p, common, seen - p < keys ? seen - p : keys, out.outputs, value);
      }
    });
  }

  template <int R, typename Value>
  static void addValues(const AttendTile& t, size_t first, const float* weights, size_t from, size_t to, float* outputs, Value&& value) {
    if (from >= to) return;
    inVectors<vectorsBeside(R)>(t.headStride / 16, [&](auto vectors, size_t at) {
      constexpr int C = decltype(vectors)::value;
      float* out = outputs + first * t.headStride + 16 * at;
      F sum[R][C];
      GATESKIP_UNROLL
      for (int r = 0; r < R; ++r) {
        GATESKIP_UNROLL
        for (int c = 0; c < C; ++c) sum[r][c] = S::load(out + r * t.headStride + 16 * c);
      }
      for (size_t key = from; key < to; ++key) {
        F v[C];
        GATESKIP_UNROLL
        for (int c = 0; c < C; ++c) v[c] = value(key, at + c);
        GATESKIP_UNROLL
        for (int r = 0; r < R; ++r) {
          const F w = S::set1(weights[r * spanKeys + key]);
          GATESKIP_UNROLL
          for (int c = 0; c < C; ++c) sum[r][c] = S::fma(w, v[c], sum[r][c]);
        }
      }
      GATESKIP_UNROLL
      for (int r = 0; r < R; ++r) {
        GATESKIP_UNROLL
        for (int c = 0; c < C; ++c) S::store(out + r * t.headStride + 16 * c, sum[r][c]);
      }
    });
  }

  // Joins span `span` to those before it.
  static void joinSpan(const AttendTile& t, size_t span, const AttendPartial& part, const AttendPartial& total) {
    for (size_t i = 0; i < t.count; ++i) {
      if (seenOf(t, span * spanKeys, i) == 0) continue;
      const float maximum = part.maxima[i] > total.maxima[i] ? part.maxima[i] : total.maxima[i];
      const F old = MathOf<S>::exponential(S::set1(total.maxima[i] - maximum));
      const F fresh = MathOf<S>::exponential(S::set1(part.maxima[i] - maximum));
      float* to = total.outputs + i * t.headStride;
      const float* from = part.outputs + i * t.headStride;
      for (size_t j = 0; j < t.headStride; j += 16) S::store(to + j, S::fma(S::load(from + j), fresh, S::mul(S::load(to + j), old)));
      total.sums[i] = S::largest(S::fma(S::set1(part.sums[i]), fresh, S::mul(S::set1(total.sums[i]), old)));
      total.maxima[i] = maximum;
    }
  }

  // After the last span.
  static void divideBySums(const AttendTile& t, const AttendPartial& total) {
    for (size_t i = 0; i < t.count; ++i) {
      float* to = total.outputs + i * t.headStride;
      const F inverse = S::set1(t.visible[i] == 0 ? 0.0f : 1.0f / total.sums[i]);
      for (size_t j = 0; j < t.headStride; j += 16) S::store(to + j, t.visible[i] == 0 ? S::zero() : S::mul(S::load(to + j), inverse));
    }
  }
};

}  // namespace gateskip
