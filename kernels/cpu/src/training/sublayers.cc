// Projections, attention and MLP of the slots of a branch, forward and backward.
#include <algorithm>

#include "../parallel.h"
#include "train-step.h"

namespace gateskip {

namespace {

void scaleRows(ThreadPool& pool, float* values, size_t rows, size_t stride, float factor) {
  forRows(pool, rows, 256, [&](size_t row, size_t) {
    for (size_t i = 0; i < stride; ++i) values[row * stride + i] *= factor;
  });
}

}  // namespace

void TrainStep::project(const Projection& p, const float* x, size_t xStride, size_t rows, float* y, size_t yStride) {
  const Summand full{rowsOf(x, xStride), transposed(p.weight.value, p.columns), p.columns};
  if (!adds(p)) return products_.run(rows, p.rows, y, yStride, false, {full});
  float* inner = inner_.data();
  products_.run(rows, p.rank, inner, rankStride_, false, {{rowsOf(x, xStride), transposed(p.down.value, p.columns), p.columns}});
  scaleRows(pool_, inner, rows, rankStride_, addedScale(p));
  products_.run(rows, p.rows, y, yStride, false, {full, {rowsOf(inner, rankStride_), transposed(p.up.value, p.rank), p.rank}});
}

void TrainStep::projectBackward(const Projection& p, const float* dy, size_t dyStride, size_t rows, float* dx, size_t dxStride, bool accumulate) {
  const Summand full{rowsOf(dy, dyStride), plain(p.weight.value, p.columns), p.rows};
  float* dInner = dInner_.data();
  if (adds(p)) {
    products_.run(rows, p.rank, dInner, rankStride_, false, {{rowsOf(dy, dyStride), plain(p.up.value, p.rank), p.rows}});
    scaleRows(pool_, dInner, rows, rankStride_, addedScale(p));
  }
  if (dx == nullptr) return;
  if (!adds(p)) return products_.run(rows, p.columns, dx, dxStride, accumulate, {full});
  products_.run(rows, p.columns, dx, dxStride, accumulate, {full, {rowsOf(dInner, rankStride_), plain(p.down.value, p.columns), p.rank}});
}

void TrainStep::trainProjection(const Projection& p, const float* x, size_t xStride, const float* dy, size_t dyStride, size_t rows) {
  if (rows == 0) return;
  if (p.weight.gradient != nullptr)
    products_.run(p.rows, p.columns, p.weight.gradient, p.columns, true, {{columnsOf(dy, dyStride), plain(x, xStride), rows}});
  if (!adds(p) || p.down.gradient == nullptr) return;
  float* inner = inner_.data();
  products_.run(rows, p.rank, inner, rankStride_, false, {{rowsOf(x, xStride), transposed(p.down.value, p.columns), p.columns}});
  scaleRows(pool_, inner, rows, rankStride_, addedScale(p));
  // Turned: its few rows would fill no panel as columns.
  const size_t stride = rowStride(p.rows);
  products_.run(p.rank, p.rows, turned_.data(), stride, false, {{columnsOf(inner, rankStride_), plain(dy, dyStride), rows}});
  for (size_t i = 0; i < p.rows; ++i)
    for (size_t k = 0; k < p.rank; ++k) p.up.gradient[i * p.rank + k] += turned_[k * stride + i];
  products_.run(p.rank, p.columns, p.down.gradient, p.columns, true, {{columnsOf(dInner_.data(), rankStride_), plain(x, xStride), rows}});
}

void TrainStep::rotate(float* row, size_t heads, size_t position, bool back) const {
  const size_t half = sizes_.frequencies.size();
  const float* cosines = cosines_.data() + position * half;
  const float* sines = (back ? negativeSines_ : sines_).data() + position * half;
  for (size_t head = 0; head < heads; ++head) kernels_.rotate(row + head * sizes_.headSize, 2 * half, sizes_.interleaved, cosines, sines);
}

// Slots whose K and V are projected and stay: kept ones, and the others where the mode says so.
size_t TrainStep::projectedSlots(size_t layer, const BranchTape& tape) const {
  const KvMode kv = request_->plan.kv;
  return kv == KvMode::project || (kv == KvMode::alias && layer == 0) ? rows_ : tape.kept;
}

// K and V of all slots that compute: those that stay go to the layer's rows, the others remain in newKeys_ and newValues_.
// Layers above may use these rows as their own, so a replay leaves them as they are.
void TrainStep::keyValues(size_t layer, const BranchTape& tape, bool isReplay) {
  const TrainingLayer& weights = model_.layers[layer];
  LayerKeyValues& own = keyValues_[layer];
  const size_t staying = projectedSlots(layer, tape);
  const size_t first = isReplay ? staying : 0;
  const size_t count = std::max(staying, tape.computed);
  float* keys = newKeys_.data();
  float* values = newValues_.data();
  if (count > first) {
    const float* x = slotsNormed_.data() + first * hiddenStride_;
    project(weights.key, x, hiddenStride_, count - first, keys + first * kvStride_, kvStride_);
    project(weights.value, x, hiddenStride_, count - first, values + first * kvStride_, kvStride_);
  }
  const size_t width = sizes_.kvWidth();
  forRows(pool_, count - first, 32, [&](size_t i, size_t) {
    const size_t slot = first + i;
    const size_t row = tape.order[slot];
    rotate(keys + slot * kvStride_, sizes_.kvHeads, row, false);
    if (slot >= staying) return;
    std::copy(keys + slot * kvStride_, keys + slot * kvStride_ + width, own.key.data() + row * kvStride_);
    std::copy(values + slot * kvStride_, values + slot * kvStride_ + width, own.value.data() + row * kvStride_);
  });
  if (isReplay) return;
  for (size_t slot = 0; slot < rows_; ++slot) {
    const size_t row = tape.order[slot];
    if (slot < staying)
      own.owner[row] = static_cast<int32_t>(layer);
    else
      own.owner[row] = request_->plan.kv == KvMode::alias ? keyValues_[layer - 1].owner[row] : -1;
  }
}

// What the first `slots` slots see: everything that earlier rows of their segment left, and themselves.
AttentionRows TrainStep::attentionRows(size_t layer, const BranchTape& tape, size_t slots) {
  AttentionRows rows;
  const std::vector<int32_t>& owner = keyValues_[layer].owner;
  size_t row = 0;
  for (size_t end : segmentEnds_) {
    const size_t firstKey = rows.keys.size();
    for (; row < end; ++row) {
      const bool isOwn = owner[row] == static_cast<int32_t>(layer);
      const size_t before = rows.keys.size() - firstKey;
      if (owner[row] >= 0) {
        LayerKeyValues& from = keyValues_[static_cast<size_t>(owner[row])];
        const size_t at = row * kvStride_;
        rows.keys.push_back({from.key.data() + at, from.value.data() + at, from.dKey.data() + at, from.dValue.data() + at});
      }
      const uint32_t slot = tape.slots[row];
      if (slot >= slots) continue;
      if (isOwn)
        rows.queries.push_back({slot, static_cast<uint32_t>(before + 1), nullptr, nullptr});
      else
        rows.queries.push_back({slot, static_cast<uint32_t>(before), newKeys_.data() + slot * kvStride_, newValues_.data() + slot * kvStride_});
    }
    rows.keyEnds.push_back(rows.keys.size());
    rows.queryEnds.push_back(rows.queries.size());
  }
  return rows;
}

void TrainStep::attention(size_t layer, BranchTape& tape, float* output, bool isReplay) {
  const TrainingLayer& weights = model_.layers[layer];
  takeSlots(tape, std::max(tape.computed, projectedSlots(layer, tape)));
  keyValues(layer, tape, isReplay);
  float* query = tape.query.ensure(rows_ * queryStride_);
  float* mixed = tape.mixed.ensure(rows_ * queryStride_);
  project(weights.query, slotsNormed_.data(), hiddenStride_, tape.computed, query, queryStride_);
  forRows(pool_, tape.computed, 32, [&](size_t slot, size_t) { rotate(query + slot * queryStride_, sizes_.heads, tape.order[slot], false); });
  attention_.forward(attentionRows(layer, tape, tape.computed), query, mixed, queryStride_);
  project(weights.attentionOutput, mixed, queryStride_, tape.computed, output, hiddenStride_);
}

void TrainStep::mlp(size_t layer, BranchTape& tape, float* output) {
  const TrainingLayer& weights = model_.layers[layer];
  takeSlots(tape, tape.computed);
  float* gate = tape.mlpGate.ensure(rows_ * innerStride_);
  float* up = tape.mlpUp.ensure(rows_ * innerStride_);
  project(weights.mlpGate, slotsNormed_.data(), hiddenStride_, tape.computed, gate, innerStride_);
  project(weights.mlpUp, slotsNormed_.data(), hiddenStride_, tape.computed, up, innerStride_);
  forRows(pool_, tape.computed, 16, [&](size_t slot, size_t) {
    const size_t at = slot * innerStride_;
    kernels_.siluMultiply(gate + at, up + at, active_.data() + at, roundUp(sizes_.intermediate, 16));
  });
  project(weights.mlpDown, active_.data(), innerStride_, tape.computed, output, hiddenStride_);
}

size_t TrainStep::mlpBackward(size_t layer, BranchTape& tape) {
  const TrainingLayer& weights = model_.layers[layer];
  const size_t slots = tape.kept;
  const float* dOutput = dOutput_.data();
  float* dActive = dActive_.data();
  takeSlots(tape, slots);
  projectBackward(weights.mlpDown, dOutput, hiddenStride_, slots, dActive, innerStride_, false);
  forRows(pool_, slots, 16, [&](size_t slot, size_t) {
    const size_t at = slot * innerStride_;
    train_.siluBackward(tape.mlpGate.data() + at, tape.mlpUp.data() + at, dActive + at, active_.data() + at, dGate_.data() + at, dActive + at,
                        roundUp(sizes_.intermediate, 16));
  });
  trainProjection(weights.mlpDown, active_.data(), innerStride_, dOutput, hiddenStride_, slots);
  projectBackward(weights.mlpGate, dGate_.data(), innerStride_, slots, dSlots_.data(), hiddenStride_, false);
  trainProjection(weights.mlpGate, slotsNormed_.data(), hiddenStride_, dGate_.data(), innerStride_, slots);
  projectBackward(weights.mlpUp, dActive, innerStride_, slots, dSlots_.data(), hiddenStride_, true);
  trainProjection(weights.mlpUp, slotsNormed_.data(), hiddenStride_, dActive, innerStride_, slots);
  return slots;
}

size_t TrainStep::attentionBackward(size_t layer, BranchTape& tape) {
  const TrainingLayer& weights = model_.layers[layer];
  LayerKeyValues& own = keyValues_[layer];
  const size_t kept = tape.kept;
  const size_t staying = projectedSlots(layer, tape);
  takeSlots(tape, staying);
  const float* dOutput = dOutput_.data();
  projectBackward(weights.attentionOutput, dOutput, hiddenStride_, kept, dMixed_.data(), queryStride_, false);
  trainProjection(weights.attentionOutput, tape.mixed.data(), queryStride_, dOutput, hiddenStride_, kept);
  attention_.backward(attentionRows(layer, tape, kept), tape.query.data(), dMixed_.data(), dQuery_.data(), queryStride_);

  // Layers above have sent back by now what they borrowed: gradients of K and V are complete. A rotation turns back.
  float* dKeys = newKeys_.data();
  float* dValues = newValues_.data();
  forRows(pool_, staying, 32, [&](size_t slot, size_t) {
    const size_t row = tape.order[slot];
    std::copy(own.dKey.data() + row * kvStride_, own.dKey.data() + (row + 1) * kvStride_, dKeys + slot * kvStride_);
    std::copy(own.dValue.data() + row * kvStride_, own.dValue.data() + (row + 1) * kvStride_, dValues + slot * kvStride_);
    rotate(dKeys + slot * kvStride_, sizes_.kvHeads, row, true);
    if (slot < kept) rotate(dQuery_.data() + slot * queryStride_, sizes_.heads, row, true);
  });
  const float* x = slotsNormed_.data();
  float* dx = dSlots_.data();
  projectBackward(weights.key, dKeys, kvStride_, staying, dx, hiddenStride_, false);
  trainProjection(weights.key, x, hiddenStride_, dKeys, kvStride_, staying);
  projectBackward(weights.value, dValues, kvStride_, staying, dx, hiddenStride_, true);
  trainProjection(weights.value, x, hiddenStride_, dValues, kvStride_, staying);
  projectBackward(weights.query, dQuery_.data(), queryStride_, kept, dx, hiddenStride_, true);
  trainProjection(weights.query, x, hiddenStride_, dQuery_.data(), queryStride_, kept);
  return staying;
}

}  // namespace gateskip
