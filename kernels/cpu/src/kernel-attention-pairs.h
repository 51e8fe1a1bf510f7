// Attention with products of bfloat16 pairs and sums in f32, where the processor has them: twice the multiply-adds of an
// instruction. Queries, keys, values and the numerators of the softmax are rounded to nearest even on their way in. Keys come in
// pairs from the start of their span on, so what a query gets does not depend on which others stand beside it here either.
#pragma once
#include "kernel-attention.h"

namespace gateskip {

template <typename S>
struct PairAttentionOf {
  using A = AttentionOf<S>;
  using F = typename S::F;
  using P = typename S::P;

  static void attendSpan(const AttendTile& t, size_t span, const AttendPartial& out) {
    if (t.format == KvFormat::f32) spanOf<KvFormat::f32>(t, span * spanKeys, out);
    if (t.format == KvFormat::f16) spanOf<KvFormat::f16>(t, span * spanKeys, out);
    if (t.format == KvFormat::q8) spanOf<KvFormat::q8>(t, span * spanKeys, out);
  }

  template <KvFormat format>
  static void spanOf(const AttendTile& t, size_t begin, const AttendPartial& out) {
    float* scores = t.scratch;
    uint32_t* panel = reinterpret_cast<uint32_t*>(t.scratch + t.count * spanKeys);
    uint32_t* queries = panel + panelKeys * t.headStride;
    roundQueries(t, queries);
    size_t longest = 0;
    for (size_t i = 0; i < t.count; ++i) longest = A::seenOf(t, begin, i) > longest ? A::seenOf(t, begin, i) : longest;
    for (size_t p = 0; p < longest; p += panelKeys) {
      const size_t keys = longest - p < panelKeys ? longest - p : panelKeys;
      turnKeys<format>(t, begin + p, keys, panel);
      A::eachGroup(t, begin, [&](auto group, size_t first, size_t, size_t most) {
        if (most <= p) return;
        scorePanel<group.value>(queries + first * pairsOf(t), pairsOf(t), panel, most - p < panelKeys ? most - p : panelKeys, scores + first * spanKeys + p);
      });
    }
    for (size_t i = 0; i < t.count; ++i) {
      const size_t seen = A::seenOf(t, begin, i);
      if (seen == 0) continue;
      softmaxNumerators(scores + i * spanKeys, seen, out.maxima[i], out.sums[i]);
      memset(out.outputs + i * t.headStride, 0, t.headStride * sizeof(float));
    }
    for (size_t p = 0; p < longest; p += panelKeys) {
      const size_t keys = longest - p < panelKeys ? longest - p : panelKeys;
      const uint8_t* const* rows = t.rows + begin + p;
      // Values of keys 2 pair and 2 pair + 1; zero where the second is not there.
      const auto zipped = [&](size_t pair, size_t c) {
        const F first = A::template valueOf<format>(t, rows[2 * pair]).chunk(c);
        return S::zip(first, 2 * pair + 1 < keys ? A::template valueOf<format>(t, rows[2 * pair + 1]).chunk(c) : S::zero());
      };
      if (t.count <= A::mostQueries) {
        addPanel(t, begin, p, keys, scores, out, zipped);
      } else {
        for (size_t pair = 0; 2 * pair < keys; ++pair)
          for (size_t c = 0; c < t.headStride / 16; ++c) S::storePairs(panel + pair * t.headStride + 16 * c, zipped(pair, c));
        addPanel(t, begin, p, keys, scores, out, [&](size_t pair, size_t c) { return S::loadPairs(panel + pair * t.headStride + 16 * c); });
      }
    }
  }

  static size_t pairsOf(const AttendTile& t) { return t.headStride / 2; }

  // to [count, headStride / 2] pairs
  static void roundQueries(const AttendTile& t, uint32_t* to) {
    for (size_t i = 0; i < t.count; ++i) {
      const float* from = t.queries + i * t.headStride;
      for (size_t at = 0; at < t.headStride; at += 32)
        S::storePairs(to + i * pairsOf(t) + at / 2, S::roundBoth(S::load(from + at), at + 16 < t.headStride ? S::load(from + at + 16) : S::zero()));
    }
  }

