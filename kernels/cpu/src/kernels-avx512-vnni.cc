#include "kernels-impl.h"
#include "simd/avx512.h"

namespace gateskip {

extern const Kernels avx512VnniKernels;
const Kernels avx512VnniKernels = kernelTable<simd::Avx512Vnni>();

}  // namespace gateskip
