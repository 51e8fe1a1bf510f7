// Packed matrices kept in a file: written once, mapped by later loads. Whatever is doubtful about a file is a reason to pack
// again, never an error of the load.
//
//   0     header, see packed-cache.cc, with a checksum of its own and of the checksums
//   4096  the matrices, as they lie in memory, padded to whole chunks
//   then  a 64-bit checksum per chunk of 1 MiB
#pragma once
#include <cstdint>
#include <string>

#include "thread-pool.h"
#include "weight-memory.h"

namespace gateskip {

struct PackedCache {
  std::string path;    // empty: none is wanted
  std::string key;     // what the caller knows about the content: model, tensors
  // For the caller to tell: "read", "written", or why it was neither.
  std::string outcome = "off";
};

// First byte of the matrices in the file.
constexpr size_t packedCacheDataOffset = 4096;

// The matrices of a sound file of this layout, key, source and size, at packedCacheDataOffset of the result; otherwise empty,
// and cache.outcome says what was wrong.
//
// Accepted are regular files of this user that nobody else may write. Every chunk is compared with its checksum before
// anything is used: 98 MB take 10 ms on two threads, a tenth of reading and packing them.
WeightMemory readPackedCache(PackedCache& cache, uint64_t source, size_t bytes, ThreadPool& pool);

// Writes the file under another name and renames it. One process at a time: others go without. Not flushed to the disk:
// what a power cut leaves does not pass its checksums.
void writePackedCache(PackedCache& cache, uint64_t source, const uint8_t* data, size_t bytes, ThreadPool& pool);

}  // namespace gateskip