  // In place: `seen` scores become as many bfloat16 exp(s - max) in half of their room. Their sum is that of the rounded ones, so
  // that what values are divided by is what they were multiplied by.
  static void softmaxNumerators(float* s, size_t seen, float& maximum, float& total) {
    const size_t padded = roundUp(seen, 32);
    for (size_t j = seen; j < padded; ++j) s[j] = -__builtin_inff();
    // The lowest finite number to start with: a span of scores that are all minus infinity adds nothing instead of NaN.
    F top = S::set1(-3.402823466e38f);
    for (size_t j = 0; j < padded; j += 16) top = S::max(top, S::load(s + j));
    maximum = S::largest(top);
    const F m = S::set1(maximum);
    const P ones = S::set1Pair(0x3f803f80);
    F sum = S::zero();
    for (size_t j = 0; j < padded; j += 32) {
      const P rounded = S::roundBoth(exponential(S::sub(S::load(s + j), m)), exponential(S::sub(S::load(s + j + 16), m)));
      S::storePairs(reinterpret_cast<uint32_t*>(s) + j / 2, rounded);
      sum = S::dotPairs(sum, rounded, ones);
    }
    // Padding is below the smallest normal number, which these products take for zero.
    total = S::sum(sum);
  }

  // exp(x) for x <= 0 to a hundredth of what rounding to bfloat16 takes: Taylor of degree 4 on |r| <= 0.35, off by 5e-5.
  static F exponential(F x) {
    // The value stands second, so that NaN passes.
    x = S::max(S::set1(-103.0f), x);
    const F n = S::round(S::mul(x, S::set1(1.44269504f)));
    const F r = S::fma(n, S::set1(-0.693147181f), x);
    F p = S::set1(4.1666667e-2f);
    p = S::fma(p, r, S::set1(1.6666667e-1f));
    p = S::fma(p, r, S::set1(0.5f));
    p = S::fma(p, r, S::set1(1.0f));
    p = S::fma(p, r, S::set1(1.0f));
    return S::scale(p, n);
  }

  // panel [headStride / 2, panelKeys] pairs from `count` rows of keys.
  template <KvFormat format>
  static void turnKeys(const AttendTile& t, size_t first, size_t count, uint32_t* panel) {
    const size_t chunks = t.headStride / 16;
    for (size_t key = 0; key < count; key += 16) {
      const uint8_t* const* rows = t.rows + first + key;
      const size_t last = count - key - 1;
      A::template askAhead<format>(t, rows[0]);
      for (size_t c = 0; c < chunks; c += 2) {
        F block[16];
        // Lanes beyond the last key repeat it; nobody reads their scores.
        GATESKIP_UNROLL
        for (size_t i = 0; i < 16; ++i) {
          const auto head = A::template keyOf<format>(t, rows[i < last ? i : last]);
          block[i] = S::asFloats(S::roundBoth(head.chunk(c), c + 1 < chunks ? head.chunk(c + 1) : S::zero()));
        }
        S::transpose(block);
        const size_t pairs = c + 1 < chunks ? 16 : 8;
        for (size_t i = 0; i < pairs; ++i) S::store(reinterpret_cast<float*>(panel) + (8 * c + i) * panelKeys + key, block[i]);
      }
    }
  }

