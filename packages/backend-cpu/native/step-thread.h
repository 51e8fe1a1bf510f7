// The thread that steps run on, one per runner: always the same, so that its core keeps what it had in its caches, and awake for
// a moment after a step, so that the next one starts without the system's help.
#pragma once
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace gateskip {

class StepTask {
 public:
  virtual ~StepTask() = default;
  // On the step thread; must not throw. The task may be gone when it returns.
  virtual void execute() = 0;
};

class StepThread {
 public:
  StepThread();
  // Waits for the task in hand, if any.
  ~StepThread();
  StepThread(const StepThread&) = delete;
  StepThread& operator=(const StepThread&) = delete;

  // One at a time: the last one has been executed.
  void post(StepTask* task);

 private:
  void loop();
  // The next task, or null when it is time to stop.
  StepTask* take();

  std::atomic<StepTask*> next_{nullptr};
  std::atomic<bool> sleeping_{false};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::thread thread_;
};

}  // namespace gateskip
