#include "machine-probe.h"
#include "probe-avx2-vnni.h"

namespace gateskip {

extern const DotLoop avx2VnniDotLoop;
const DotLoop avx2VnniDotLoop = {"avx2-vnni", 12 * 32, dotProducts};

}  // namespace gateskip
