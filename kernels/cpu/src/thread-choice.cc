#include "thread-choice.h"

#include <algorithm>

namespace gateskip {

namespace {

// Another count must be better by this much, so that two equal ones do not take turns.
constexpr double clearlyBetter = 0.95;
// Steps this much slower than at the last trial: the machine has changed, so the next trial comes at once.
constexpr double muchSlower = 1.5;

template <size_t N>
double medianOf(std::array<double, N> values, size_t count) {
  std::sort(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count));
  return values[count / 2];
}

}  // namespace

ThreadChoice::ThreadChoice(size_t most, bool adapts) {
  counts_.push_back(most);
  if (!adapts) return;
  if (most > 3) counts_.push_back(most / 2);
  if (most > 1) counts_.push_back(1);
}

double ThreadChoice::medianInUse() const { return medianOf(inUse_, std::min(recorded_, window)); }

size_t ThreadChoice::choose(size_t rows) {
  if (rows >= fewRows) return counts_[0];
  if (counts_.size() > 1 && !onTrial_ && untilTrial_ == 0 && recorded_ >= window) {
    onTrial_ = true;
    triedSteps_ = 0;
    do trial_ = (trial_ + 1) % counts_.size();
    while (trial_ == best_);
  }
  return counts_[onTrial_ ? trial_ : best_];
}

void ThreadChoice::record(size_t rows, double seconds, double work) {
  if (rows >= fewRows || counts_.size() == 1 || !(work > 0)) return;
  const double cost = seconds / work;
  if (onTrial_) {
    tried_[triedSteps_++] = cost;
    if (triedSteps_ == trialSteps) endTrial();
    return;
  }
  inUse_[recorded_++ % window] = cost;
  if (untilTrial_ > 0) --untilTrial_;
  if (wonAt_ > 0 && recorded_ >= window && untilTrial_ > 0 && medianInUse() > muchSlower * wonAt_) {
    pause_ = firstPause;
    untilTrial_ = 0;
  }
}

void ThreadChoice::endTrial() {
  onTrial_ = false;
  const double held = medianInUse();
  const double tried = medianOf(tried_, trialSteps);
  if (tried < clearlyBetter * held) {
    best_ = trial_;
    wonAt_ = tried;
    recorded_ = 0;
    pause_ = firstPause;
  } else {
    wonAt_ = held;
    pause_ = std::min(2 * pause_, longestPause);
  }
  untilTrial_ = pause_;
}

}  // namespace gateskip
