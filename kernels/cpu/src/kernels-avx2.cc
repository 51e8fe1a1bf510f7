#include "kernels-impl.h"
#include "simd/avx2.h"

namespace gateskip {

extern const Kernels avx2Kernels;
const Kernels avx2Kernels = kernelTable<simd::Avx2>();

}  // namespace gateskip
