#include "machine-probe.h"

#include <chrono>
#include <cstring>
#include <system_error>
#include <thread>
#include <vector>

#include "aligned-buffer.h"
#include "cpu-features.h"
#include "status.h"

namespace gateskip {

#if defined(__x86_64__)
extern const DotLoop avx2DotLoop;
extern const DotLoop avx512VnniDotLoop;
extern const DotLoop avx2VnniEvexDotLoop;
#if defined(GATESKIP_HAS_AVXVNNI)
extern const DotLoop avx2VnniDotLoop;
static const DotLoop* const dotLoops[] = {&avx512VnniDotLoop, hasAvxVnni() ? &avx2VnniDotLoop : &avx2VnniEvexDotLoop, &avx2DotLoop};
#else
static const DotLoop* const dotLoops[] = {&avx512VnniDotLoop, &avx2VnniEvexDotLoop, &avx2DotLoop};
#endif
#elif defined(__aarch64__)
extern const DotLoop neonDotprodDotLoop;
static const DotLoop* const dotLoops[] = {&neonDotprodDotLoop};
#else
static const DotLoop* const dotLoops[] = {nullptr};
#endif

const DotLoop* dotLoopOf(const std::string& wanted) {
  // Its products of 8-bit numbers are the same.
  const std::string instructionSet = wanted == "avx512-bf16" ? "avx512-vnni" : wanted;
  for (const DotLoop* loop : dotLoops)
    if (loop != nullptr && instructionSet == loop->instructionSet) return loop;
  return nullptr;
}

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Whoever came first waits: a thread measures only while all do.
class StartLine {
 public:
  explicit StartLine(size_t threads) : missing_(static_cast<ptrdiff_t>(threads)) {}
  void wait() {
    missing_.fetch_sub(1);
    while (missing_.load() > 0) std::this_thread::yield();
  }
  // For the threads that could not be started.
  void open() { missing_.store(0); }

 private:
  std::atomic<ptrdiff_t> missing_;
};

// Sixteen independent sums, so that additions never hold up the loads.
uint64_t readAll(const uint64_t* words, size_t count) {
  uint64_t sums[16] = {};
  for (size_t i = 0; i + 16 <= count; i += 16)
    for (size_t j = 0; j < 16; ++j) sums[j] += words[i + j];
  uint64_t sum = 0;
  for (uint64_t part : sums) sum += part;
  return sum;
}

// Runs work(thread) -> units until `seconds` are over, on every thread at once; returns units per second.
template <typename Work>
double rateOf(size_t threads, double seconds, const std::atomic<bool>& cancelled, Work&& work) {
  StartLine line(threads);
  std::vector<double> rates(threads);
  std::atomic<bool> stop{false};
  auto measure = [&](size_t thread) {
    line.wait();
    const Clock::time_point start = Clock::now();
    double units = 0;
    double elapsed = 0;
    do {
      units += work(thread);
      elapsed = secondsSince(start);
    } while (elapsed < seconds && !cancelled.load(std::memory_order_relaxed) && !stop.load(std::memory_order_relaxed));
    rates[thread] = units / elapsed;
  };
  std::vector<std::thread> others;
  others.reserve(threads);
  bool started = true;
  try {
    for (size_t thread = 1; thread < threads; ++thread) others.emplace_back(measure, thread);
  } catch (const std::system_error&) {
    started = false;
    stop.store(true);
    line.open();
  }
  if (started) measure(0);
  for (std::thread& other : others) other.join();
  if (!started) fail(StatusCode::insufficientMemory, "A measurement with " + std::to_string(threads) + " threads");
  double rate = 0;
  for (double part : rates) rate += part;
  return rate;
}

}  // namespace

MachineRates probeMachine(const DotLoop* loop, size_t threads, double seconds, size_t bufferBytes, const std::atomic<bool>& cancelled) {
  const size_t words = bufferBytes / sizeof(uint64_t) / threads / 16 * 16;
  AlignedBuffer<uint64_t> buffer(words * threads);
  // Pages that were never written are all the same one, and reading them costs next to nothing.
  std::memset(buffer.data(), 1, words * threads * sizeof(uint64_t));
  std::atomic<uint64_t> sink{0};
  MachineRates rates{};
  rates.readBytesPerSecond = rateOf(threads, seconds, cancelled, [&](size_t thread) {
    sink.fetch_add(readAll(buffer.data() + thread * words, words), std::memory_order_relaxed);
    return static_cast<double>(words * sizeof(uint64_t));
  });
  if (loop == nullptr) return rates;
  rates.int8MacsPerSecond = rateOf(threads, seconds, cancelled, [&](size_t) {
    constexpr uint64_t iterations = 100000;
    sink.fetch_add(static_cast<uint64_t>(static_cast<int64_t>(loop->run(iterations))), std::memory_order_relaxed);
    return static_cast<double>(iterations * loop->macs);
  });
  return rates;
}

}  // namespace gateskip
