// How many threads a step of few rows uses, by what such steps took: on a machine with other tenants the second thread may
// wait for a core longer than it helps. Results do not depend on it.
#pragma once
#include <array>
#include <cstddef>
#include <vector>

namespace gateskip {

class ThreadChoice {
 public:
  // most: threads of the pool, which is where it starts, and where it stays unless it adapts.
  ThreadChoice(size_t most, bool adapts);

  // Threads for a step of that many rows. Steps of many rows always use all: they multiply, which shares out well, and each
  // is too long to be tried with fewer.
  size_t choose(size_t rows);
  // What the step took, and its work in a measure that time is proportional to. Call it after choose().
  void record(size_t rows, double seconds, double work);
  // The count in use, trials aside.
  size_t current() const { return counts_[best_]; }
  bool adapts() const { return counts_.size() > 1; }

  static constexpr size_t fewRows = 16;
  static constexpr size_t trialSteps = 3;
  // Steps before the first trial; the pause doubles whenever the count in use wins, up to the longest.
  static constexpr size_t firstPause = 16;
  static constexpr size_t longestPause = 1024;

 private:
  static constexpr size_t window = 5;
  double medianInUse() const;
  void endTrial();

  std::vector<size_t> counts_;
  size_t best_ = 0;
  std::array<double, window> inUse_{};  // seconds per work of the last steps with the count in use
  size_t recorded_ = 0;
  std::array<double, trialSteps> tried_{};
  size_t triedSteps_ = 0;
  size_t trial_ = 0;                    // index of the count on trial, where one is
  bool onTrial_ = false;
  size_t pause_ = firstPause;
  size_t untilTrial_ = firstPause;
  double wonAt_ = 0;                    // what the count in use took when it last won
};

}  // namespace gateskip
