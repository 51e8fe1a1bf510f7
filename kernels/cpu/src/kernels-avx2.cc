#include "kernels-impl.h"
#include "simd/avx2.h"

namespace gateskip {

extern const Kernels avx2Kernels;
const Kernels avx2Kernels = KernelsOf<simd::Avx2>::table();

}  // namespace gateskip
