// One training step as plain numbers, checked by the caller (packages/backend, TrainStepInput: the definitions).
#pragma once
#include <atomic>
#include <cstdint>
#include <vector>

#include "../step-run.h"

namespace gateskip {

enum class GateLossKind : uint8_t { none = 0, l2 = 1, l1 = 2, density = 3 };

struct TrainTeacher {
  size_t count = 0;                          // K; 0: no teacher
  const int32_t* tokens = nullptr;           // [N, K]
  const float* logProbabilities = nullptr;   // [N, K]
  const float* tailMass = nullptr;           // [N]
  const double* shares = nullptr;            // [N]: row weight / divisor
  double weight = 0;
};

struct TrainCrossEntropy {
  const int32_t* targets = nullptr;  // [N]; null: no such part
  const double* shares = nullptr;    // [N]
  double weight = 0;
};

struct TrainGateLoss {
  GateLossKind kind = GateLossKind::none;
  double weight = 0;
  double density = 0;
  const uint8_t* rows = nullptr;      // [N] or null: all
  const uint8_t* branches = nullptr;  // [2L]: 1 = counts
};

struct TrainResults {
  uint8_t* keptRows = nullptr;  // [2L, N]
  float* scores = nullptr;      // [2L, N] or null
  float* gains = nullptr;       // [2L, N] or null; written where scores are taught
  float* logits = nullptr;      // [wanted rows, vocabulary] or null
  double crossEntropy = 0;
  double teacher = 0;
  double gates = 0;
  double agreement = 0;
  double teacherShares = 0;
};

struct TrainRequest {
  size_t rows = 0;
  const int32_t* tokens = nullptr;
  const int32_t* positions = nullptr;
  const int32_t* segmentStart = nullptr;
  StepPlan plan{};
  bool straightThrough = false;
  double temperature = 0;           // 0: slope 1
  bool teachesSkippedOnly = false;  // scores of kept rows get nothing
  const double* savings = nullptr;  // [2L]: MACs that a skip saves; null: budgets are not held
  const int32_t* lossRows = nullptr;
  size_t lossRowCount = 0;
  const int32_t* wantedRows = nullptr;
  size_t wantedRowCount = 0;
  TrainCrossEntropy crossEntropy;
  TrainTeacher teacher;
  TrainGateLoss gateLoss;
  bool withGradients = true;
  TrainResults results;
  const std::atomic<bool>* cancelled = nullptr;
};

}  // namespace gateskip
