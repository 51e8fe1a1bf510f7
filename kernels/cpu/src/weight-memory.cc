#include "weight-memory.h"

#include <csignal>
#include <mutex>
#include <new>

#include <sys/mman.h>
#include <unistd.h>

namespace gateskip {

namespace {

// Reading a mapped page that its file no longer has raises SIGBUS, which would end the process. The handler puts a page of
// zeros there and notes it; the step that read it fails, with a typed error, when it asks damaged().
struct GuardedRange {
  std::atomic<uintptr_t> start{0};
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> damaged{false};
};

constexpr int mostRanges = 64;
GuardedRange ranges[mostRanges];
struct sigaction previousAction;
std::mutex guardMutex;
bool isInstalled = false;
long pageBytes = 4096;

void onBusError(int signal, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (GuardedRange& range : ranges) {
    if (address < range.start.load(std::memory_order_acquire) || address >= range.end.load(std::memory_order_acquire)) continue;
    range.damaged.store(true, std::memory_order_release);
    void* page = reinterpret_cast<void*>(address & ~static_cast<uintptr_t>(pageBytes - 1));
    if (::mmap(page, static_cast<size_t>(pageBytes), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED) return;
    break;
  }
  // Not ours: as if we were not there.
  if ((previousAction.sa_flags & SA_SIGINFO) != 0 && previousAction.sa_sigaction != nullptr) return previousAction.sa_sigaction(signal, info, context);
  if (previousAction.sa_handler != SIG_DFL && previousAction.sa_handler != SIG_IGN) return previousAction.sa_handler(signal);
  ::signal(signal, SIG_DFL);
}

// Entry of the table, or -1 where it is full or the handler cannot be set.
int guard(const void* data, size_t bytes) {
  const std::lock_guard<std::mutex> lock(guardMutex);
  if (!isInstalled) {
    pageBytes = ::sysconf(_SC_PAGESIZE);
    struct sigaction action {};
    action.sa_sigaction = onBusError;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    if (::sigaction(SIGBUS, &action, &previousAction) != 0) return -1;
    isInstalled = true;
  }
  for (int i = 0; i < mostRanges; ++i) {
    if (ranges[i].end.load() != 0) continue;
    ranges[i].damaged.store(false);
    ranges[i].start.store(reinterpret_cast<uintptr_t>(data));
    ranges[i].end.store(reinterpret_cast<uintptr_t>(data) + bytes);
    return i;
  }
  return -1;
}

void unguard(int entry) {
  const std::lock_guard<std::mutex> lock(guardMutex);
  ranges[entry].end.store(0);
  ranges[entry].start.store(0);
}

}  // namespace

WeightMemory::~WeightMemory() {
  if (guard_ >= 0) unguard(guard_);
  if (base_ != nullptr) ::munmap(base_, bytes_);
}

WeightMemory WeightMemory::fresh(size_t bytes) {
  constexpr size_t huge = size_t{2} << 20;
  if (bytes == 0 || bytes > SIZE_MAX / 2) throw std::bad_alloc();
  WeightMemory memory;
  memory.bytes_ = bytes + huge;
  void* base = ::mmap(nullptr, memory.bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) throw std::bad_alloc();
  memory.base_ = base;
  memory.data_ = reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(base) + huge - 1) & ~(huge - 1));
#if defined(__linux__)
  // Fewer faults while it fills and fewer address translations while weights stream by; a hint, so its failure does not matter.
  ::madvise(memory.data_, bytes, MADV_HUGEPAGE);
#endif
  return memory;
}

WeightMemory WeightMemory::mapped(int descriptor, size_t bytes) {
  WeightMemory memory;
  void* base = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (base == MAP_FAILED) return memory;
  memory.base_ = base;
  memory.bytes_ = bytes;
  memory.guard_ = guard(base, bytes);
  if (memory.guard_ < 0) return WeightMemory();
  memory.data_ = static_cast<uint8_t*>(base);
  return memory;
}

bool WeightMemory::damaged() const { return guard_ >= 0 && ranges[guard_].damaged.load(std::memory_order_acquire); }

}  // namespace gateskip
