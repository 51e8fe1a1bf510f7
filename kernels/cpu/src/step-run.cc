#include "step-run.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "logits.h"
#include "status.h"
#include "step.h"

namespace gateskip {

void runStep(Runner& runner, const StepRequest& request) {
  StepRun run(runner, request);
  run.run();
}

StepRun::StepRun(Runner& runner, const StepRequest& request)
    : runner_(runner),
      request_(request),
      weights_(runner.weights()),
      sizes_(runner.weights().sizes),
      gates_(runner.gates()),
      kernels_(runner.kernels()),
      pool_(runner.pool()),
      scratch_(runner.scratch()),
      rows_(request.rows),
      hiddenStride_(sizes_.hiddenStride()),
      gateMacs_(gates_.present ? gates_.macs(sizes_.hidden) : 0) {
  checkRequest();
  for (const StepPlan& plan : request.plans) addsLowRank_ = addsLowRank_ || plan.loraStrength > 0;
  planOfRow_.resize(rows_);
  strengths_.resize(rows_);
  positions_.resize(rows_);
  sequenceOfRow_.resize(rows_);
  rowsOfPlan_.resize(request.plans.size());
  for (const StepSegment& segment : request.segments) {
    Sequence& sequence = runner.sequence(segment.sequence);
    for (uint32_t i = 0; i < segment.length; ++i) {
      const uint32_t row = segment.start + i;
      planOfRow_[row] = segment.plan;
      strengths_[row] = request.plans[segment.plan].loraStrength;
      positions_[row] = sequence.length + i;
      sequenceOfRow_[row] = &sequence;
      rowsOfPlan_[segment.plan].push_back(row);
    }
    for (LayerRows& layer : sequence.layers) layer.reserveMore(segment.length);
  }
  inverseRms_.assign(rows_, 0.0f);
  runs_.resize(rows_);
  factorSlot_.resize(rows_);
  scalarFactor_.resize(rows_);
  kvTarget_.resize(rows_);
  scoresAhead_.resize(request.plans.size());
  scored_.resize(rows_);
  scratch_.own.resize(pool_.threads());
  scratch_.standIns.ensure(pool_.threads() * standInFloats());
}

// The caller has checked the request and told the user what is wrong; here nothing may be read outside its buffers.
void StepRun::checkRequest() {
  size_t next = 0;
  for (const StepSegment& segment : request_.segments) {
    if (segment.start != next || segment.length == 0 || segment.length > rows_ - next || segment.plan >= request_.plans.size())
      fail(StatusCode::invalidArgument, "The segments do not cover the rows in order.");
    if (runner_.sequence(segment.sequence).length + size_t{segment.length} > sizes_.context)
      fail(StatusCode::invalidArgument, "A segment is longer than the context.");
    next += segment.length;
  }
  if (next != rows_ || rows_ == 0) fail(StatusCode::invalidArgument, "The segments do not cover the rows in order.");
  for (size_t row = 0; row < rows_; ++row)
    if (request_.tokens[row] < 0 || static_cast<size_t>(request_.tokens[row]) >= sizes_.vocabulary)
      fail(StatusCode::invalidArgument, "A token is outside the vocabulary.");
  for (size_t i = 0; i < request_.outputCount; ++i)
    if (request_.outputs[i] < 0 || static_cast<size_t>(request_.outputs[i]) >= rows_) fail(StatusCode::invalidArgument, "An output row is outside the step.");
  for (size_t i = 0; i < request_.pickCount; ++i) {
    const int32_t output = request_.pickOutputs[i];
    const int32_t token = request_.pickTokens[i];
    if (output < (i == 0 ? 0 : request_.pickOutputs[i - 1]) || static_cast<size_t>(output) >= request_.outputCount)
      fail(StatusCode::invalidArgument, "A picked logit is of no output row, or they descend.");
    if (token < 0 || static_cast<size_t>(token) >= sizes_.vocabulary) fail(StatusCode::invalidArgument, "A picked logit is of no token.");
  }
  if (request_.topCount > sizes_.vocabulary) fail(StatusCode::invalidArgument, "More logits are asked than there are tokens.");
}

void StepRun::checkCancelled() const {
  if (request_.cancelled != nullptr && request_.cancelled->load(std::memory_order_relaxed)) fail(StatusCode::aborted, "The step was aborted.");
}

void StepRun::run() {
  embed();
  for (size_t branch = 0; branch < sizes_.branches(); ++branch) {
    checkCancelled();
    runBranch(branch);
  }
  checkCancelled();
  writeLogits();
}

void StepRun::embed() {
  scratch_.stream.ensure(rows_ * hiddenStride_);
  const size_t half = sizes_.frequencies.size();
  float* cosines = scratch_.cosines.ensure(rows_ * half);
  float* sines = scratch_.sines.ensure(rows_ * half);
  forRows(pool_, rows_, 16, [&](size_t row, size_t) {
    float* x = streamRow(row);
    std::fill(x, x + hiddenStride_, 0.0f);
    unpackRow(weights_.tokenEmbedding.shape, static_cast<size_t>(request_.tokens[row]), x);
    for (size_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(positions_[row]) * sizes_.frequencies[i];
      cosines[row * half + i] = static_cast<float>(std::cos(angle));
      sines[row * half + i] = static_cast<float>(std::sin(angle));
    }
  });
  const double layers = static_cast<double>(sizes_.layers);
  const double d = static_cast<double>(sizes_.hidden);
  const double q = static_cast<double>(sizes_.queryWidth());
  const double kv = static_cast<double>(sizes_.kvWidth());
  const double fixed = d * (q + 2 * kv) + q * d + 3 * d * static_cast<double>(sizes_.intermediate);
  for (size_t row = 0; row < rows_; ++row) request_.out.denseMacs[planOfRow_[row]] += layers * (fixed + 2 * q * (positions_[row] + 1.0));
}

void StepRun::runBranch(size_t branch) {
  branch_ = branch;
  const LayerWeights& layer = weights_.layers[branch / 2];
  const AlignedBuffer<float>& norm = branch % 2 == 0 ? layer.attentionNorm : layer.mlpNorm;
  scoreRows(branch, norm);
  decideRows(branch);
  recordBefore(branch, norm);
  if (branch % 2 == 0)
    attention(branch);
  else
    mlp(branch);
  count(branch);
  recordAfter(branch);
}

// Attention counts its own products where it knows how many rows each query saw.
void StepRun::count(size_t branch) {
  const double mlpMacs = 3.0 * static_cast<double>(sizes_.hidden) * static_cast<double>(sizes_.intermediate);
  for (size_t row = 0; row < rows_; ++row) {
    const StepPlan& plan = planOf(row);
    const uint32_t planIndex = planOfRow_[row];
    const bool ranked = plan.scorer == Scorer::gate && ruleRanks(static_cast<Rule>(plan.rules[branch]));
    double& macs = request_.out.macs[planIndex];
    if (ranked) macs += gateMacs_;
    if (runs_[row] == 0) {
      if (plan.standIns && !gates_.standIns.empty()) macs += gates_.standIns.macs(sizes_.hidden);
      continue;
    }
    request_.out.kept[planIndex * sizes_.branches() + branch] += 1;
    if (!ranked && multiplies(plan)) macs += runs_[row] * gateMacs_;
    if (branch % 2 == 1) macs += runs_[row] * (mlpMacs + (plan.loraStrength > 0 ? weights_.lowRank.mlpMacs : 0));
  }
}

Activations StepRun::normRows(const Crew& crew, const RowList& rows, const AlignedBuffer<float>& norm, std::initializer_list<const PackedMatrix*> readers) {
  const auto isQuantized = [](const PackedMatrix* matrix) { return matrix->quantized(); };
  const bool quantized = std::any_of(readers.begin(), readers.end(), isQuantized);
  const bool readAgain = addsLowRank_ || (gates_.present && (gates_.multiplies || gates_.after));
  const bool floats = !quantized || readAgain || !std::all_of(readers.begin(), readers.end(), isQuantized);
  // What is read as int8 alone stays in the core's own cache: writing it out would be as much memory traffic as the stream itself.
  float* normed = crew.scratch.normed.ensure((floats ? rows.count : crew.pool.threads()) * hiddenStride_);
  const Activations x = crew.scratch.int8.room(floats ? normed : nullptr, rows.count, hiddenStride_, quantized);
  forRows(crew.pool, rows.count, 8, [&](size_t i, size_t thread) {
    float* to = normed + (floats ? i : thread) * hiddenStride_;
    kernels_.scaleBy(streamRow(rows[i]), inverseRmsOf(rows[i]), norm.data(), to, hiddenStride_);
    if (quantized) crew.scratch.int8.quantize(kernels_, hiddenStride_, i, 0, to, hiddenStride_ / blockColumns);
  });
  return x;
}

Activations StepRun::quantizeRows(const Crew& crew, const float* values, size_t rows, size_t stride, bool quantized) {
  const Activations x = crew.scratch.int8.room(values, rows, stride, quantized);
  if (quantized) forRows(crew.pool, rows, 8, [&](size_t i, size_t) { crew.scratch.int8.quantize(kernels_, stride, i, 0, values + i * stride, stride / blockColumns); });
  return x;
}

const LayerLowRank& StepRun::lowRankLayer(size_t layer) const {
  static const LayerLowRank none;
  return addsLowRank_ ? weights_.lowRank.layer(layer) : none;
}

AddedInner StepRun::lowRankInner(const Crew& crew, const LowRankDown& down, const Activations& x, const RowList& rows, size_t forAll, size_t rowsWithRest) {
  if (down.ranks == 0) return {};
  float* memory = crew.scratch.lowRank.ensure(AddedInner::floats(crew.pool, rows.count, down.ranks));
  return {{&kernels_, &down, weights_.lowRank.scale, x, rows.ids, rows.count, strengths_.data(), forAll, rowsWithRest},
          crew.pool,
          memory,
          crew.scratch.lowRankMade.ensure(crew.pool.threads())};
}

void StepRun::addToStream(size_t branch, const Crew& crew, const RowList& rows, size_t productStride, size_t pass) {
  const float* product = crew.scratch.product.data();
  const float* factors = scratch_.shared.factors.data();
  const size_t width = roundUp(sizes_.hidden, 16);
  const bool anyProduct = gates_.present && gates_.multiplies;
  const bool asksGates = anyProduct || (gates_.present && gates_.after && request_.out.scores != nullptr);
  const bool asksAgain = asksGates && (gates_.after || pass > 0);
  // Gates that read the branch's output are asked here; those of a second run read what that run read.
  if (asksAgain) {
    if (gates_.after) {
      float* input = crew.scratch.normed.ensure(rows.count * hiddenStride_);
      for (size_t i = 0; i < rows.count; ++i) {
        std::copy(product + i * productStride, product + i * productStride + width, input + i * hiddenStride_);
        std::fill(input + i * hiddenStride_ + width, input + (i + 1) * hiddenStride_, 0.0f);
      }
    }
    const float* input = crew.scratch.normed.data();
    const Gate& gate = gates_.gates[branch];
    std::vector<float> scores(rows.count);
    if (gates_.scalar()) {
      for (size_t i = 0; i < rows.count; ++i)
        scores[i] = logisticOf(static_cast<double>(kernels_.dot(input + i * hiddenStride_, gate.scalarWeight.data(), sizes_.hidden)) + gate.scalarBias);
    } else {
      float* asked = crew.scratch.factors.ensure(rows.count * hiddenStride_);
      evaluateGate(gate, gates_, sizes_, kernels_, crew.pool, input, rows.count, crew.scratch.gate, asked, scores.data());
      factors = asked;
    }
    for (size_t i = 0; i < rows.count; ++i) {
      scalarFactor_[rows[i]] = scores[i];
      if (gates_.after && pass == 0 && request_.out.scores != nullptr && !scoresWithoutGates(planOf(rows[i]).scorer))
        request_.out.scores[branch * rows_ + rows[i]] = scores[i];
    }
  }
  const bool last = isLast(pass);
  forRows(crew.pool, rows.count, 8, [&](size_t i, size_t) {
    const uint32_t row = rows[i];
    inverseRms_[row] = 0;
    float* x = streamRow(row);
    const float* y = product + i * productStride;
    if (anyProduct && multiplies(planOf(row))) {
      if (gates_.scalar()) {
        const float factor = scalarFactor_[row];
        for (size_t j = 0; j < width; ++j) x[j] += factor * y[j];
      } else {
        kernels_.addProduct(x, y, factors + (asksAgain ? i : size_t{factorSlot_[row]}) * hiddenStride_, width);
      }
    } else {
      kernels_.add(x, y, width);
    }
    if (last) scoreAhead(row);
  });
}

void StepRun::recordBefore(size_t branch, const AlignedBuffer<float>& norm) {
  if (request_.out.hiddenInputs == nullptr) return;
  const size_t d = sizes_.hidden;
  std::vector<float> normed(hiddenStride_);
  for (size_t row = 0; row < rows_; ++row) {
    const float* x = streamRow(row);
    const size_t at = branch * rows_ + row;
    kernels_.scaleBy(x, inverseRmsOf(row), norm.data(), normed.data(), hiddenStride_);
    std::copy(normed.begin(), normed.begin() + static_cast<std::ptrdiff_t>(d), request_.out.hiddenInputs + at * d);
    // The stream before the branch, until recordAfter turns it into what was added.
    std::copy(x, x + d, request_.out.hiddenOutputs + at * d);
    request_.out.streamNorms[at] = kernels_.squaredNorm(x, d);
  }
}

void StepRun::recordAfter(size_t branch) {
  if (request_.out.hiddenOutputs == nullptr) return;
  const size_t d = sizes_.hidden;
  for (size_t row = 0; row < rows_; ++row) {
    float* added = request_.out.hiddenOutputs + (branch * rows_ + row) * d;
    const float* x = streamRow(row);
    for (size_t i = 0; i < d; ++i) added[i] = x[i] - added[i];
  }
}

void StepRun::writeLogits() {
  const PackedMatrix& head = weights_.head();
  // Blocks of output rows bound the scratch that top-k needs.
  constexpr size_t block = 32;
  const size_t stride = head.outputStride();
  for (size_t first = 0; first < request_.outputCount; first += block) {
    const size_t count = std::min(block, request_.outputCount - first);
    std::vector<uint32_t> rows(request_.outputs + first, request_.outputs + first + count);
    const Activations x = normRows(everyone(), RowList(rows), weights_.outputNorm, {&head});
    float* logits = scratch_.logits.ensure(count * stride);
    multiply(pool_, kernels_, {{&head, logits, stride, count}}, x);
    forRows(pool_, count, 1, [&](size_t i, size_t) {
      const size_t output = first + i;
      const int32_t* pick = std::lower_bound(request_.pickOutputs, request_.pickOutputs + request_.pickCount, static_cast<int32_t>(output));
      for (; pick != request_.pickOutputs + request_.pickCount && static_cast<size_t>(*pick) == output; ++pick) {
        const size_t at = static_cast<size_t>(pick - request_.pickOutputs);
        request_.out.picked[at] = logits[i * stride + static_cast<size_t>(request_.pickTokens[at])];
      }
      if (request_.topCount == 0)
        std::copy(logits + i * stride, logits + i * stride + sizes_.vocabulary, request_.out.logits + output * sizes_.vocabulary);
      else
        topLogits(kernels_, logits + i * stride, sizes_.vocabulary, request_.topCount, request_.out.topTokens + output * request_.topCount,
                  request_.out.topLogits + output * request_.topCount, request_.out.logSumExp + output);
    });
  }
}

}  // namespace gateskip
