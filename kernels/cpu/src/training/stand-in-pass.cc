#include "stand-in-pass.h"

#include <algorithm>

#include "../parallel.h"

namespace gateskip {

namespace {

constexpr size_t rowsPerTask = 32;

}  // namespace

StandInPass::StandInPass(const TrainingModel& model, const TrainKernels& train, ThreadPool& pool, Products& products)
    : model_(model),
      train_(train),
      pool_(pool),
      products_(products),
      hidden_(model.sizes.hidden),
      hiddenStride_(rowStride(hidden_)),
      rank_(model.gates.standInRank),
      rankStride_(rowStride(rank_)) {}

void StandInPass::gather(const float* from, const uint32_t* rows, size_t count, AlignedBuffer<float>& to) {
  float* target = to.ensure(count * hiddenStride_);
  forRows(pool_, count, rowsPerTask, [&](size_t i, size_t) {
    const float* row = from + rows[i] * hiddenStride_;
    std::copy(row, row + hidden_, target + i * hiddenStride_);
  });
}

const float* StandInPass::forward(size_t branch, const float* normed, const uint32_t* rows, size_t count) {
  const float* down = model_.gates.standInDowns[branch].value;
  const float* up = model_.gates.standInUps[branch].value;
  gather(normed, rows, count, inputs_);
  float* inner = inner_.ensure(count * rankStride_);
  float* values = values_.ensure(count * hiddenStride_);
  products_.run(count, rank_, inner, rankStride_, false, {{rowsOf(inputs_.data(), hiddenStride_), transposed(down, hidden_), hidden_}});
  products_.run(count, hidden_, values, hiddenStride_, false, {{rowsOf(inner, rankStride_), transposed(up, rank_), rank_}});
  const float* vector = model_.gates.standIns[branch].value;
  forRows(pool_, count, rowsPerTask, [&](size_t i, size_t) { train_.addScaled(values + i * hiddenStride_, vector, 1.0f, hidden_); });
  return values;
}

float* StandInPass::backward(size_t branch, const float* normed, const uint32_t* rows, size_t count, const float* dStream) {
  const Parameter& down = model_.gates.standInDowns[branch];
  const Parameter& up = model_.gates.standInUps[branch];
  gather(normed, rows, count, inputs_);
  gather(dStream, rows, count, upstream_);
  const float* x = inputs_.data();
  const float* dy = upstream_.data();
  if (up.gradient != nullptr) {
    float* inner = inner_.ensure(count * rankStride_);
    products_.run(count, rank_, inner, rankStride_, false, {{rowsOf(x, hiddenStride_), transposed(down.value, hidden_), hidden_}});
    products_.run(hidden_, rank_, up.gradient, rank_, true, {{columnsOf(dy, hiddenStride_), plain(inner, rankStride_), count}});
  }
  float* dInner = dInner_.ensure(count * rankStride_);
  products_.run(count, rank_, dInner, rankStride_, false, {{rowsOf(dy, hiddenStride_), plain(up.value, rank_), hidden_}});
  if (down.gradient != nullptr)
    products_.run(rank_, hidden_, down.gradient, hidden_, true, {{columnsOf(dInner, rankStride_), plain(x, hiddenStride_), count}});
  float* dInputs = dInputs_.ensure(count * hiddenStride_);
  products_.run(count, hidden_, dInputs, hiddenStride_, false, {{rowsOf(dInner, rankStride_), plain(down.value, hidden_), rank_}});
  return dInputs;
}

}  // namespace gateskip
