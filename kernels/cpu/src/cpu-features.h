// Which instruction sets this build has and this machine can run.
#pragma once
#include <string>
#include <vector>

#include "kernels.h"

namespace gateskip {

#if defined(__x86_64__)
// Whether the processor has 8-bit dot products in the VEX encoding.
bool hasAvxVnni();
#endif

// Usable here, best first; always ends with scalar.
std::vector<const Kernels*> availableKernels();

// By name, or the best when `name` is empty. Null when the build or the machine lacks it.
const Kernels* selectKernels(const std::string& name);

}  // namespace gateskip
