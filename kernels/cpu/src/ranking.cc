#include "ranking.h"

#include <algorithm>
#include <cmath>

namespace gateskip {

namespace {

uint32_t mix(uint32_t h) {
  h ^= h >> 16;
  h *= 0x85ebca6bu;
  h ^= h >> 13;
  h *= 0xc2b2ae35u;
  h ^= h >> 16;
  return h;
}

// NaN counts as the highest score.
float orderable(float score) { return std::isnan(score) ? INFINITY : score; }

// Linear interpolation between order statistics, as numpy's default; quantileThreshold of packages/gate is the definition.
float quantileOf(std::vector<float>& sorted, float share) {
  const double position = static_cast<double>(share) * static_cast<double>(sorted.size() - 1);
  const size_t low = static_cast<size_t>(std::floor(position));
  const size_t high = std::min(low + 1, sorted.size() - 1);
  const double a = sorted[low];
  const double b = sorted[high];
  const double part = position - static_cast<double>(low);
  // Never into infinity, which also stands for NaN here.
  if (part == 0.0 || !std::isfinite(b)) return static_cast<float>(a);
  return static_cast<float>(a + (b - a) * part);
}

}  // namespace

float randomScore(uint32_t seed, uint32_t position, uint32_t branch) {
  const uint32_t first = mix(seed ^ ((position + 1u) * 0x9e3779b1u));
  const uint32_t second = mix(first ^ ((branch + 1u) * 0x85ebca77u));
  return (static_cast<float>(second >> 9) + 0.5f) / 8388608.0f;
}

void decide(Rule rule, float value, const std::vector<uint32_t>& rows, const float* scores, const uint8_t* pinned, uint8_t* runs) {
  const auto isPinned = [&](uint32_t row) { return pinned != nullptr && pinned[row] != 0; };
  switch (rule) {
    case Rule::keep:
      for (uint32_t row : rows) runs[row] = 1;
      return;
    case Rule::repeat:
      for (uint32_t row : rows) runs[row] = value == 0.0f && isPinned(row) ? 1 : static_cast<uint8_t>(value);
      return;
    case Rule::threshold:
      for (uint32_t row : rows) runs[row] = !isPinned(row) && scores[row] <= value ? 0 : 1;
      return;
    case Rule::fraction: {
      std::vector<uint32_t> free;
      for (uint32_t row : rows) {
        runs[row] = 1;
        if (!isPinned(row)) free.push_back(row);
      }
      const size_t skips = static_cast<size_t>(std::floor(static_cast<double>(value) * static_cast<double>(free.size())));
      std::stable_sort(free.begin(), free.end(), [&](uint32_t a, uint32_t b) { return orderable(scores[a]) < orderable(scores[b]); });
      for (size_t i = 0; i < std::min(skips, free.size()); ++i)
        if (!std::isnan(scores[free[i]])) runs[free[i]] = 0;
      return;
    }
    case Rule::quantile: {
      std::vector<float> sorted;
      for (uint32_t row : rows) {
        runs[row] = 1;
        if (!isPinned(row)) sorted.push_back(orderable(scores[row]));
      }
      // One score has no rank: the published method then skips nothing.
      if (sorted.size() < 2 || value <= 0.0f) return;
      std::sort(sorted.begin(), sorted.end());
      const float threshold = quantileOf(sorted, value);
      for (uint32_t row : rows)
        if (!isPinned(row) && scores[row] <= threshold) runs[row] = 0;
      return;
    }
  }
}

}  // namespace gateskip
