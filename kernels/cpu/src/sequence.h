// One sequence: per layer the K/V rows that exist, in order of position. A token that skipped attention with `absent` has
// none there.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "kv-pool.h"

namespace gateskip {

// Parallel arrays: attention walks the pointers alone.
struct LayerRows {
  std::vector<uint32_t> positions;
  std::vector<KvRowId> ids;
  std::vector<const uint8_t*> pointers;

  void append(KvPool& pool, uint32_t position, KvRowId id) {
    positions.push_back(position);
    ids.push_back(id);
    pointers.push_back(pool.row(id));
  }
  void reserveMore(size_t count) {
    // Doubling, as push_back does: reserve alone would copy everything at each decode step.
    const size_t needed = positions.size() + count;
    if (needed <= positions.capacity() && needed <= ids.capacity() && needed <= pointers.capacity()) return;
    const size_t target = std::max(needed, 2 * positions.size());
    positions.reserve(target);
    ids.reserve(target);
    pointers.reserve(target);
  }
  // Rows at positions up to and including `position`.
  size_t visible(uint32_t position) const {
    return static_cast<size_t>(std::upper_bound(positions.begin(), positions.end(), position) - positions.begin());
  }
  void truncate(KvPool& pool, uint32_t length) {
    while (!positions.empty() && positions.back() >= length) {
      pool.release(ids.back());
      positions.pop_back();
      ids.pop_back();
      pointers.pop_back();
    }
  }
};

struct Sequence {
  uint32_t length = 0;
  std::vector<LayerRows> layers;

  explicit Sequence(size_t layerCount) : layers(layerCount) {}

  // Rows held, an alias of the layer below not counted again.
  size_t rows(const KvPool& pool) const {
    size_t total = 0;
    for (size_t layer = 0; layer < layers.size(); ++layer)
      for (KvRowId id : layers[layer].ids) total += pool.homeLayer(id) == layer ? 1 : 0;
    return total;
  }
  // Forgets positions from `newLength` on.
  void truncate(KvPool& pool, uint32_t newLength) {
    for (LayerRows& layer : layers) layer.truncate(pool, newLength);
    length = std::min(length, newLength);
  }
};

}  // namespace gateskip
