#include "cpu-features.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace gateskip {

extern const Kernels scalarKernels;
#if defined(__x86_64__)
extern const Kernels avx2Kernels;
extern const Kernels avx512VnniKernels;
#if defined(GATESKIP_HAS_AVX512BF16)
extern const Kernels avx512VnniBf16Kernels;
#endif
extern const Kernels avx2VnniEvexKernels;
#if defined(GATESKIP_HAS_AVXVNNI)
extern const Kernels avx2VnniKernels;
#endif
#elif defined(__aarch64__)
extern const Kernels neonDotprodKernels;
#endif

#if defined(__x86_64__)
// CPUID leaf 7, subleaf 1, EAX bit 4; asked directly, older compilers' __builtin_cpu_supports does not know its name.
bool hasAvxVnni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a >> 4 & 1) != 0;
}
#endif

std::vector<const Kernels*> availableKernels() {
  std::vector<const Kernels*> found;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
#if defined(GATESKIP_HAS_AVX512BF16)
  if (avx512 && __builtin_cpu_supports("avx512bf16")) found.push_back(&avx512VnniBf16Kernels);
#endif
  if (avx512) found.push_back(&avx512VnniKernels);
  // One name, two encodings of the same code: where the processor has the shorter one, that.
#if defined(GATESKIP_HAS_AVXVNNI)
  if (avx2 && hasAvxVnni())
    found.push_back(&avx2VnniKernels);
  else
#endif
      if (avx512)
    found.push_back(&avx2VnniEvexKernels);
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
