#include "bf16-kernels.h"

namespace gateskip {

#if defined(GATESKIP_HAS_AVX512BF16)
extern const Bf16Kernels avx512Bf16Kernels;
#endif

const Bf16Kernels* bf16KernelsFor([[maybe_unused]] const std::string& name) {
#if defined(GATESKIP_HAS_AVX512BF16)
  if (name == "avx512-bf16") return &avx512Bf16Kernels;
#endif
  return nullptr;
}

}  // namespace gateskip