  // scores [R, spanKeys] of R queries for `keys` keys of the panel.
  template <int R>
  static void scorePanel(const uint32_t* queries, size_t pairs, const uint32_t* panel, size_t keys, float* scores) {
    A::template inVectors<A::vectorsBeside(R)>((keys + 15) / 16, [&](auto vectors, size_t at) {
      constexpr int C = decltype(vectors)::value;
      F sum[R][C];
      GATESKIP_UNROLL
      for (int r = 0; r < R; ++r) {
        GATESKIP_UNROLL
        for (int c = 0; c < C; ++c) sum[r][c] = S::zero();
      }
      const uint32_t* key = panel + 16 * at;
      for (size_t i = 0; i < pairs; ++i, key += panelKeys) {
        P k[C];
        GATESKIP_UNROLL
        for (int c = 0; c < C; ++c) k[c] = S::loadPairs(key + 16 * c);
        GATESKIP_UNROLL
        for (int r = 0; r < R; ++r) {
          const P q = pairAt(queries + r * pairs + i);
          GATESKIP_UNROLL
          for (int c = 0; c < C; ++c) sum[r][c] = S::dotPairs(sum[r][c], q, k[c]);
        }
      }
      GATESKIP_UNROLL
      for (int r = 0; r < R; ++r) {
        GATESKIP_UNROLL
        for (int c = 0; c < C; ++c) S::store(scores + r * spanKeys + 16 * (at + c), sum[r][c]);
      }
    });
  }

  // outputs += weights . values, for `keys` keys from `p` of the span on; value(pair, c) is a vector of two keys.
  template <typename Value>
  static void addPanel(const AttendTile& t, size_t begin, size_t p, size_t keys, const float* weights, const AttendPartial& out, Value&& value) {
    A::eachGroup(t, begin, [&](auto group, size_t first, size_t fewest, size_t most) {
      if (most <= p) return;
      const auto within = [&](size_t seen) { return seen <= p ? 0 : seen - p < keys ? seen - p : keys; };
      // All of a pair's keys must be seen by all, unless it is the last one of all.
      const size_t common = fewest == most ? within(fewest) : within(fewest) & ~size_t{1};
      addValues<group.value>(t, first, weights, p, 0, common, out.outputs, value);
      if (fewest == most) return;
      for (size_t i = first; i < first + group.value; ++i) addValues<1>(t, i, weights, p, common, within(A::seenOf(t, begin, i)), out.outputs, value);
    });
  }

  // Keys `from` (even) to `to` of the panel that begins at key p. What a query does not see is not multiplied by zero: it may be NaN.
  template <int R, typename Value>
  static void addValues(const AttendTile& t, size_t first, const float* weights, size_t p, size_t from, size_t to, float* outputs, Value&& value) {
    if (from >= to) return;
    // [R, spanKeys] floats of which the first halves hold the rounded ones.
    const uint32_t* w = reinterpret_cast<const uint32_t*>(weights + first * spanKeys) + p / 2;
    A::template inVectors<A::vectorsBeside(R)>(t.headStride / 16, [&](auto vectors, size_t at) {
      constexpr int C = decltype(vectors)::value;
      float* out = outputs + first * t.headStride + 16 * at;
      F sum[R][C];
      GATESKIP_UNROLL
      for (int r = 0; r < R; ++r) {
        GATESKIP_UNROLL
        for (int c = 0; c < C; ++c) sum[r][c] = S::load(out + r * t.headStride + 16 * c);
      }
      const auto add = [&](size_t pair, const P(&v)[C]) {
        GATESKIP_UNROLL
        for (int r = 0; r < R; ++r) {
          const P both = pairAt(w + r * spanKeys + pair);
          GATESKIP_UNROLL
          for (int c = 0; c < C; ++c) sum[r][c] = S::dotPairs(sum[r][c], both, v[c]);
        }
      };
      for (size_t pair = from / 2; pair < to / 2; ++pair) {
        P v[C];
        GATESKIP_UNROLL
        for (int c = 0; c < C; ++c) v[c] = value(pair, at + c);
        add(pair, v);
      }
      if (to % 2 != 0) {
        P v[C];
        GATESKIP_UNROLL
        for (int c = 0; c < C; ++c) v[c] = S::firstOfPairs(value(to / 2, at + c));
        add(to / 2, v);
      }
      GATESKIP_UNROLL
      for (int r = 0; r < R; ++r) {
        GATESKIP_UNROLL
        for (int c = 0; c < C; ++c) S::store(out + r * t.headStride + 16 * c, sum[r][c]);
      }
    });
  }

  static P pairAt(const uint32_t* at) {
    uint32_t pair;
    memcpy(&pair, at, sizeof(pair));
    return S::set1Pair(pair);
  }
};

}  // namespace gateskip
