// The choice of threads against machines that are played: what a step costs with each count is given.
#include <cstdio>
#include <functional>

#include "thread-choice.h"

using gateskip::ThreadChoice;

namespace {

int failures = 0;

void expect(const char* what, bool holds) {
  std::printf("%s %s\n", holds ? "ok" : "FAILED", what);
  if (!holds) ++failures;
}

struct Played {
  double seconds = 0;
  size_t steps = 0;
};

Played play(ThreadChoice& choice, size_t rows, size_t steps, const std::function<double(size_t threads, size_t step)>& cost) {
  Played played;
  for (size_t step = 0; step < steps; ++step) {
    const size_t threads = choice.choose(rows);
    // Half of the steps do half the work: a skipped branch is no sign of speed.
    const double work = step % 2 == 0 ? 1.0 : 0.5;
    const double seconds = cost(threads, step) * work;
    choice.record(rows, seconds, work);
    played.seconds += seconds;
    ++played.steps;
  }
  return played;
}

double scales(size_t threads, size_t) { return 1.0 / static_cast<double>(threads); }
double contended(size_t threads, size_t) { return threads == 1 ? 1.0 : 1.6; }

}  // namespace

int main() {
  {
    ThreadChoice choice(2, true);
    const Played played = play(choice, 1, 4000, scales);
    expect("keeps two threads where they help", choice.current() == 2);
    expect("its trials cost under 1 %", played.seconds < 4000 * 0.75 * 0.5 * 1.01);
  }
  {
    ThreadChoice choice(2, true);
    const Played played = play(choice, 1, 1000, contended);
    expect("one thread where the second is in the way", choice.current() == 1);
    expect("at most 5 % over the best count", played.seconds < 1000 * 0.75 * 1.05);
  }
  {
    ThreadChoice choice(2, true);
    play(choice, 1, 5000, scales);
    const Played played = play(choice, 1, 500, contended);
    expect("notices that the machine has changed", choice.current() == 1);
    expect("within a few steps", played.seconds < 500 * 0.75 * 1.05);
    play(choice, 1, 3000, scales);
    expect("and that it has changed back", choice.current() == 2);
  }
  {
    ThreadChoice choice(2, true);
    play(choice, 1, 3000, [](size_t threads, size_t step) { return threads == 2 ? (step % 3 == 0 ? 3.0 : 0.5) : 0.98; });
    expect("single slow steps prove nothing", choice.current() == 2);
  }
  {
    ThreadChoice choice(8, true);
    play(choice, 1, 3000, [](size_t threads, size_t) { return threads == 4 ? 0.3 : 0.5; });
    expect("half of the threads where those are best", choice.current() == 4);
  }
  {
    ThreadChoice choice(2, true);
    bool always = true;
    for (int step = 0; step < 500; ++step) {
      always = always && choice.choose(512) == 2;
      choice.record(512, 9.0, 1.0);
    }
    expect("steps of many rows use all", always);
  }
  {
    ThreadChoice fixed(2, false);
    play(fixed, 1, 1000, contended);
    expect("a count that was asked for stays", fixed.current() == 2 && fixed.choose(1) == 2);
    ThreadChoice one(1, true);
    play(one, 1, 1000, scales);
    expect("one thread has no choice", one.current() == 1);
  }
  return failures == 0 ? 0 : 1;
}
