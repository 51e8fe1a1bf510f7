// K/V rows: one row = key and value of one token at one layer (kv-layout.h). Rows are counted by reference,
// so that forks and aliases share them. Rows of one layer are taken from that layer's slabs and so lie together.
#pragma once
#include <cstdint>
#include <vector>

#include "aligned-buffer.h"

namespace gateskip {

using KvRowId = uint32_t;

class KvPool {
 public:
  // maxRows: cap over all layers.
  KvPool(size_t layers, size_t rowBytes, size_t maxRows);

  // Throws KvFull when the cap or the memory is reached.
  KvRowId take(size_t layer);
  void retain(KvRowId id) { ++references_[id]; }
  void release(KvRowId id);
  uint8_t* row(KvRowId id) { return slabs_[id / slabRows].data() + (id % slabRows) * rowBytes_; }

  // The layer that the row was taken for; an alias of it elsewhere shares it.
  size_t homeLayer(KvRowId id) const { return home_[id / slabRows]; }
  size_t used() const { return used_; }
  size_t maxRows() const { return maxRows_; }
  size_t rowBytes() const { return rowBytes_; }
  size_t allocatedBytes() const { return slabs_.size() * slabRows * rowBytes(); }

  static constexpr size_t slabRows = 64;

 private:
  size_t rowBytes_;
  size_t maxRows_;
  size_t used_ = 0;
  std::vector<AlignedBuffer<uint8_t>> slabs_;
  std::vector<uint32_t> references_;
  std::vector<uint32_t> home_;               // per slab: its layer
  std::vector<std::vector<KvRowId>> free_;   // per layer, the next one to hand out last
};

// The pool cannot give another row.
struct KvFull {
  size_t maxRows;
  size_t rowBytes;
};

}  // namespace gateskip
