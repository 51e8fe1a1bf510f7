#include "stand-ins.h"

#include <algorithm>

#include "low-rank-pack.h"

namespace gateskip {

StandIns makeStandIns(const ModelSizes& sizes, size_t rank, const std::vector<StandInSource>& sources, bool pairs) {
  StandIns made;
  for (const StandInSource& source : sources) {
    AlignedBuffer<float> vector(sizes.hiddenStride());
    std::copy(source.vector, source.vector + sizes.hidden, vector.data());
    made.vectors.push_back(std::move(vector));
  }
  if (rank == 0 || sources.empty()) return made;
  made.rank = rank;
  const size_t count = rank * sizes.hidden;
  const bool bf16 = std::all_of(sources.begin(), sources.end(), [&](const StandInSource& s) { return isBf16(s.down, count) && isBf16(s.up, count); });
  const PackedFormat format = factorFormat(bf16, pairs);
  const PackedMatrix shape = packedShape(format, sizes.hidden, rank);
  const size_t stride = roundUp(sizes.hidden, blockColumns);
  const size_t ofDown = roundUp(downBytes(format, rank, stride), 64);
  const size_t ofUp = roundUp(shape.sizeBytes(), 64);
  // A branch's factors lie together: they are read one after the other.
  uint8_t* to = made.memory.ensure(sources.size() * (ofDown + ofUp));
  for (const StandInSource& source : sources) {
    LowRankDown down;
    down.format = format;
    down.ranks = rank;
    down.stride = stride;
    down.data = to;
    packDown(format, source.down, rank, sizes.hidden, stride, to);
    to += ofDown;
    PackedMatrix up = shape;
    up.data = to;
    packUp(up, source.up, to);
    to += ofUp;
    made.downs.push_back(down);
    made.ups.push_back(up);
  }
  return made;
}

}  // namespace gateskip
