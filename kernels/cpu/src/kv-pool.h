// K/V rows: one row = key and value of one token at one layer (kv-layout.h). Rows are counted by reference,
// so that forks and aliases share them. Rows of one layer are taken from that layer's slabs and so lie together.
#pragma once
#include <cstdint>
#include <vector>

#include "kv-layout.h"
#include "weight-memory.h"

namespace gateskip {

using KvRowId = uint32_t;

// Rows of a slab where at most maxTokens tokens are held: enough to read on for 32 kB a head.
constexpr size_t kvSlabRows(size_t maxTokens) { return maxTokens < 16 ? 16 : maxTokens < 256 ? roundUp(maxTokens, 16) : 256; }

class KvPool {
 public:
  // maxRows: cap over all layers.
  KvPool(size_t layers, const KvLayout& layout, size_t maxRows);

  // Throws KvFull when the cap or the memory is reached.
  KvRowId take(size_t layer);
  void retain(KvRowId id) { ++references_[id]; }
  void release(KvRowId id);
  uint8_t* row(KvRowId id) { return slabs_[id / layout_.slabRows] + (id % layout_.slabRows) * layout_.headBytes(); }

  // The layer that the row was taken for; an alias of it elsewhere shares it.
  size_t homeLayer(KvRowId id) const { return home_[id / layout_.slabRows]; }
  size_t used() const { return used_; }
  size_t maxRows() const { return maxRows_; }
  size_t rowBytes() const { return layout_.rowBytes(); }

 private:
  // A slab of a layer's own, its rows free.
  void addSlab(size_t layer);

  KvLayout layout_;
  size_t maxRows_;
  size_t used_ = 0;
  std::vector<WeightMemory> memory_;         // one slab for each layer in each; pages come when they are written
  std::vector<uint8_t*> slabs_;
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
