// Functions of sixteen lanes that no instruction set has.
#pragma once

namespace gateskip {

template <typename S>
struct MathOf {
  using F = typename S::F;

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
};

}  // namespace gateskip
