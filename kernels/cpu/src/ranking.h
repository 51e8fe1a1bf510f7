// Which rows of one plan a branch computes, from their scores (packages/gate, Plan: the definition).
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gateskip {

enum class Rule : uint8_t { keep = 0, threshold = 1, fraction = 2, quantile = 3, repeat = 4 };

inline bool ruleRanks(Rule rule) { return rule == Rule::threshold || rule == Rule::fraction || rule == Rule::quantile; }

// rows: indices of the plan's rows, ascending. runs[row] becomes the number of times the branch runs for that row.
void decide(Rule rule, float value, const std::vector<uint32_t>& rows, const float* scores, const uint8_t* pinned, uint8_t* runs);

// Uniform in (0, 1) from seed, position and branch; the same formula as randomScore in packages/gate.
float randomScore(uint32_t seed, uint32_t position, uint32_t branch);

}  // namespace gateskip
