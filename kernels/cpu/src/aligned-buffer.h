// Memory aligned to cache lines, zeroed, grown on demand. Allocation failure throws std::bad_alloc, which the step reports.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace gateskip {

template <typename T>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t count) { ensure(count); }
  AlignedBuffer(AlignedBuffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), count_(std::exchange(other.count_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
    return *this;
  }
  ~AlignedBuffer() { std::free(data_); }

  // At least `count` elements; contents are zero after a growth and otherwise untouched.
  T* ensure(size_t count) {
    if (count > count_) {
      constexpr size_t huge = size_t{2} << 20;
      if (count > (SIZE_MAX - huge) / sizeof(T)) throw std::bad_alloc();
      const size_t bytes = count * sizeof(T);
      const size_t alignment = bytes >= 2 * huge ? huge : 64;
      const size_t size = (bytes + alignment - 1) / alignment * alignment;
      void* fresh = std::aligned_alloc(alignment, size);
      if (fresh == nullptr) throw std::bad_alloc();
#if defined(__linux__)
      // Fewer address translations while weights stream by; a hint, so its failure does not matter.
      if (alignment == huge) madvise(fresh, size, MADV_HUGEPAGE);
#endif
      std::memset(fresh, 0, size);
      std::free(data_);
      data_ = static_cast<T*>(fresh);
      count_ = count;
    }
    return data_;
  }
  T* data() { return data_; }
  const T* data() const { return data_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  size_t size() const { return count_; }

 private:
  T* data_ = nullptr;
  size_t count_ = 0;
};

}  // namespace gateskip
