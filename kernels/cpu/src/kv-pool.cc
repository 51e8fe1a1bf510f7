#include "kv-pool.h"

namespace gateskip {

KvPool::KvPool(size_t layers, size_t rowBytes, size_t maxRows) : rowBytes_(rowBytes), maxRows_(maxRows), free_(layers) {}

KvRowId KvPool::take(size_t layer) {
  if (used_ >= maxRows_) throw KvFull{maxRows_, rowBytes()};
  std::vector<KvRowId>& list = free_[layer];
  if (list.empty()) {
    const size_t slab = slabs_.size();
    if ((slab + 1) * slabRows > UINT32_MAX) throw KvFull{maxRows_, rowBytes()};
    // Everything that may fail comes first, so that a failure leaves the pool as it was.
    references_.reserve((slab + 1) * slabRows);
    home_.reserve(slab + 1);
    list.reserve(slabRows);
    slabs_.emplace_back(slabRows * rowBytes_);
    references_.resize((slab + 1) * slabRows, 0);
    home_.push_back(static_cast<uint32_t>(layer));
    for (size_t i = slabRows; i-- > 0;) list.push_back(static_cast<KvRowId>(slab * slabRows + i));
  }
  const KvRowId id = list.back();
  list.pop_back();
  references_[id] = 1;
  ++used_;
  return id;
}

void KvPool::release(KvRowId id) {
  if (--references_[id] == 0) {
    free_[home_[id / slabRows]].push_back(id);
    --used_;
  }
}

}  // namespace gateskip
