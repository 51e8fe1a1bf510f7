#include "kernels-impl.h"
#include "simd/avx2.h"

namespace gateskip {

namespace {
struct PlainUnit {};
}  // namespace

extern const Kernels avx2Kernels;
const Kernels avx2Kernels = kernelTable<simd::Avx2Lanes<PlainUnit>>();

}  // namespace gateskip
