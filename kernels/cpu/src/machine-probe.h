// What the machine can do at best, measured now: the limits that speeds are compared with.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace gateskip {

struct MachineRates {
  double readBytesPerSecond;
  double int8MacsPerSecond;  // 0 where the instruction set has no dot product of int8
};

// A loop of independent int8 dot products in registers, nothing read: `iterations` of `macs` each.
struct DotLoop {
  const char* instructionSet;
  uint64_t macs;
  // Returns something that depends on every product, so that none is left out.
  int32_t (*run)(uint64_t iterations);
};

// The loop of an instruction set by the name of its kernels; null where it has none.
const DotLoop* dotLoopOf(const std::string& instructionSet);

// Both rates with `threads` threads at once, each measured for `seconds` at least. Reading goes over `bufferBytes` in all, which
// must be far more than the caches hold. Stops early, with rates of no use, when `cancelled` is set.
MachineRates probeMachine(const DotLoop* loop, size_t threads, double seconds, size_t bufferBytes, const std::atomic<bool>& cancelled);

}  // namespace gateskip
