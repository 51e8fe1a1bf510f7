// A loaded model with its sequences, and one step through it.
#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "crew.h"
#include "kernels.h"
#include "kv-layout.h"
#include "kv-pool.h"
#include "model-weights.h"
#include "ranking.h"
#include "sequence.h"
#include "thread-choice.h"
#include "thread-pool.h"

namespace gateskip {

enum class Scorer : uint8_t { none = 0, gate = 1, random = 2, given = 3 };

// Whether scores come from elsewhere: then no gate is asked, not even to report what it would have said.
inline bool scoresWithoutGates(Scorer scorer) { return scorer == Scorer::random || scorer == Scorer::given; }
enum class KvMode : uint8_t { project = 0, absent = 1, alias = 2 };

struct StepSegment {
  uint32_t sequence;
  uint32_t start;
  uint32_t length;
  uint32_t plan;
};

struct StepPlan {
  Scorer scorer;
  KvMode kv;
  bool standIns;
  float loraStrength;     // 0..1: share of the low-rank additions
  uint32_t seed;
  const uint8_t* rules;   // [2L]
  const float* values;    // [2L]
  const uint8_t* pinned;  // [R] or null
  const float* scores;    // [2L, R] with Scorer::given
};

// Where results go; null where not wanted. All memory is the caller's.
struct StepOutputs {
  float* logits = nullptr;      // [outputs, vocabulary]
  int32_t* topTokens = nullptr; // [outputs, topCount]
  float* topLogits = nullptr;
  float* logSumExp = nullptr;   // [outputs]
  float* picked = nullptr;      // [picks]
  uint32_t* kept = nullptr;     // [plans, 2L]
  double* macs = nullptr;       // [plans]
  double* denseMacs = nullptr;  // [plans]
  float* scores = nullptr;      // [2L, R]
  uint8_t* keptRows = nullptr;  // [2L, R]
  float* hiddenInputs = nullptr;   // [2L, R, d]
  float* hiddenOutputs = nullptr;  // [2L, R, d]
  float* streamNorms = nullptr;    // [2L, R]
};

struct StepRequest {
  const int32_t* tokens = nullptr;
  size_t rows = 0;
  std::vector<StepSegment> segments;
  std::vector<StepPlan> plans;
  const int32_t* outputs = nullptr;
  size_t outputCount = 0;
  size_t topCount = 0;  // 0: all logits
  const int32_t* pickOutputs = nullptr;  // [picks] index into outputs, never descending
  const int32_t* pickTokens = nullptr;   // [picks]
  size_t pickCount = 0;
  StepOutputs out;
  const std::atomic<bool>* cancelled = nullptr;
};

// Buffers of a step, grown to the largest step seen.
struct StepScratch {
  AlignedBuffer<float> stream, paddedQueries, attended, standIns, logits;
  AlignedBuffer<float> cosines, sines, attendScratch, attendPartials, scores;
  BranchScratch shared;             // of all threads together
  std::vector<BranchScratch> own;   // of each thread
};

class Runner {
 public:
  // adaptsThreads: steps of few rows use as many threads as were fastest lately (else all).
  Runner(const Kernels& kernels, std::unique_ptr<ThreadPool> pool, ModelWeights weights, GateModel gates, size_t maxTokens, KvFormat kvFormat,
         bool adaptsThreads);

  uint32_t openSequence();
  uint32_t fork(uint32_t sequence, uint32_t length);
  void truncate(uint32_t sequence, uint32_t length);
  void closeSequence(uint32_t sequence);
  // Tokens of a sequence, or -1 where none of that id is open.
  int64_t sequenceLength(uint32_t sequence) const;
  size_t sequenceRows(uint32_t sequence);
  size_t totalTokens() const;

  // All or nothing. Throws Failure.
  void step(const StepRequest& request);

  const Kernels& kernels() const { return kernels_; }
  ThreadPool& pool() { return *pool_; }
  const ThreadChoice& threadChoice() const { return threadChoice_; }
  const ModelWeights& weights() const { return weights_; }
  const GateModel& gates() const { return gates_; }
  KvPool& kv() { return kv_; }
  const KvLayout& kvLayout() const { return kvLayout_; }
  StepScratch& scratch() { return scratch_; }
  Sequence& sequence(uint32_t id);

 private:
  const Kernels& kernels_;
  std::unique_ptr<ThreadPool> pool_;
  ThreadChoice threadChoice_;
  ModelWeights weights_;
  GateModel gates_;
  KvLayout kvLayout_;
  KvPool kv_;
  StepScratch scratch_;
  std::map<uint32_t, Sequence> sequences_;
  uint32_t nextSequence_ = 1;
};

}  // namespace gateskip
