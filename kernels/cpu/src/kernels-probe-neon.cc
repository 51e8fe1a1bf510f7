#include <arm_neon.h>

#include "machine-probe.h"

namespace gateskip {

static int32_t dotProducts(uint64_t iterations) {
  int32x4_t sums[16];
  for (int i = 0; i < 16; ++i) sums[i] = vdupq_n_s32(0);
  int8x16_t a = vdupq_n_s8(3);
  const int8x16_t b = vdupq_n_s8(-2);
  for (uint64_t n = 0; n < iterations; ++n) {
    __asm__ volatile("" : "+w"(a));
    for (int i = 0; i < 16; ++i) sums[i] = vdotq_s32(sums[i], a, b);
  }
  int32x4_t sum = sums[0];
  for (int i = 1; i < 16; ++i) sum = vaddq_s32(sum, sums[i]);
  return vgetq_lane_s32(sum, 0) ^ vgetq_lane_s32(sum, 3);
}

extern const DotLoop neonDotprodDotLoop;
const DotLoop neonDotprodDotLoop = {"neon-dotprod", 16 * 16, dotProducts};

}  // namespace gateskip
