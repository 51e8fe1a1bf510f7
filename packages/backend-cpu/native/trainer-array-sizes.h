// How long the caller's arrays of a trainer must be; their names are those of `trainerParameters`.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "status.h"
#include "training/training-model.h"

namespace gateskip {

// Elements that each array of a trainer has: what is given must be one of them and as long.
class ArraySizes {
 public:
  ArraySizes(const ModelSizes& s, const TrainingGates& gates, const std::vector<std::string>& prefixes, size_t rank) {
    const size_t d = s.hidden;
    counts_["tokenEmbedding"] = counts_["output"] = s.vocabulary * d;
    counts_["outputNorm"] = d;
    for (size_t i = 0; i < s.layers; ++i) {
      const std::string layer = "layers." + std::to_string(i) + ".";
      counts_[layer + "attentionNorm"] = counts_[layer + "mlpNorm"] = d;
      matrix(layer + "query", s.queryWidth(), d, rank);
      matrix(layer + "key", s.kvWidth(), d, rank);
      matrix(layer + "value", s.kvWidth(), d, rank);
      matrix(layer + "attentionOutput", d, s.queryWidth(), rank);
      matrix(layer + "mlpGate", s.intermediate, d, rank);
      matrix(layer + "mlpUp", s.intermediate, d, rank);
      matrix(layer + "mlpDown", d, s.intermediate, rank);
    }
    for (size_t branch = 0; branch < prefixes.size(); ++branch) {
      gate(prefixes[branch] + ".", d, gates);
      const std::string name = "branches." + std::to_string(branch) + ".standIn";
      counts_[name] = d;
      if (gates.standInRank > 0) counts_[name + "Down"] = counts_[name + "Up"] = gates.standInRank * d;
    }
  }

  void check(const std::string& name, size_t count) const {
    const auto found = counts_.find(name);
    if (found == counts_.end() || found->second != count)
      fail(StatusCode::invalidArgument, "Array " + name + " of " + std::to_string(count) + " numbers is none of this model's.");
  }

 private:
  void matrix(const std::string& name, size_t rows, size_t columns, size_t rank) {
    counts_[name] = rows * columns;
    if (rank == 0) return;
    counts_[name + ".loraDown"] = rank * columns;
    counts_[name + ".loraUp"] = rank * rows;
  }

  void gate(const std::string& prefix, size_t d, const TrainingGates& gates) {
    const size_t width = gates.width(d);
    counts_[prefix + "weight"] = width * (gates.inner > 0 ? gates.inner : d);
    counts_[prefix + "bias"] = width;
    if (gates.inner > 0) counts_[prefix + "down"] = gates.inner * d;
    if (gates.variant == GateVariant::mlp) counts_[prefix + "downBias"] = gates.inner;
    if (gates.variant == GateVariant::hybrid) {
      counts_[prefix + "scalarWeight"] = d;
      counts_[prefix + "scalarBias"] = 1;
    }
  }

  std::map<std::string, size_t> counts_;
};

}  // namespace gateskip
