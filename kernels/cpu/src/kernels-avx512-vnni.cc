#include "kernels-impl.h"
#include "simd/avx512.h"

namespace gateskip {

extern const Kernels avx512VnniKernels;
const Kernels avx512VnniKernels = KernelsOf<simd::Avx512Vnni>::table();

}  // namespace gateskip
