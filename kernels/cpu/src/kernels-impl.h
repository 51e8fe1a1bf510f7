// The kernels, written once over a sixteen-lane type S (simd/*.h) and compiled once per instruction set.
// Nothing from the standard library is instantiated here: a shared inline function compiled for AVX-512 could be the copy
// that the linker keeps for everyone.
#pragma once
#include "kernel-attention-pairs.h"
#include "kernel-attention.h"
#include "kernel-kv-rows.h"
#include "kernel-logits.h"
#include "kernel-low-rank-pairs.h"
#include "kernel-low-rank.h"
#include "kernel-matmul.h"
#include "kernel-rows.h"
#include "kernels.h"

namespace gateskip {

template <typename S>
constexpr Kernels kernelTable() {
  using Rows = RowsOf<S>;
  return Kernels{S::name,
                 S::hasBf16,
                 MatmulOf<S>::matmul,
                 Rows::inverseRms,
                 Rows::squaredNorm,
                 Rows::dot,
                 Rows::scaleBy,
                 Rows::quantize,
                 Rows::siluMultiply,
                 Rows::silu,
                 Rows::sigmoid,
                 Rows::add,
                 Rows::addProduct,
                 Rows::rotate,
                 Rows::toF16,
                 KvRowsOf<S>::store,
                 AttentionOf<S>::attendSpan,
                 AttentionOf<S>::joinSpan,
                 AttentionOf<S>::divideBySums,
                 LogitsOf<S>::sumExponentials,
                 LogitsOf<S>::nextAbove,
                 LowRankOf<S>::down,
                 LowRankOf<S>::up,
                 LowRankOf<S>::addStandIns};
}

}  // namespace gateskip
