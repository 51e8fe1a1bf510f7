#include "kernels-impl.h"
#include "simd/avx2-vnni.h"

namespace gateskip {

namespace {
struct VexUnit {};
}  // namespace

extern const Kernels avx2VnniKernels;
const Kernels avx2VnniKernels = kernelTable<simd::Avx2VnniLanes<VexUnit>>();

}  // namespace gateskip
