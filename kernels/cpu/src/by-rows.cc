// Branches of many rows: dealt by rows, not by columns.
#include "row-tasks.h"
#include "step-run.h"

namespace gateskip {

namespace {

// Rows of a task: enough to pay for reading the weights from a shared cache, few enough to stay in the core's own.
constexpr size_t mostRows = 48;
// From so many rows of each thread on a branch is dealt by rows.
constexpr size_t fewestRows = 24;
// A pass of every instruction set's matrix kernels is this or a part of it.
constexpr size_t passRows = 12;

enum Kind : uint8_t { ofBranch, ofStandIns };

}  // namespace

bool StepRun::byRows(size_t rows, size_t pass) const {
  // Gates of a second run are asked when it ends, about what its first products read: that must not have made room for other rows.
  const bool asksLate = pass > 0 && gates_.present && gates_.multiplies && !gates_.after;
  return rows >= fewestRows * pool_.active() && !asksLate;
}

void StepRun::dealRows(size_t split, size_t count, const RowWork& work, const uint32_t* list) {
  RowTasks tasks(pool_.active());
  tasks.cut(ofBranch, 0, split, mostRows, passRows);
  // Rows without a query have half as many products.
  tasks.cut(ofBranch, split, count, 2 * mostRows, passRows);
  tasks.run(pool_, [&](const RowTask& task, size_t thread) { work(alone(thread), RowList(list, task.first, task.count)); });
}

void StepRun::finish(size_t branch, const std::vector<uint32_t>& rows, size_t pass, const RowWork& work) {
  RowTasks tasks(pool_.active());
  if (byRows(rows.size(), pass))
    tasks.cut(ofBranch, 0, rows.size(), mostRows, passRows);
  else if (!rows.empty())
    work(everyone(), RowList(rows));
  if (isLast(pass)) tasks.cut(ofStandIns, 0, replaced_.size(), mostRows, passRows);
  tasks.run(pool_, [&](const RowTask& task, size_t thread) {
    if (task.kind == ofBranch)
      work(alone(thread), RowList(rows.data(), task.first, task.count));
    else
      addStandIns(branch, RowList(replaced_.data(), task.first, task.count), thread);
  });
}

}  // namespace gateskip
