#include "../simd/neon.h"
#include "train-kernels-impl.h"

namespace gateskip {

extern const TrainKernels neonTrainKernels;
const TrainKernels neonTrainKernels = trainKernelTable<simd::NeonDotprod>();

}  // namespace gateskip
