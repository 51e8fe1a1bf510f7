// The one block of memory that all packed matrices of a model lie in: fresh and zero, or a file mapped for reading.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace gateskip {

class WeightMemory {
 public:
  WeightMemory() = default;
  WeightMemory(WeightMemory&& other) noexcept { swap(other); }
  WeightMemory& operator=(WeightMemory&& other) noexcept {
    swap(other);
    return *this;
  }
  ~WeightMemory();

  // Zeroed, in large pages where the system has them; its pages come when they are written, on whichever thread does.
  // Throws std::bad_alloc.
  static WeightMemory fresh(size_t bytes);
  // Maps `bytes` from the start of an open file, read-only. Empty where that cannot be done.
  static WeightMemory mapped(int descriptor, size_t bytes);

  // Of fresh memory.
  uint8_t* data() { return data_; }
  const uint8_t* data() const { return data_; }
  bool empty() const { return data_ == nullptr; }
  // Whether a part of the mapped file was gone when it was read (somebody cut the file short). What was computed since then
  // was computed with zeros. False for fresh memory.
  bool damaged() const;

 private:
  void swap(WeightMemory& other) {
    std::swap(data_, other.data_);
    std::swap(base_, other.base_);
    std::swap(bytes_, other.bytes_);
    std::swap(guard_, other.guard_);
  }

  uint8_t* data_ = nullptr;
  void* base_ = nullptr;  // what to unmap
  size_t bytes_ = 0;
  int guard_ = -1;  // entry of the guarded ranges
};

}  // namespace gateskip
