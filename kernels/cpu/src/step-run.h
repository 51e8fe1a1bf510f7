// The state of one step while it runs through the layers. Rows are the step's rows; "compact" buffers hold a subset of
// them side by side, in the order of a list of row numbers.
#pragma once
#include <functional>
#include <vector>

#include "parallel.h"
#include "runner.h"

namespace gateskip {

class StepRun {
 public:
  StepRun(Runner& runner, const StepRequest& request);
  void run();

 private:
  // step-run.cc
  void checkRequest();
  void embed();
  void runBranch(size_t branch);
  void count(size_t branch);
  void recordBefore(size_t branch, const AlignedBuffer<float>& norm);
  void recordAfter(size_t branch);
  void writeLogits();
  void checkCancelled() const;

  // scoring.cc
  void scoreRows(size_t branch, const AlignedBuffer<float>& norm);
  void scoreScalar(size_t branch, size_t row);
  // Scores a row for the next branch while it is at hand, where that needs nothing but the row.
  void scoreAhead(size_t row);
  void decideRows(size_t branch);
  bool needsGate(const StepPlan& plan, size_t branch) const;
  // Whether the gate's product applies to a row of this plan.
  bool multiplies(const StepPlan& plan) const { return gates_.present && gates_.multiplies && plan.scorer == Scorer::gate; }

  // stand-in-rows.cc
  void addStandIns(size_t branch, const RowList& rows, size_t thread);
  size_t standInFloats() const;  // scratch of one thread
  bool standsIn(size_t row) const { return runs_[row] == 0 && planOf(row).standIns && !gates_.standIns.empty(); }

  // attention-branch.cc
  void attention(size_t branch);
  void takeKvRows(size_t layer, const std::vector<uint32_t>& computed);
  // Of `rows`, those before `queryRows` in the whole list ask for their queries, all for K and V on the first run.
  void projectInputs(size_t layer, const Crew& crew, const RowList& rows, size_t queryRows, size_t pass);
  void projectOutput(size_t branch, const Crew& crew, const RowList& rows, size_t pass);
  void rotateAndStore(size_t layer, const Crew& crew, const RowList& rows, size_t queryRows, bool storeKv);

  // attend.cc
  void attend(size_t layer, const std::vector<uint32_t>& rows);

  // mlp-branch.cc
  void mlp(size_t branch);
  void mlpRows(size_t branch, const Crew& crew, const RowList& rows, size_t pass);
  // silu(gate x) * up x, in the form that the last product reads.
  Activations mlpInner(size_t layerIndex, const Crew& crew, const Activations& x, const RowList& rows);

  // by-rows.cc
  Crew everyone() { return {pool_, scratch_.shared}; }
  Crew alone(size_t thread) { return {alone_, scratch_.own[thread]}; }
  bool byRows(size_t rows, size_t pass) const;
  // What ends a branch: work(crew, rows) for `rows`, and, on its last run, the stand-ins of others.
  using RowWork = std::function<void(const Crew&, const RowList&)>;
  // `list`, of which the rows from `split` on have less to do.
  void dealRows(size_t split, size_t count, const RowWork& work, const uint32_t* list);
  void finish(size_t branch, const std::vector<uint32_t>& rows, size_t pass, const RowWork& work);

  // Norms rows of the stream for the matrices that read them: as int8 for those in block formats, as floats in the compact buffer
  // `normed` for others, for what else reads them, and for no matrices at all.
  Activations normRows(const Crew& crew, const RowList& rows, const AlignedBuffer<float>& norm, std::initializer_list<const PackedMatrix*> readers);
  // int8 of compact rows that are floats already.
  Activations quantizeRows(const Crew& crew, const float* values, size_t rows, size_t stride, bool quantized);
  // Of `rows`: of the first `forAll` ranks, and of the others for the first `rowsWithRest` rows.
  AddedInner lowRankInner(const Crew& crew, const LowRankDown& down, const Activations& x, const RowList& rows, size_t forAll, size_t rowsWithRest);
  AddedInner lowRankInner(const Crew& crew, const LowRankDown& down, const Activations& x, const RowList& rows) {
    return lowRankInner(crew, down, x, rows, down.ranks, rows.count);
  }
  // Empty where no plan of the step adds anything.
  const LayerLowRank& lowRankLayer(size_t layer) const;
  // What the next lowRankInner reads, where few rows would wait for it.
  static void askForDown(const LowRankDown& down, size_t rows) {
    if (rows <= 8) askFor(down.data, down.sizeBytes());
  }
  // stream[row] += product of the compact rows, times the gate where it multiplies.
  void addToStream(size_t branch, const Crew& crew, const RowList& rows, size_t productStride, size_t pass);
  bool isLast(size_t pass) const { return pass == 1 || twice_.empty(); }

  const StepPlan& planOf(size_t row) const { return request_.plans[planOfRow_[row]]; }
  float* streamRow(size_t row) { return scratch_.stream.data() + row * hiddenStride_; }
  // 1 / rms of a row of the stream: scoring, the branch and its stand-in all need it. One thread at a time per row.
  float inverseRmsOf(size_t row) {
    if (inverseRms_[row] == 0) inverseRms_[row] = kernels_.inverseRms(streamRow(row), sizes_.hidden, sizes_.epsilon);
    return inverseRms_[row];
  }

  Runner& runner_;
  const StepRequest& request_;
  const ModelWeights& weights_;
  const ModelSizes& sizes_;
  const GateModel& gates_;
  const Kernels& kernels_;
  ThreadPool& pool_;
  StepScratch& scratch_;
  ThreadPool alone_{1};  // for one thread that works by itself; it keeps nothing, so all of them share it
  size_t rows_;
  size_t hiddenStride_;
  double gateMacs_;
  bool addsLowRank_ = false;                // whether any plan has a share of the low-rank additions
  std::vector<float> strengths_;            // row -> that share
  std::vector<uint32_t> planOfRow_;
  std::vector<uint32_t> positions_;
  std::vector<Sequence*> sequenceOfRow_;
  std::vector<std::vector<uint32_t>> rowsOfPlan_;
  // Of the current branch:
  size_t branch_ = 0;
  std::vector<float> inverseRms_;           // row -> what inverseRmsOf found; 0: not known, or the row has changed since
  std::vector<uint8_t> runs_;               // times the branch runs for a row
  std::vector<uint32_t> kept_;              // rows that run at least once
  std::vector<uint32_t> twice_;             // rows that run twice
  std::vector<uint32_t> replaced_;          // rows that get a stand-in
  std::vector<uint8_t> scoresAhead_;        // plan -> whether its rows can be scored for the next branch
  std::vector<uint8_t> scored_;             // row -> whether that has been done
  std::vector<uint32_t> gated_;             // rows whose gate was evaluated, for the place of their factors
  std::vector<uint32_t> factorSlot_;        // row -> index into gated_
  std::vector<float> scalarFactor_;         // row -> factor of a scalar gate
  std::vector<uint8_t*> kvTarget_;         // row -> K/V row to fill, or null
};

}  // namespace gateskip
