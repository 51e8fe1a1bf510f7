#include "../simd/avx512.h"
#include "train-kernels-impl.h"

namespace gateskip {

extern const TrainKernels avx512TrainKernels;
const TrainKernels avx512TrainKernels = trainKernelTable<simd::Avx512Vnni>();

}  // namespace gateskip
