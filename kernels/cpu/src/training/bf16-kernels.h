// Products of bfloat16 numbers with sums in f32, where the processor has them: twice the numbers of an instruction. Values are
// rounded to nearest even on their way in.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace gateskip {

// c [rows, columns] = (or +=) a . panel, k in pairs.
struct Bf16Product {
  const uint16_t* a;   // [rows, aRow]
  size_t aRow;
  size_t rows;
  size_t pairs;
  const uint16_t* panel;  // [pairs, 32 columns, 2]
  float* c;
  size_t cRow;
  size_t columns;  // 1..32
  bool accumulate;
};

struct Bf16Kernels {
  void (*multiplyPanel)(const Bf16Product& product);
  // out [n rounded up to 2], zero beyond n
  void (*round)(const float* x, size_t n, uint16_t* out);
  // From a panel [depth, 32] of floats; an odd last row is paired with zeros.
  void (*packPairs)(const float* panel, size_t depth, uint16_t* pairs);
};

// Null where the build or the machine has none beside `Kernels` of that name.
const Bf16Kernels* bf16KernelsFor(const std::string& name);

}  // namespace gateskip
