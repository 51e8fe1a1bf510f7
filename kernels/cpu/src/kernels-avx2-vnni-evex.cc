#include "kernels-impl.h"
#include "simd/avx2-vnni.h"

namespace gateskip {

namespace {
struct EvexUnit {};
}  // namespace

extern const Kernels avx2VnniEvexKernels;
const Kernels avx2VnniEvexKernels = kernelTable<simd::Avx2VnniLanes<EvexUnit>>();

}  // namespace gateskip
