// The kernels, written once over a sixteen-lane type S (simd/*.h) and compiled once per instruction set.
// Nothing from the standard library is instantiated here: a shared inline function compiled for AVX-512 could be the copy
// that the linker keeps for everyone.
#pragma once
#include <cstring>

#include "kernels.h"

// Accumulators live in registers only where the loops over them are unrolled; the compiler's own limit is too low.
#define GATESKIP_UNROLL _Pragma("GCC unroll 16")

namespace gateskip {

template <typename S>
struct KernelsOf {
  using F = typename S::F;
  using I = typename S::I;
  using B = typename S::B;

  static int32_t four(const int8_t* p) {
    int32_t v;
    memcpy(&v, p, 4);
    return v;
  }

  // ---- matrix products ------------------------------------------------------------------------------------------------

  // N rows of activations against one tile: the weights are unpacked once for all of them. Integer sums are exact, and
  // each lane adds its blocks in order, so N does not change any result.
  template <int N, PackedFormat format>
  static void quantTile(const PackedMatrix& w, const uint8_t* tile, const Activations& x, size_t row, float* out, size_t outStride) {
    constexpr int32_t zero = format == PackedFormat::q8 ? 128 : format == PackedFormat::q4 ? 8 : 0;
    const size_t blocks = w.blocks;
    const size_t scaleStride = x.stride / blockColumns;
    const uint16_t* scales = reinterpret_cast<const uint16_t*>(tile);
    const uint16_t* minimums = reinterpret_cast<const uint16_t*>(tile + w.minimumsOffset);
    const uint8_t* quants = tile + w.quantsOffset;
    const int8_t* a = x.quants + row * x.stride;
    const float* aScales = x.scales + row * scaleStride;
    const int32_t* aSums = x.sums + row * scaleStride;
    F total[N];
    GATESKIP_UNROLL
    for (int n = 0; n < N; ++n) total[n] = S::zero();
    for (size_t block = 0; block < blocks; ++block) {
      I sum[N];
      GATESKIP_UNROLL
      for (int n = 0; n < N; ++n) sum[n] = zero == 0 ? S::izero() : S::iset1(-zero * aSums[n * scaleStride + block]);
      const int8_t* ab = a + block * blockColumns;
      if constexpr (format == PackedFormat::q8) {
        GATESKIP_UNROLL
        for (int k = 0; k < 8; ++k) {
          const B bytes = S::loadBytes(quants + k * 64);
          GATESKIP_UNROLL
          for (int n = 0; n < N; ++n) sum[n] = S::dot4Wide(sum[n], bytes, four(ab + n * x.stride + 4 * k));
        }
        quants += 512;
      } else {
        GATESKIP_UNROLL
        for (int k = 0; k < 4; ++k) {
          const B bytes = S::loadBytes(quants + k * 64);
          const B low = S::lowNibbles(bytes);
          const B high = S::highNibbles(bytes);
          GATESKIP_UNROLL
          for (int n = 0; n < N; ++n) sum[n] = S::dot4(sum[n], low, four(ab + n * x.stride + 4 * k));
          GATESKIP_UNROLL
          for (int n = 0; n < N; ++n) sum[n] = S::dot4(sum[n], high, four(ab + n * x.stride + 16 + 4 * k));
        }
        quants += 256;
      }
      const F scale = S::loadF16(scales + block * tileRows);
      GATESKIP_UNROLL
      for (int n = 0; n < N; ++n) {
        const float aScale = aScales[n * scaleStride + block];
        total[n] = S::fma(S::toFloat(sum[n]), S::mul(scale, S::set1(aScale)), total[n]);
      }
      if constexpr (format == PackedFormat::q4Min) {
        const F minimum = S::loadF16(minimums + block * tileRows);
        GATESKIP_UNROLL
        for (int n = 0; n < N; ++n) {
          const float weight = aScales[n * scaleStride + block] * static_cast<float>(aSums[n * scaleStride + block]);
          total[n] = S::fma(minimum, S::set1(weight), total[n]);
        }
      }
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
    }
  }

  // ---- rows -----------------------------------------------------------------------------------------------------------

  static float dot(const float* a, const float* b, size_t columns) {
    F sum = S::zero();
    for (size_t i = 0; i < columns; i += 16) sum = S::fma(S::load(a + i), S::load(b + i), sum);
    return S::sum(sum);
  }

  static float squaredNorm(const float* x, size_t columns) { return dot(x, x, columns); }

  static float inverseRms(const float* x, size_t columns, float epsilon) {
    return 1.0f / __builtin_sqrtf(squaredNorm(x, columns) / static_cast<float>(columns) + epsilon);
  }

