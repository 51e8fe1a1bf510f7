// Grouped-query attention over the rows of K/V that exist.
#include <algorithm>
#include <cmath>

#include "step-run.h"

namespace gateskip {

void StepRun::attention(size_t branch) {
  const size_t index = branch / 2;
  // Kept rows first, then those that only leave their K and V.
  std::vector<uint32_t> computed = kept_;
  for (size_t row = 0; row < rows_; ++row)
    if (runs_[row] == 0 && (planOf(row).kv == KvMode::project || (planOf(row).kv == KvMode::alias && index == 0)))
      computed.push_back(static_cast<uint32_t>(row));
  takeKvRows(index, computed);

  const double d = static_cast<double>(sizes_.hidden);
  const double q = static_cast<double>(sizes_.queryWidth());
  const double kv = static_cast<double>(sizes_.kvWidth());
  const LowRankModel& added = weights_.lowRank;
  const auto adds = [&](uint32_t row) { return planOf(row).loraStrength > 0; };
  for (uint32_t row : computed) request_.out.macs[planOfRow_[row]] += 2 * d * kv + (adds(row) ? added.keyValueMacs : 0);

  for (size_t pass = 0; pass < 2; ++pass) {
    const std::vector<uint32_t>& queryRows = pass == 0 ? kept_ : twice_;
    const std::vector<uint32_t>& rows = pass == 0 ? computed : twice_;
    scratch_.paddedQueries.ensure(queryRows.size() * sizes_.heads * sizes_.headStride());
    const auto project = [&](const Crew& crew, const RowList& part) { projectInputs(index, crew, part, queryRows.size(), pass); };
    if (byRows(rows.size(), pass))
      dealRows(queryRows.size(), rows.size(), project, rows.data());
    else if (!rows.empty())
      project(everyone(), RowList(rows));
    if (!queryRows.empty()) attend(index, queryRows);
    finish(branch, queryRows, pass, [&](const Crew& crew, const RowList& part) { projectOutput(branch, crew, part, pass); });
    for (uint32_t row : queryRows) {
      const double visible = static_cast<double>(sequenceOfRow_[row]->layers[index].visible(positions_[row]));
      request_.out.macs[planOfRow_[row]] += 2 * d * q + (adds(row) ? added.attentionMacs - added.keyValueMacs : 0) + 2 * q * visible;
    }
    if (isLast(pass)) break;
  }
}

void StepRun::projectInputs(size_t index, const Crew& crew, const RowList& rows, size_t queryRows, size_t pass) {
  const LayerWeights& layer = weights_.layers[index];
  const LayerLowRank& low = lowRankLayer(index);
  const size_t queryStride = layer.query.shape.outputStride();
  const size_t kvStride = layer.key.shape.outputStride();
  // How many of these ask: they come first.
  const size_t asking = queryRows > rows.first ? std::min(rows.count, queryRows - rows.first) : 0;
  // K and V come from the first run alone.
  const size_t kvRows = pass == 0 ? rows.count : 0;
  const Activations x = normRows(crew, rows, layer.attentionNorm, {&layer.query.shape, &layer.key.shape, &layer.value.shape});
  float* queries = crew.scratch.queries.ensure(asking * queryStride);
  float* keys = crew.scratch.keys.ensure(kvRows * kvStride);
  float* values = crew.scratch.values.ensure(kvRows * kvStride);
  const AddedInner inner = lowRankInner(crew, low.attentionInput, x, rows, low.keyValueRanks, asking);
  askForDown(low.attended, rows.count);
  multiply(crew.pool, kernels_,
           {{&layer.query.shape, queries, queryStride, asking, &low.query, &inner},
            {&layer.key.shape, keys, kvStride, kvRows, &low.key, &inner},
            {&layer.value.shape, values, kvStride, kvRows, &low.value, &inner}},
           x);
  rotateAndStore(index, crew, rows, queryRows, pass == 0);
}

void StepRun::projectOutput(size_t branch, const Crew& crew, const RowList& rows, size_t pass) {
  const LayerWeights& layer = weights_.layers[branch / 2];
  const LayerLowRank& low = lowRankLayer(branch / 2);
  const size_t attendedStride = roundUp(sizes_.queryWidth(), blockColumns);
  const size_t outStride = layer.attentionOutput.shape.outputStride();
  const Activations attended =
      quantizeRows(crew, scratch_.attended.data() + rows.first * attendedStride, rows.count, attendedStride, layer.attentionOutput.shape.quantized());
  float* product = crew.scratch.product.ensure(rows.count * outStride);
  const AddedInner inner = lowRankInner(crew, low.attended, attended, rows);
  askForDown(low.mlpInput, rows.count);
  multiply(crew.pool, kernels_, {{&layer.attentionOutput.shape, product, outStride, rows.count, &low.attentionOutput, &inner}}, attended);
  addToStream(branch, crew, rows, outStride, pass);
}

// Enters the step's rows into the layer's tables, in order of position, before anything is computed.
void StepRun::takeKvRows(size_t layer, const std::vector<uint32_t>& computed) {
  std::fill(kvTarget_.begin(), kvTarget_.end(), nullptr);
  std::vector<uint8_t> own(rows_, 0);
  for (uint32_t row : computed) own[row] = 1;
  KvPool& pool = runner_.kv();
  for (size_t row = 0; row < rows_; ++row) {
    Sequence& sequence = *sequenceOfRow_[row];
    if (own[row] != 0) {
      const KvRowId id = pool.take(layer);
      sequence.layers[layer].append(pool, positions_[row], id);
      kvTarget_[row] = pool.row(id);
    } else if (planOf(row).kv == KvMode::alias && layer > 0) {
      const LayerRows& below = sequence.layers[layer - 1];
      const size_t count = below.visible(positions_[row]);
      if (count > 0 && below.positions[count - 1] == positions_[row]) {
        const KvRowId id = below.ids[count - 1];
        pool.retain(id);
        sequence.layers[layer].append(pool, positions_[row], id);
      }
    }
  }
}

void StepRun::rotateAndStore(size_t layer, const Crew& crew, const RowList& rows, size_t queryRows, bool storeKv) {
  const LayerWeights& weights = weights_.layers[layer];
  const size_t queryStride = weights.query.shape.outputStride();
  const size_t kvStride = weights.key.shape.outputStride();
  const size_t size = sizes_.headSize;
  const size_t headStride = sizes_.headStride();
  const size_t half = sizes_.frequencies.size();
  const float scale = 1.0f / std::sqrt(static_cast<float>(size));
  float* padded = scratch_.paddedQueries.data();
  // Per thread: one head, zero beyond its size.
  float* heads = crew.scratch.heads.ensure(crew.pool.threads() * headStride);
  const size_t group = sizes_.heads / sizes_.kvHeads;
  const KvLayout layout = runner_.kvLayout();
  forRows(crew.pool, rows.count, 8, [&](size_t i, size_t thread) {
    const uint32_t row = rows[i];
    const size_t place = rows.first + i;
    const float* cosines = scratch_.cosines.data() + row * half;
    const float* sines = scratch_.sines.data() + row * half;
    if (place < queryRows) {
      for (size_t head = 0; head < sizes_.heads; ++head) {
        float* from = crew.scratch.queries.data() + i * queryStride + head * size;
        // [kvHeads, rows, group, headStride]: the queries of a K/V head lie together.
        float* to = padded + ((head / group * queryRows + place) * group + head % group) * headStride;
        kernels_.rotate(from, 2 * half, sizes_.interleaved, cosines, sines);
        for (size_t j = 0; j < size; ++j) to[j] = from[j] * scale;
        std::fill(to + size, to + headStride, 0.0f);
      }
    }
    if (!storeKv) return;
    float* one = heads + thread * headStride;
    std::fill(one, one + headStride, 0.0f);
    for (size_t head = 0; head < sizes_.kvHeads; ++head) {
      const float* key = crew.scratch.keys.data() + i * kvStride + head * size;
      std::copy(key, key + size, one);
      kernels_.rotate(one, 2 * half, sizes_.interleaved, cosines, sines);
      kernels_.storeKv(layout.format, one, headStride, kvTarget_[row], layout.keyOffset(head), layout.keyScaleOffset(head));
      const float* value = crew.scratch.values.data() + i * kvStride + head * size;
      std::copy(value, value + size, one);
      kernels_.storeKv(layout.format, one, headStride, kvTarget_[row], layout.valueOffset(head), layout.valueScaleOffset(head));
    }
  });
}

}  // namespace gateskip
