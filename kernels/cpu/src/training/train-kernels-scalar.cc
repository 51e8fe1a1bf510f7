#include "../simd/scalar.h"
#include "train-kernels-impl.h"

namespace gateskip {

extern const TrainKernels scalarTrainKernels;
const TrainKernels scalarTrainKernels = trainKernelTable<simd::Scalar>();

}  // namespace gateskip
