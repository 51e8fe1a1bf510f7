#include "machine-probe.h"
#include "probe-avx2-vnni.h"

namespace gateskip {

extern const DotLoop avx2VnniEvexDotLoop;
const DotLoop avx2VnniEvexDotLoop = {"avx2-vnni", 12 * 32, dotProducts};

}  // namespace gateskip
