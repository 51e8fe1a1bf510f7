#include "token-losses.h"

#include <cmath>
#include <limits>
#include <vector>

namespace gateskip {

TokenLosses tokenLosses(const TrainKernels& kernels, const TrainRequest& request, size_t row, float* logits, size_t vocabulary) {
  const TrainCrossEntropy& hard = request.crossEntropy;
  const TrainTeacher& soft = request.teacher;
  const bool isHard = hard.targets != nullptr && hard.shares[row] > 0;
  const bool isSoft = soft.count > 0 && soft.shares[row] > 0;
  const double hardScale = isHard ? hard.weight * hard.shares[row] : 0;
  const double softScale = isSoft ? soft.weight * soft.shares[row] : 0;
  const int32_t* tokens = soft.tokens + row * soft.count;
  const float* logProbabilities = soft.logProbabilities + row * soft.count;
  const size_t named = isSoft ? soft.count : 0;
  TokenLosses losses;

  const float highest = kernels.largest(logits, vocabulary);
  const size_t target = isHard ? static_cast<size_t>(hard.targets[row]) : 0;
  const double targetLogit = isHard ? static_cast<double>(logits[target]) : 0;
  if (isSoft) {
    size_t best = 0;
    for (size_t k = 1; k < named; ++k)
      if (logProbabilities[k] > logProbabilities[best]) best = k;
    size_t likeliest = 0;
    while (likeliest < vocabulary && logits[likeliest] != highest) ++likeliest;
    losses.agrees = likeliest == static_cast<size_t>(tokens[best]);
  }

  // Named tokens are summed apart: the mass outside them may be too small to be a difference.
  std::vector<double> namedLogits(named);
  double inside = 0;
  for (size_t k = 0; k < named; ++k) {
    float& logit = logits[tokens[k]];
    namedLogits[k] = static_cast<double>(logit);
    inside += std::exp(namedLogits[k] - static_cast<double>(highest));
    logit = -std::numeric_limits<float>::infinity();
  }
  // A sum over none but infinities would be a rounded zero.
  const double outside = named == vocabulary ? 0 : kernels.sumExponentials(logits, vocabulary, highest);
  const double total = inside + outside;
  const double logTotal = std::log(total) + static_cast<double>(highest);

  double mass = 0;
  for (size_t k = 0; k < named; ++k) {
    const double logProbability = static_cast<double>(logProbabilities[k]);
    const double probability = std::exp(logProbability);
    if (probability == 0) continue;
    mass += probability;
    losses.teacher += probability * (logProbability - (namedLogits[k] - logTotal));
  }
  const double tail = isSoft && named < vocabulary ? static_cast<double>(soft.tailMass[row]) : 0;
  if (tail > 0) losses.teacher += tail * (std::log(tail) - (std::log(outside) + static_cast<double>(highest) - logTotal));
  if (isHard) losses.crossEntropy = logTotal - targetLogit;
  if (!request.withGradients) return losses;

  // d/dlogit outside = (hard + soft P) q - soft t e, both multiples of exp(logit - highest).
  const double all = (hardScale + softScale * (mass + tail)) / total;
  const double factor = all - (tail > 0 ? softScale * tail / outside : 0);
  kernels.scaledExponentials(logits, vocabulary, highest, static_cast<float>(factor));
  for (size_t k = 0; k < named; ++k) {
    const double slope = all * std::exp(namedLogits[k] - static_cast<double>(highest)) - softScale * std::exp(static_cast<double>(logProbabilities[k]));
    logits[tokens[k]] = static_cast<float>(slope);
  }
  if (isHard) logits[target] -= static_cast<float>(hardScale);
  return losses;
}

}  // namespace gateskip
