#include "skip-threshold.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gateskip {

namespace {

// quantileThreshold of packages/gate: NaN sorts highest, and the interpolation never reaches into infinity.
double quantileOf(std::vector<float> scores, float share) {
  for (float& score : scores)
    if (std::isnan(score)) score = std::numeric_limits<float>::infinity();
  std::sort(scores.begin(), scores.end());
  const double at = static_cast<double>(share) * static_cast<double>(scores.size() - 1);
  const size_t below = static_cast<size_t>(std::floor(at));
  const double low = static_cast<double>(scores[below]);
  const double part = at - static_cast<double>(below);
  if (part == 0) return low;
  const double high = static_cast<double>(scores[below + 1]);
  return std::isfinite(high) ? static_cast<double>(static_cast<float>(low + (high - low) * part)) : low;
}

}  // namespace

bool skipThreshold(Rule rule, float value, const std::vector<float>& scores, const uint8_t* pinned, const std::vector<uint8_t>& skipped,
                   double& threshold) {
  if (rule == Rule::threshold) {
    threshold = static_cast<double>(value);
    return true;
  }
  if (rule == Rule::quantile) {
    std::vector<float> free;
    for (size_t row = 0; row < scores.size(); ++row)
      if (pinned == nullptr || pinned[row] == 0) free.push_back(scores[row]);
    if (value == 0 || free.size() < 2) return false;
    threshold = quantileOf(std::move(free), value);
    return true;
  }
  bool found = false;
  for (size_t row = 0; rule == Rule::fraction && row < scores.size(); ++row) {
    if (skipped[row] == 0) continue;
    threshold = found ? std::max(threshold, static_cast<double>(scores[row])) : static_cast<double>(scores[row]);
    found = true;
  }
  return found;
}

}  // namespace gateskip
