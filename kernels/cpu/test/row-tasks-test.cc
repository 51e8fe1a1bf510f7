// How rows are cut into tasks, and that every task runs once, whatever fails.
#include "row-tasks.h"

#include <cstdio>
#include <stdexcept>

using gateskip::RowTask;
using gateskip::RowTasks;
using gateskip::ThreadPool;

namespace {

int failures = 0;

void expect(const char* what, bool holds) {
  std::printf("%s %s\n", holds ? "ok" : "FAILED", what);
  if (!holds) ++failures;
}

constexpr size_t most = 48;
constexpr size_t unit = 12;

// Whether rows begin .. end - 1 of a list are each in one task, and no task is too large or cut beside the unit within a share.
bool covers(size_t threads, size_t begin, size_t end) {
  ThreadPool pool(threads);
  pool.beginStep(threads);
  RowTasks tasks(threads);
  tasks.cut(0, begin, end, most, unit);
  std::vector<std::atomic<int>> seen(end + 1);
  std::atomic<int> odd{0};
  std::atomic<bool> fits{true};
  tasks.run(pool, [&](const RowTask& task, size_t thread) {
    if (thread >= threads || task.count == 0 || task.count > most || task.first < begin) fits = false;
    if (task.count % unit != 0) ++odd;
    for (size_t i = 0; i < task.count; ++i) ++seen[task.first + i];
  });
  pool.endStep();
  for (size_t row = 0; row <= end; ++row)
    if (seen[row] != (row >= begin && row < end ? 1 : 0)) fits = false;
  return fits && odd <= static_cast<int>(threads);
}

}  // namespace

int main() {
  for (const size_t threads : {1, 2, 3, 16}) {
    bool every = true;
    for (const size_t rows : {0, 1, 11, 12, 13, 47, 48, 49, 97, 256, 511, 2048}) every = every && covers(threads, 0, rows) && covers(threads, 5, 5 + rows);
    char what[64];
    std::snprintf(what, sizeof what, "every row is in one task, %zu threads", threads);
    expect(what, every);
  }

  {
    ThreadPool pool(2);
    RowTasks tasks(1);
    tasks.cut(0, 0, 100, most, unit);
    tasks.cut(1, 0, 30, most, unit);
    std::vector<RowTask> order;
    tasks.run(pool, [&](const RowTask& task, size_t) { order.push_back(task); });
    bool sorted = true;
    for (size_t i = 1; i < order.size(); ++i) sorted = sorted && (order[i].kind > order[i - 1].kind || order[i].first > order[i - 1].first);
    expect("what was cut first runs first", sorted && order.front().kind == 0 && order.back().kind == 1);
    expect("the last tasks are smaller", order.front().count == 48 && order.back().count <= unit);
  }

  {
    // One thread does not come back from its first task until all others are done: the other takes over its share.
    ThreadPool pool(2);
    pool.beginStep(2);
    RowTasks tasks(2);
    tasks.cut(0, 0, 480, most, unit);
    std::atomic<size_t> rows{0};
    std::atomic<size_t> held{0};
    std::atomic<bool> holds{false};
    tasks.run(pool, [&](const RowTask& task, size_t) {
      if (!holds.exchange(true)) {
        held = task.count;
        while (rows + held < 480) std::this_thread::yield();
      }
      rows += task.count;
    });
    pool.endStep();
    expect("who is done helps the others", rows == 480);
  }

  for (const size_t threads : {1, 2}) {
    ThreadPool pool(threads);
    pool.beginStep(threads);
    RowTasks tasks(threads);
    tasks.cut(0, 0, 480, most, unit);
    std::atomic<size_t> ran{0};
    bool thrown = false;
    try {
      tasks.run(pool, [&](const RowTask& task, size_t) {
        ran += task.count;
        if (task.first % 48 == 0) throw std::bad_alloc();
      });
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    pool.endStep();
    expect("a failure is thrown when all tasks are done", thrown && ran == 480);
  }
  return failures == 0 ? 0 : 1;
}
