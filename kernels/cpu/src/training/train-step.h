// One training step: forward of a micro-batch and, where wanted, exact backward into the gradients of what is trained
// (docs/training-step.md). Buffers are kept between steps. "Slots" are rows in the order of a branch: those that it keeps,
// then those that skip it.
#pragma once
#include <memory>
#include <vector>

#include "attention-pass.h"
#include "gate-pass.h"
#include "stand-in-pass.h"
#include "train-request.h"

namespace gateskip {

// What one pass over a branch leaves for its backward.
struct BranchTape {
  std::vector<uint8_t> skipped;  // [N]
  std::vector<uint32_t> order;   // [N]: slot -> row
  std::vector<uint32_t> slots;   // [N]: row -> slot
  size_t kept = 0;
  size_t computed = 0;  // slots whose output is there
  bool hasThreshold = false;
  double threshold = 0;
  GateTape gate;
  AlignedBuffer<float> output;          // [computed, d], before the gate weighs it; where something asks for it later
  AlignedBuffer<float> query, mixed;    // [computed, q]; query rotated, mixed before the output projection
  AlignedBuffer<float> mlpGate, mlpUp;  // [computed, ff]
};

// Gradients of a branch's scores that wait for the price of a MAC.
struct HeldScores {
  std::vector<double> gains;   // [N]: slope times what keeping the row is worth; empty: none
  std::vector<double> slopes;  // [N]: slope times what skipping it saves
};

// K (rotated) and V of one layer's rows and what flows back into them: [N, kv] each.
struct LayerKeyValues {
  AlignedBuffer<float> key, value, dKey, dValue;
  std::vector<int32_t> owner;  // [N]: layer that projected what the row left here; -1 where it left nothing
};

class TrainStep {
 public:
  TrainStep(const TrainingModel& model, const Kernels& kernels, const TrainKernels& train, ThreadPool& pool);

  // Throws Failure; gradients are then partly added to.
  void run(TrainRequest& request);

 private:
  // train-step.cc
  void begin();
  void embed();
  void head();
  void headRows(const std::vector<uint32_t>& rows, size_t first, size_t count);
  void embeddingBackward();
  void checkCancelled() const;
  bool trainsBelow(size_t branch) const;

  // branch-pass.cc: forward
  void forwardBranch(size_t branch, const float* input, BranchTape& tape, bool isReplay);
  void norm(const float* input, const float* weight);
  void takeSlots(const BranchTape& tape, size_t count);
  bool asksGate(size_t branch) const;
  bool multiplies() const;
  bool ranksByGate(size_t branch) const;
  bool isSurrogate(size_t branch) const { return request_->straightThrough && ranksByGate(branch); }
  bool isRegularised(size_t branch) const { return request_->gateLoss.kind != GateLossKind::none && request_->gateLoss.branches[branch] != 0; }
  bool keepsOutput(size_t branch) const { return multiplies() || isSurrogate(branch) || model_.gates.after; }
  void decideRows(size_t branch, BranchTape& tape);
  // Whether skipping rows get stand-ins.
  bool standsIn() const { return request_->plan.standIns && !model_.gates.standIns.empty(); }
  const float* factors(const BranchTape& tape, size_t row) const { return tape.gate.output.data() + row * gates_.widthStride(); }

  // branch-backward.cc
  void backwardBranch(size_t branch, const float* input, BranchTape& tape);
  const float* gateBackward(size_t branch, const BranchTape& tape);
  void gateUpstream(size_t branch, const BranchTape& tape, float* dOutput, std::vector<double>& dScores, bool hasScores);
  double gateLoss(const BranchTape& tape, float* dOutput) const;
  // held-budget.cc
  void holdBudgets();
  std::vector<double> segmentPrices() const;
  void standInBackward(size_t branch, const BranchTape& tape);
  // dStandIn: of the rows that skip, in their order, or null; is written to.
  void normBackward(const float* input, const Parameter& weight, const BranchTape& tape, size_t slots, const float* dGateInput, float* dStandIn);

  // sublayers.cc
  bool adds(const Projection& projection) const { return projection.rank > 0 && request_->plan.loraStrength > 0; }
  float addedScale(const Projection& projection) const { return projection.scale * request_->plan.loraStrength; }
  void project(const Projection& projection, const float* x, size_t xStride, size_t rows, float* y, size_t yStride);
  // Also leaves what `trainProjection` of the same rows reads; dx may be null.
  void projectBackward(const Projection& projection, const float* dy, size_t dyStride, size_t rows, float* dx, size_t dxStride, bool accumulate);
  void trainProjection(const Projection& projection, const float* x, size_t xStride, const float* dy, size_t dyStride, size_t rows);
  size_t projectedSlots(size_t layer, const BranchTape& tape) const;
  void keyValues(size_t layer, const BranchTape& tape, bool isReplay);
  AttentionRows attentionRows(size_t layer, const BranchTape& tape, size_t slots);
  void attention(size_t layer, BranchTape& tape, float* output, bool isReplay);
  void mlp(size_t layer, BranchTape& tape, float* output);
  // From dOutput_ [kept, d] to dSlots_; return the slots that have a gradient there.
  size_t attentionBackward(size_t layer, BranchTape& tape);
  size_t mlpBackward(size_t layer, BranchTape& tape);
  void rotate(float* row, size_t heads, size_t position, bool back) const;

  const TrainingModel& model_;
  const ModelSizes& sizes_;
  const Kernels& kernels_;
  const TrainKernels& train_;
  ThreadPool& pool_;
  Products products_;
  Products gateProducts_;  // always in f32: what skips hangs on them
  GatePass gates_;
  StandInPass standIns_;
  AttentionPass attention_;
  size_t d_, hiddenStride_, queryStride_, kvStride_, innerStride_, rankStride_;
  size_t branches_;

  TrainRequest* request_ = nullptr;
  size_t rows_ = 0;
  std::vector<size_t> segmentEnds_;
  std::vector<uint32_t> allRows_;
  std::vector<AlignedBuffer<float>> inputs_;   // [2L]: the stream before each branch, [N, d]
  std::vector<BranchTape> tapes_;              // [2L] where they are kept
  BranchTape shared_;                          // else
  std::vector<LayerKeyValues> keyValues_;      // [L]
  std::vector<AlignedBuffer<float>> norms_;    // [2L + 1], padded copies of what the norms are now
  AlignedBuffer<float> cosines_, sines_, negativeSines_;  // [N, ropeSize / 2]
  AlignedBuffer<float> stream_, dStream_;      // [N, d]
  AlignedBuffer<float> normed_;                // [N, d] by rows
  AlignedBuffer<float> slotsNormed_;           // [N, d] by slots
  AlignedBuffer<float> output_;                // [N, d]
  AlignedBuffer<float> newKeys_, newValues_;   // [N, kv] by slots
  AlignedBuffer<float> active_, dActive_, dGate_;  // [N, ff]
  AlignedBuffer<float> inner_, dInner_, turned_;   // [N, rank], [N, rank], [rank, outputs]
  AlignedBuffer<float> dOutput_, dSlots_;      // [N, d]
  AlignedBuffer<float> dMixed_, dQuery_;       // [N, q]
  AlignedBuffer<float> dGateOutput_, dGateInput_;
  AlignedBuffer<float> logits_, headNormed_, dHeadNormed_;
  std::vector<AlignedBuffer<float>> rowScratch_;  // by thread, [d]
  std::vector<float> rowScales_;
  std::vector<HeldScores> heldScores_;         // [2L], of the branches that had any
  std::vector<float> scores_;
  std::vector<uint8_t> runs_;
};

}  // namespace gateskip
