#include "kv-pool.h"

namespace gateskip {

KvPool::KvPool(size_t layers, const KvLayout& layout, size_t maxRows) : layout_(layout), maxRows_(maxRows), free_(layers) {}

KvRowId KvPool::take(size_t layer) {
  if (used_ >= maxRows_) throw KvFull{maxRows_, rowBytes()};
  std::vector<KvRowId>& list = free_[layer];
  if (list.empty()) addSlab(layer);
  const KvRowId id = list.back();
  list.pop_back();
  references_[id] = 1;
  ++used_;
  return id;
}

// Everything that may fail comes before what changes the pool.
void KvPool::addSlab(size_t layer) {
  const size_t slab = slabs_.size();
  const size_t rows = layout_.slabRows;
  const size_t layers = free_.size();
  if ((slab + 1) * rows > UINT32_MAX) throw KvFull{maxRows_, rowBytes()};
  references_.reserve((slab + 1) * rows);
  home_.reserve(slab + 1);
  slabs_.reserve(slab + 1);
  free_[layer].reserve(rows);
  const size_t slabBytes = roundUp(layout_.slabBytes(), 64);
  if (slab == memory_.size() * layers) memory_.push_back(WeightMemory::fresh(layers * slabBytes));
  slabs_.push_back(memory_.back().data() + slab % layers * slabBytes);
  references_.resize((slab + 1) * rows, 0);
  home_.push_back(static_cast<uint32_t>(layer));
  for (size_t i = rows; i-- > 0;) free_[layer].push_back(static_cast<KvRowId>(slab * rows + i));
}

void KvPool::release(KvRowId id) {
  if (--references_[id] == 0) {
    free_[home_[id / layout_.slabRows]].push_back(id);
    --used_;
  }
}

}  // namespace gateskip
