#include "training-model.h"

#include <algorithm>

#include "../parallel.h"
#include "../status.h"

namespace gateskip {

namespace {

class Unpacker {
 public:
  Unpacker(TrainingModel& model, ThreadPool& pool, const CallerArrays& arrays, const std::atomic<bool>& cancelled)
      : model_(model), pool_(pool), arrays_(arrays), cancelled_(cancelled) {}

  Parameter matrix(const std::string& name, const PackedMatrix& packed) {
    if (cancelled_.load()) fail(StatusCode::aborted, "Loading was aborted.");
    const Parameter parameter = place(name, packed.rows * packed.columns);
    forRows(pool_, packed.rows, 4 * tileRows, [&](size_t row, size_t) { unpackRow(packed, row, parameter.value + row * packed.columns); });
    return parameter;
  }

  Parameter vector(const std::string& name, const AlignedBuffer<float>& values, size_t count) {
    const Parameter parameter = place(name, count);
    std::copy(values.data(), values.data() + count, parameter.value);
    return parameter;
  }

  Projection projection(const std::string& name, const PackedMatrix& packed) {
    Projection made;
    made.weight = matrix(name, packed);
    made.rows = packed.rows;
    made.columns = packed.columns;
    const auto down = arrays_.find(name + ".loraDown");
    if (down == arrays_.end()) return made;
    made.down = down->second;
    made.up = arrays_.at(name + ".loraUp");
    made.rank = model_.options.loraRank;
    made.scale = model_.options.loraScale;
    return made;
  }

 private:
  // The caller's memory where there is some, else our own.
  Parameter place(const std::string& name, size_t count) {
    const auto given = arrays_.find(name);
    if (given != arrays_.end()) return given->second;
    model_.owned.emplace_back(count);
    return {model_.owned.back().data(), nullptr};
  }

  TrainingModel& model_;
  ThreadPool& pool_;
  const CallerArrays& arrays_;
  const std::atomic<bool>& cancelled_;
};

}  // namespace

TrainingModel makeTrainingModel(const ModelWeights& weights, ThreadPool& pool, const CallerArrays& arrays, TrainingGates gates,
                                const TrainingOptions& options, const std::atomic<bool>& cancelled) {
  TrainingModel model;
  model.sizes = weights.sizes;
  model.options = options;
  model.gates = std::move(gates);
  Unpacker unpack(model, pool, arrays, cancelled);
  const size_t d = weights.sizes.hidden;
  model.tokenEmbedding = unpack.matrix("tokenEmbedding", weights.tokenEmbedding.shape);
  model.outputNorm = unpack.vector("outputNorm", weights.outputNorm, d);
  if (weights.output.shape.data != nullptr)
    model.output.weight = unpack.matrix("output", weights.output.shape);
  else
    model.output.weight = model.tokenEmbedding;
  model.output.rows = weights.sizes.vocabulary;
  model.output.columns = d;
  for (size_t i = 0; i < weights.layers.size(); ++i) {
    const LayerWeights& from = weights.layers[i];
    const std::string prefix = "layers." + std::to_string(i) + ".";
    TrainingLayer layer;
    layer.attentionNorm = unpack.vector(prefix + "attentionNorm", from.attentionNorm, d);
    layer.mlpNorm = unpack.vector(prefix + "mlpNorm", from.mlpNorm, d);
    layer.query = unpack.projection(prefix + "query", from.query.shape);
    layer.key = unpack.projection(prefix + "key", from.key.shape);
    layer.value = unpack.projection(prefix + "value", from.value.shape);
    layer.attentionOutput = unpack.projection(prefix + "attentionOutput", from.attentionOutput.shape);
    layer.mlpGate = unpack.projection(prefix + "mlpGate", from.mlpGate.shape);
    layer.mlpUp = unpack.projection(prefix + "mlpUp", from.mlpUp.shape);
    layer.mlpDown = unpack.projection(prefix + "mlpDown", from.mlpDown.shape);
    model.layers.push_back(layer);
  }
  return model;
}

}  // namespace gateskip
