#include "runner.h"

#include <chrono>
#include <new>

#include "status.h"
#include "step.h"

namespace gateskip {

Runner::Runner(const Kernels& kernels, std::unique_ptr<ThreadPool> pool, ModelWeights weights, GateModel gates, size_t maxTokens, KvFormat kvFormat, bool adaptsThreads)
    : kernels_(kernels),
      pool_(std::move(pool)),
      threadChoice_(pool_->threads(), adaptsThreads),
      weights_(std::move(weights)),
      gates_(std::move(gates)),
      kvLayout_{kvFormat, weights_.sizes.kvHeads, weights_.sizes.headStride(), kvSlabRows(maxTokens)},
      kv_(weights_.sizes.layers, kvLayout_, maxTokens * weights_.sizes.layers) {}

Sequence& Runner::sequence(uint32_t id) {
  const auto found = sequences_.find(id);
  if (found == sequences_.end()) fail(StatusCode::invalidArgument, "Sequence " + std::to_string(id) + " is not open.");
  return found->second;
}

uint32_t Runner::openSequence() {
  const uint32_t id = nextSequence_++;
  sequences_.emplace(id, Sequence(weights_.sizes.layers));
  return id;
}

uint32_t Runner::fork(uint32_t id, uint32_t length) {
  const Sequence& source = sequence(id);
  if (length > source.length)
    fail(StatusCode::invalidArgument, "Cannot fork at " + std::to_string(length) + ": sequence " + std::to_string(id) + " has " + std::to_string(source.length) + " tokens.");
  Sequence copy(weights_.sizes.layers);
  copy.length = length;
  for (size_t i = 0; i < copy.layers.size(); ++i) {
    const LayerRows& from = source.layers[i];
    const size_t count = length == 0 ? 0 : from.visible(length - 1);
    LayerRows& to = copy.layers[i];
    to.positions.assign(from.positions.begin(), from.positions.begin() + static_cast<std::ptrdiff_t>(count));
    to.ids.assign(from.ids.begin(), from.ids.begin() + static_cast<std::ptrdiff_t>(count));
    to.pointers.assign(from.pointers.begin(), from.pointers.begin() + static_cast<std::ptrdiff_t>(count));
  }
  const uint32_t forked = openSequence();
  for (const LayerRows& layer : copy.layers)
    for (KvRowId row : layer.ids) kv_.retain(row);
  sequences_.at(forked) = std::move(copy);
  return forked;
}

void Runner::truncate(uint32_t id, uint32_t length) {
  Sequence& target = sequence(id);
  if (length > target.length)
    fail(StatusCode::invalidArgument, "Cannot truncate sequence " + std::to_string(id) + " of " + std::to_string(target.length) + " tokens to " + std::to_string(length) + ".");
  target.truncate(kv_, length);
}

void Runner::closeSequence(uint32_t id) {
  sequence(id).truncate(kv_, 0);
  sequences_.erase(id);
}

int64_t Runner::sequenceLength(uint32_t id) const {
  const auto found = sequences_.find(id);
  return found == sequences_.end() ? -1 : static_cast<int64_t>(found->second.length);
}

size_t Runner::sequenceRows(uint32_t id) { return sequence(id).rows(kv_); }

size_t Runner::totalTokens() const {
  size_t total = 0;
  for (const auto& [id, sequence] : sequences_) total += sequence.length;
  return total;
}

void Runner::step(const StepRequest& request) {
  const auto rollBack = [&] {
    for (const StepSegment& segment : request.segments) {
      const auto found = sequences_.find(segment.sequence);
      if (found != sequences_.end()) found->second.truncate(kv_, found->second.length);
    }
  };
  const auto started = std::chrono::steady_clock::now();
  pool_->beginStep(threadChoice_.choose(request.rows));
  try {
    runStep(*this, request);
  } catch (const KvFull& full) {
    rollBack();
    pool_->endStep();
    const double cap = static_cast<double>(full.maxRows) * static_cast<double>(full.rowBytes);
    fail(StatusCode::insufficientMemory, "K/V rows", cap + static_cast<double>(full.rowBytes), cap);
  } catch (const std::bad_alloc&) {
    rollBack();
    pool_->endStep();
    fail(StatusCode::insufficientMemory, "The step's buffers", static_cast<double>(request.rows) * static_cast<double>(weights_.sizes.hidden) * 64, 0);
  } catch (...) {
    rollBack();
    pool_->endStep();
    throw;
  }
  for (const StepSegment& segment : request.segments) sequences_.at(segment.sequence).length += segment.length;
  pool_->endStep();
  double macs = static_cast<double>(request.outputCount) * static_cast<double>(weights_.sizes.vocabulary) * static_cast<double>(weights_.sizes.hidden);
  for (size_t plan = 0; plan < request.plans.size(); ++plan) macs += request.out.macs[plan];
  threadChoice_.record(request.rows, std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count(), macs);
}

}  // namespace gateskip
