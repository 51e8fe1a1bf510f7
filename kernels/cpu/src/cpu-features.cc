#include "cpu-features.h"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace gateskip {

extern const Kernels scalarKernels;
#if defined(__x86_64__)
extern const Kernels avx2Kernels;
extern const Kernels avx512VnniKernels;
#elif defined(__aarch64__)
extern const Kernels neonDotprodKernels;
#endif

std::vector<const Kernels*> availableKernels() {
  std::vector<const Kernels*> found;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni"))
    found.push_back(&avx512VnniKernels);
  if (avx2) found.push_back(&avx2Kernels);
#elif defined(__aarch64__)
#if defined(__linux__)
  if (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) found.push_back(&neonDotprodKernels);
#else
  found.push_back(&neonDotprodKernels);  // every Apple arm64 processor has the dot-product extension
#endif
#endif
  found.push_back(&scalarKernels);
  return found;
}

const Kernels* selectKernels(const std::string& name) {
  for (const Kernels* kernels : availableKernels())
    if (name.empty() || name == kernels->name) return kernels;
  return nullptr;
}

}  // namespace gateskip
