#include "train-step.h"

#include <algorithm>
#include <cmath>

#include "../parallel.h"
#include "../status.h"
#include "token-losses.h"

namespace gateskip {

namespace {

// Logits of the rows that go through the head together.
constexpr size_t headBytes = size_t{64} << 20;

}  // namespace

TrainStep::TrainStep(const TrainingModel& model, const Kernels& kernels, const TrainKernels& train, ThreadPool& pool)
    : model_(model),
      sizes_(model.sizes),
      kernels_(kernels),
      train_(train),
      pool_(pool),
      products_(pool, train, model.options.bf16 ? bf16KernelsFor(kernels.name) : nullptr),
      gateProducts_(pool, train, nullptr),
      gates_(model, kernels, train, pool, gateProducts_),
      standIns_(model, train, pool, gateProducts_),
      attention_(model.sizes, train, pool),
      d_(sizes_.hidden),
      hiddenStride_(rowStride(sizes_.hidden)),
      queryStride_(rowStride(sizes_.queryWidth())),
      kvStride_(rowStride(sizes_.kvWidth())),
      innerStride_(rowStride(sizes_.intermediate)),
      rankStride_(rowStride(model.options.loraRank)),
      branches_(sizes_.branches()),
      inputs_(branches_),
      tapes_(branches_),
      keyValues_(sizes_.layers),
      norms_(branches_ + 1),
      rowScratch_(pool.threads()) {}

void TrainStep::run(TrainRequest& request) {
  request_ = &request;
  struct Awake {
    ~Awake() { pool.endStep(); }
    ThreadPool& pool;
  } awake{pool_};
  pool_.beginStep(pool_.threads());
  begin();
  embed();
  const bool keepsTapes = request.withGradients && !model_.options.recompute;
  for (size_t branch = 0; branch < branches_; ++branch) {
    checkCancelled();
    const float* input = stream_.data();
    if (request.withGradients) {
      float* copy = inputs_[branch].ensure(rows_ * hiddenStride_);
      std::copy(input, input + rows_ * hiddenStride_, copy);
      input = copy;
    }
    forwardBranch(branch, input, keepsTapes ? tapes_[branch] : shared_, false);
  }
  head();
  if (!request.withGradients) return;
  for (size_t branch = branches_; branch-- > 0 && trainsBelow(branch + 1);) {
    checkCancelled();
    const float* input = inputs_[branch].data();
    if (!keepsTapes) forwardBranch(branch, input, shared_, true);
    backwardBranch(branch, input, keepsTapes ? tapes_[branch] : shared_);
  }
  if (request.savings != nullptr) holdBudgets();
  embeddingBackward();
}

void TrainStep::checkCancelled() const {
  if (request_->cancelled != nullptr && request_->cancelled->load(std::memory_order_relaxed)) fail(StatusCode::aborted, "The step was aborted.");
}

// Whether anything is trained in branches below `branch`, or in the embedding.
bool TrainStep::trainsBelow(size_t branch) const {
  if (model_.tokenEmbedding.gradient != nullptr) return true;
  for (size_t b = 0; b < branch; ++b) {
    if (!model_.gates.gates.empty() && model_.gates.gates[b].bias.gradient != nullptr) return true;
    if (!model_.gates.standIns.empty() && model_.gates.standIns[b].gradient != nullptr) return true;
    const TrainingLayer& layer = model_.layers[b / 2];
    const bool isAttention = b % 2 == 0;
    if ((isAttention ? layer.attentionNorm : layer.mlpNorm).gradient != nullptr) return true;
    if (isAttention && (layer.query.trains() || layer.key.trains() || layer.value.trains() || layer.attentionOutput.trains())) return true;
    if (!isAttention && (layer.mlpGate.trains() || layer.mlpUp.trains() || layer.mlpDown.trains())) return true;
  }
  return false;
}

void TrainStep::begin() {
  rows_ = request_->rows;
  segmentEnds_.clear();
  heldScores_.assign(request_->savings == nullptr ? 0 : branches_, {});
  allRows_.resize(rows_);
  for (size_t row = 0; row < rows_; ++row) {
    allRows_[row] = static_cast<uint32_t>(row);
    if (row > 0 && request_->segmentStart[row] == static_cast<int32_t>(row)) segmentEnds_.push_back(row);
  }
  segmentEnds_.push_back(rows_);
  for (size_t i = 0; i <= branches_; ++i) {
    const Parameter& from = i == branches_ ? model_.outputNorm : i % 2 == 0 ? model_.layers[i / 2].attentionNorm : model_.layers[i / 2].mlpNorm;
    float* copy = norms_[i].ensure(hiddenStride_);
    std::copy(from.value, from.value + d_, copy);
  }
  for (LayerKeyValues& layer : keyValues_) {
    layer.owner.assign(rows_, -1);
    for (AlignedBuffer<float>* buffer : {&layer.key, &layer.value, &layer.dKey, &layer.dValue}) buffer->ensure(rows_ * kvStride_);
    std::fill(layer.dKey.data(), layer.dKey.data() + rows_ * kvStride_, 0.0f);
    std::fill(layer.dValue.data(), layer.dValue.data() + rows_ * kvStride_, 0.0f);
  }
  for (AlignedBuffer<float>* buffer : {&stream_, &dStream_, &normed_, &slotsNormed_, &output_, &dOutput_, &dSlots_, &dGateInput_})
    buffer->ensure(rows_ * hiddenStride_);
  std::fill(dStream_.data(), dStream_.data() + rows_ * hiddenStride_, 0.0f);
  for (AlignedBuffer<float>* buffer : {&newKeys_, &newValues_}) buffer->ensure(rows_ * kvStride_);
  for (AlignedBuffer<float>* buffer : {&active_, &dActive_, &dGate_}) buffer->ensure(rows_ * innerStride_);
  for (AlignedBuffer<float>* buffer : {&dMixed_, &dQuery_}) buffer->ensure(rows_ * queryStride_);
  for (AlignedBuffer<float>* buffer : {&inner_, &dInner_}) buffer->ensure(rows_ * rankStride_);
  turned_.ensure(rankStride_ * std::max({innerStride_, hiddenStride_, queryStride_}));
  dGateOutput_.ensure(rows_ * gates_.widthStride());
  for (auto& scratch : rowScratch_) scratch.ensure(hiddenStride_);
  rowScales_.resize(rows_);
  const size_t half = sizes_.frequencies.size();
  for (AlignedBuffer<float>* buffer : {&cosines_, &sines_, &negativeSines_}) buffer->ensure(rows_ * half);
  forRows(pool_, rows_, 64, [&](size_t row, size_t) {
    for (size_t i = 0; i < half; ++i) {
      const double angle = request_->positions[row] * sizes_.frequencies[i];
      cosines_[row * half + i] = static_cast<float>(std::cos(angle));
      sines_[row * half + i] = static_cast<float>(std::sin(angle));
      negativeSines_[row * half + i] = -sines_[row * half + i];
    }
  });
}

void TrainStep::embed() {
  forRows(pool_, rows_, 64, [&](size_t row, size_t) {
    const float* from = model_.tokenEmbedding.value + static_cast<size_t>(request_->tokens[row]) * d_;
    std::copy(from, from + d_, stream_.data() + row * hiddenStride_);
  });
}

void TrainStep::head() {
  std::vector<uint32_t> rows;
  std::vector<uint8_t> wanted(rows_, 0);
  for (size_t i = 0; i < request_->lossRowCount; ++i) wanted[static_cast<size_t>(request_->lossRows[i])] = 1;
  for (size_t i = 0; i < request_->wantedRowCount; ++i) wanted[static_cast<size_t>(request_->wantedRows[i])] = 1;
  for (size_t row = 0; row < rows_; ++row)
    if (wanted[row]) rows.push_back(static_cast<uint32_t>(row));
  const size_t logitStride = rowStride(sizes_.vocabulary);
  const size_t most = std::min(rows.size(), std::max<size_t>(48, headBytes / (logitStride * sizeof(float)) / 48 * 48));
  logits_.ensure(most * logitStride);
  headNormed_.ensure(most * hiddenStride_);
  dHeadNormed_.ensure(most * hiddenStride_);
  for (size_t first = 0; first < rows.size(); first += most) {
    checkCancelled();
    headRows(rows, first, std::min(most, rows.size() - first));
  }
}

void TrainStep::headRows(const std::vector<uint32_t>& rows, size_t first, size_t count) {
  const size_t vocabulary = sizes_.vocabulary;
  const size_t logitStride = rowStride(vocabulary);
  TrainResults& results = request_->results;
  const auto counts = [&](size_t row) {
    return (request_->crossEntropy.targets != nullptr && request_->crossEntropy.shares[row] > 0) ||
           (request_->teacher.count > 0 && request_->teacher.shares[row] > 0);
  };
  forRows(pool_, count, 16, [&](size_t i, size_t) {
    const float* x = stream_.data() + rows[first + i] * hiddenStride_;
    const float scale = kernels_.inverseRms(x, d_, sizes_.epsilon);
    rowScales_[rows[first + i]] = scale;
    kernels_.scaleBy(x, scale, norms_[branches_].data(), headNormed_.data() + i * hiddenStride_, roundUp(d_, 16));
  });
  project(model_.output, headNormed_.data(), hiddenStride_, count, logits_.data(), logitStride);
  checkCancelled();
  std::vector<TokenLosses> losses(count);
  pool_.run(count, [&](size_t i, size_t) {
    const size_t row = rows[first + i];
    float* logits = logits_.data() + i * logitStride;
    if (results.logits != nullptr) {
      const int32_t* end = request_->wantedRows + request_->wantedRowCount;
      const int32_t* place = std::lower_bound(request_->wantedRows, end, static_cast<int32_t>(row));
      if (place != end && *place == static_cast<int32_t>(row))
        std::copy(logits, logits + vocabulary, results.logits + static_cast<size_t>(place - request_->wantedRows) * vocabulary);
    }
    if (counts(row))
      losses[i] = tokenLosses(train_, *request_, row, logits, vocabulary);
    else
      std::fill(logits, logits + vocabulary, 0.0f);
  });
  for (size_t i = 0; i < count; ++i) {
    const size_t row = rows[first + i];
    if (request_->crossEntropy.targets != nullptr && request_->crossEntropy.shares[row] > 0)
      results.crossEntropy += request_->crossEntropy.shares[row] * losses[i].crossEntropy;
    if (request_->teacher.count == 0 || !(request_->teacher.shares[row] > 0)) continue;
    results.teacher += request_->teacher.shares[row] * losses[i].teacher;
    results.teacherShares += request_->teacher.shares[row];
    if (losses[i].agrees) results.agreement += request_->teacher.shares[row];
  }
  if (!request_->withGradients) return;
  projectBackward(model_.output, logits_.data(), logitStride, count, dHeadNormed_.data(), hiddenStride_, false);
  trainProjection(model_.output, headNormed_.data(), hiddenStride_, logits_.data(), logitStride, count);
  // As `normBackward`, of rows that have no branch.
  const float* weight = norms_[branches_].data();
  forRows(pool_, count, 16, [&](size_t i, size_t thread) {
    const size_t row = rows[first + i];
    const float* x = stream_.data() + row * hiddenStride_;
    const float* slope = dHeadNormed_.data() + i * hiddenStride_;
    float* weighed = rowScratch_[thread].data();
    for (size_t j = 0; j < d_; ++j) weighed[j] = slope[j] * weight[j];
    const double scale = static_cast<double>(rowScales_[row]);
    const double back = train_.dot(weighed, x, d_) * scale * scale * scale / static_cast<double>(d_);
    float* target = dStream_.data() + row * hiddenStride_;
    train_.addScaled(target, weighed, static_cast<float>(scale), d_);
    train_.addScaled(target, x, static_cast<float>(-back), d_);
  });
  if (model_.outputNorm.gradient == nullptr) return;
  pool_.run((d_ + 63) / 64, [&](size_t task, size_t) {
    for (size_t i = 0; i < count; ++i) {
      const size_t row = rows[first + i];
      for (size_t j = task * 64; j < std::min(d_, task * 64 + 64); ++j)
        model_.outputNorm.gradient[j] += dHeadNormed_[i * hiddenStride_ + j] * stream_[row * hiddenStride_ + j] * rowScales_[row];
    }
  });
}

void TrainStep::embeddingBackward() {
  float* gradient = model_.tokenEmbedding.gradient;
  if (gradient == nullptr) return;
  // Rows of one token add up in their order: the columns are dealt, not the rows.
  pool_.run((d_ + 63) / 64, [&](size_t task, size_t) {
    const size_t from = task * 64;
    for (size_t row = 0; row < rows_; ++row)
      train_.addScaled(gradient + static_cast<size_t>(request_->tokens[row]) * d_ + from, dStream_.data() + row * hiddenStride_ + from, 1.0f,
                       std::min<size_t>(64, d_ - from));
  });
}

}  // namespace gateskip
