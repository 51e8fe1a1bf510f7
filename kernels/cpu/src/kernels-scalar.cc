#include "kernels-impl.h"
#include "simd/scalar.h"

namespace gateskip {

extern const Kernels scalarKernels;
const Kernels scalarKernels = kernelTable<simd::Scalar>();

}  // namespace gateskip
