// The score at or below which rows of a branch skipped, where its rule has one (packages/backend, StraightThroughOptions).
#pragma once
#include <cstdint>
#include <vector>

#include "../ranking.h"

namespace gateskip {

// False where there is none. `scores` [N] are what the rule compared.
bool skipThreshold(Rule rule, float value, const std::vector<float>& scores, const uint8_t* pinned, const std::vector<uint8_t>& skipped,
                   double& threshold);

}  // namespace gateskip
