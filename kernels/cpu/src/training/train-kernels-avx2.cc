#include "../simd/avx2.h"
#include "train-kernels-impl.h"

namespace gateskip {

namespace {
struct TrainUnit {};
}  // namespace

extern const TrainKernels avx2TrainKernels;
const TrainKernels avx2TrainKernels = trainKernelTable<simd::Avx2Lanes<TrainUnit>>();

}  // namespace gateskip
