#include "kernels-impl.h"
#include "simd/neon.h"

namespace gateskip {

extern const Kernels neonDotprodKernels;
const Kernels neonDotprodKernels = kernelTable<simd::NeonDotprod>();

}  // namespace gateskip