  static void scaleBy(const float* x, float scale, const float* weight, float* out, size_t padded) {
    const F s = S::set1(scale);
    for (size_t i = 0; i < padded; i += 16) S::store(out + i, S::mul(S::mul(S::load(x + i), s), S::load(weight + i)));
  }

  static void quantize(const float* x, size_t blocks, int8_t* quants, float* scales, int32_t* sums) {
    for (size_t block = 0; block < blocks; ++block, x += 32, quants += 32) {
      const F a = S::load(x);
      const F b = S::load(x + 16);
      const float largest = S::largest(S::max(S::abs(a), S::abs(b)));
      // Zero for finite values, NaN as soon as one is not: the maximum alone may miss a NaN.
      const float poison = S::sum(S::fma(a, S::zero(), S::mul(b, S::zero())));
      if (!(poison == 0.0f) || !(largest > 0.0f)) {
        memset(quants, 0, 32);
        scales[block] = poison;
        sums[block] = poison == 0.0f ? 0 : 1;
        continue;
      }
      const F inverse = S::set1(127.0f / largest);
      const I qa = S::toInt(S::mul(a, inverse));
      const I qb = S::toInt(S::mul(b, inverse));
      S::storeInt8(quants, qa);
      S::storeInt8(quants + 16, qb);
      scales[block] = largest / 127.0f;
      sums[block] = S::isum(S::iadd(qa, qb));
    }
  }

  static void add(float* y, const float* x, size_t padded) {
    for (size_t i = 0; i < padded; i += 16) S::store(y + i, S::add(S::load(y + i), S::load(x + i)));
  }

  static void addProduct(float* y, const float* x, const float* g, size_t padded) {
    for (size_t i = 0; i < padded; i += 16) S::store(y + i, S::fma(S::load(x + i), S::load(g + i), S::load(y + i)));
  }

  // exp(x) = 2^n 2^f, n = round(x / ln 2), 2^f by the Taylor polynomial of degree 7 on |f ln 2| <= 0.35 (error below
  // 2^-24); ln 2 is taken off in two parts (Cody and Waite).
  static F exponential(F x) {
    // The value stands second, so that NaN passes through x86's minimum and maximum.
    x = S::max(S::set1(-103.0f), S::min(S::set1(88.3f), x));
    const F n = S::round(S::mul(x, S::set1(1.44269504f)));
    F r = S::fma(n, S::set1(-0.693359375f), x);
    r = S::fma(n, S::set1(2.12194440e-4f), r);
    F p = S::set1(1.9841270e-4f);
    p = S::fma(p, r, S::set1(1.3888889e-3f));
    p = S::fma(p, r, S::set1(8.3333333e-3f));
    p = S::fma(p, r, S::set1(4.1666667e-2f));
    p = S::fma(p, r, S::set1(1.6666667e-1f));
    p = S::fma(p, r, S::set1(0.5f));
    p = S::fma(p, r, S::set1(1.0f));
    p = S::fma(p, r, S::set1(1.0f));
    return S::scale(p, n);
  }

  static F logistic(F x) { return S::div(S::set1(1.0f), S::add(S::set1(1.0f), exponential(S::sub(S::zero(), x)))); }

  static void sigmoid(float* x, size_t padded) {
    for (size_t i = 0; i < padded; i += 16) S::store(x + i, logistic(S::load(x + i)));
  }

  static void silu(float* x, size_t padded) {
    for (size_t i = 0; i < padded; i += 16) {
      const F v = S::load(x + i);
      S::store(x + i, S::mul(v, logistic(v)));
    }
  }

  static void siluMultiply(const float* gate, const float* up, float* out, size_t padded) {
    for (size_t i = 0; i < padded; i += 16) {
      const F v = S::load(gate + i);
      S::store(out + i, S::mul(S::mul(v, logistic(v)), S::load(up + i)));
    }
  }

  static void rotate(float* head, size_t size, bool interleaved, const float* cosines, const float* sines) {
    const size_t half = size / 2;
    for (size_t i = 0; i < half; ++i) {
      float* a = interleaved ? head + 2 * i : head + i;
      float* b = interleaved ? a + 1 : a + half;
      const float x = *a;
      const float y = *b;
      *a = x * cosines[i] - y * sines[i];
      *b = x * sines[i] + y * cosines[i];
    }
  }

  static void toF16(const float* x, uint16_t* out, size_t padded) {
    for (size_t i = 0; i < padded; i += 16) {
      // The value stands second: where it is NaN, x86's minimum and maximum return it.
      const F v = S::max(S::set1(-65504.0f), S::min(S::set1(65504.0f), S::load(x + i)));
      S::storeF16(out + i, v);
    }
  }

  // ---- attention ------------------------------------------------------------------------------------------------------

