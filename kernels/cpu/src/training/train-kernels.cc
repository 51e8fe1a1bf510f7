#include "train-kernels.h"

namespace gateskip {

extern const TrainKernels scalarTrainKernels;
#if defined(__x86_64__)
extern const TrainKernels avx2TrainKernels;
extern const TrainKernels avx512TrainKernels;
#elif defined(__aarch64__)
extern const TrainKernels neonTrainKernels;
#endif

const TrainKernels& trainKernelsFor([[maybe_unused]] const std::string& name) {
#if defined(__x86_64__)
  // Products here are of floats: one set serves all that differ by other products alone.
  if (name.compare(0, 6, avx512TrainKernels.name, 6) == 0) return avx512TrainKernels;
  if (name.compare(0, 4, avx2TrainKernels.name) == 0) return avx2TrainKernels;
#elif defined(__aarch64__)
  if (name == neonTrainKernels.name) return neonTrainKernels;
#endif
  return scalarTrainKernels;
}

}  // namespace gateskip
