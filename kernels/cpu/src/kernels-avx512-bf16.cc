#include "kernels-impl.h"
#include "simd/avx512-bf16.h"

namespace gateskip {

extern const Kernels avx512VnniBf16Kernels;
const Kernels avx512VnniBf16Kernels = kernelTable<simd::Avx512Bf16>();

}  // namespace gateskip