  static void attend(const AttendHead& h) {
    // Query heads that share a K/V head read it together, four at a time.
    for (size_t first = 0; first < h.group; first += 4) {
      const size_t count = h.group - first < 4 ? h.group - first : 4;
      if (h.halves)
        attendGroup<uint16_t>(h, first, count);
      else
        attendGroup<float>(h, first, count);
    }
  }

  template <typename T>
  static void attendGroup(const AttendHead& h, size_t first, size_t count) {
    if (count == 1) attendHeads<1, T>(h, first);
    if (count == 2) attendHeads<2, T>(h, first);
    if (count == 3) attendHeads<3, T>(h, first);
    if (count == 4) attendHeads<4, T>(h, first);
  }

  static F loadKv(const uint16_t* p) { return S::loadF16(p); }
  static F loadKv(const float* p) { return S::load(p); }

  template <int G, typename T>
  static void attendHeads(const AttendHead& h, size_t first) {
    const size_t scoreStride = roundUp(h.visible, 16);
    const size_t chunks = h.headStride / 16;
    const float* q = h.queries + first * h.headStride;
    float* scores = h.scratch + first * scoreStride;
    float* out = h.output + first * h.headStride;
    for (size_t j = 0; j < h.visible; ++j) {
      const T* key = reinterpret_cast<const T*>(h.rows[j]) + h.keyOffset;
      F sum[G];
      GATESKIP_UNROLL
      for (int g = 0; g < G; ++g) sum[g] = S::zero();
      for (size_t c = 0; c < chunks; ++c) {
        const F k = loadKv(key + 16 * c);
        GATESKIP_UNROLL
        for (int g = 0; g < G; ++g) sum[g] = S::fma(S::load(q + g * h.headStride + 16 * c), k, sum[g]);
      }
      GATESKIP_UNROLL
      for (int g = 0; g < G; ++g) scores[g * scoreStride + j] = S::sum(sum[g]);
    }
    float inverse[G];
    GATESKIP_UNROLL
    for (int g = 0; g < G; ++g) inverse[g] = softmaxNumerators(scores + g * scoreStride, h.visible, scoreStride);
    for (size_t c = 0; c < chunks; ++c) {
      F sum[G];
      GATESKIP_UNROLL
      for (int g = 0; g < G; ++g) sum[g] = S::zero();
      for (size_t j = 0; j < h.visible; ++j) {
        const F v = loadKv(reinterpret_cast<const T*>(h.rows[j]) + h.valueOffset + 16 * c);
        GATESKIP_UNROLL
        for (int g = 0; g < G; ++g) sum[g] = S::fma(v, S::set1(scores[g * scoreStride + j]), sum[g]);
      }
      GATESKIP_UNROLL
      for (int g = 0; g < G; ++g) S::store(out + g * h.headStride + 16 * c, S::mul(sum[g], S::set1(inverse[g])));
    }
  }

  // In place: exp(s - max). Returns 1 / sum.
  static float softmaxNumerators(float* s, size_t n, size_t padded) {
    for (size_t j = n; j < padded; ++j) s[j] = -__builtin_inff();
    F top = S::load(s);
    for (size_t j = 16; j < padded; j += 16) top = S::max(top, S::load(s + j));
    const F m = S::set1(S::largest(top));
    F total = S::zero();
    for (size_t j = 0; j < padded; j += 16) {
      const F e = exponential(S::sub(S::load(s + j), m));
      S::store(s + j, e);
      total = S::add(total, e);
    }
    // Padding contributes exp(-103) each, below half an ulp of the sum, which is at least 1.
    return 1.0f / S::sum(total);
  }

  // ---- logits ---------------------------------------------------------------------------------------------------------

  static float sumExponentials(const float* x, size_t n, float shift) {
    const F s = S::set1(shift);
    F total = S::zero();
    size_t i = 0;
    for (; i + 16 <= n; i += 16) total = S::add(total, exponential(S::sub(S::load(x + i), s)));
    if (i < n) {
      float tail[16];
      for (size_t j = 0; j < 16; ++j) tail[j] = i + j < n ? x[i + j] : -__builtin_inff();
      total = S::add(total, exponential(S::sub(S::load(tail), s)));
    }
    return S::sum(total);
  }

  static size_t nextAbove(const float* x, size_t from, size_t n, float bound) {
    for (size_t i = from; i < n; i += 16)
      if (S::largest(S::load(x + i)) > bound) return i;
    return n;
  }

  static constexpr Kernels table() {
    return Kernels{S::name, matmul, inverseRms, squaredNorm, dot, scaleBy, quantize, siluMultiply, silu, sigmoid, add, addProduct, rotate, toF16, attend,
                   sumExponentials, nextAbove};
  }
};

}  // namespace gateskip

#undef GATESKIP_UNROLL
