// Accumulators live in registers only where the loops over them are unrolled; the compiler's own limit is too low.
#pragma once

#define GATESKIP_UNROLL _Pragma("GCC unroll 16")
