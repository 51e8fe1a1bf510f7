// A Runner as a JavaScript object.
#pragma once
#include <napi.h>

#include <atomic>
#include <memory>
#include <string>

#include "runner.h"

namespace gateskip {

struct AddonData {
  Napi::FunctionReference runnerConstructor;
  Napi::FunctionReference trainerConstructor;
};

// Shared with the step in flight, which may outlive the JavaScript object.
struct RunnerHandle {
  std::unique_ptr<Runner> runner;
  std::atomic<bool> cancelled{false};
  std::atomic<bool> busy{false};
  std::string cacheOutcome;  // see PackedCache
};

class NativeRunner;
class StepThread;
class StepWorker;

// Brings a finished step back to the JavaScript thread; `env` is null where that thread is ending.
void settleStep(Napi::Env env, Napi::Function, NativeRunner* runner, StepWorker* step);
using StepReturn = Napi::TypedThreadSafeFunction<NativeRunner, StepWorker, settleStep>;

class NativeRunner : public Napi::ObjectWrap<NativeRunner> {
 public:
  static Napi::FunctionReference define(Napi::Env env);
  // Takes an External<std::shared_ptr<RunnerHandle>>.
  explicit NativeRunner(const Napi::CallbackInfo& info);
  ~NativeRunner() override;
  void onStepDone(Napi::Env env, StepWorker& step);

 private:
  Napi::Value openSequence(const Napi::CallbackInfo& info);
  Napi::Value fork(const Napi::CallbackInfo& info);
  Napi::Value truncate(const Napi::CallbackInfo& info);
  Napi::Value closeSequence(const Napi::CallbackInfo& info);
  Napi::Value sequenceLength(const Napi::CallbackInfo& info);
  Napi::Value sequenceRows(const Napi::CallbackInfo& info);
  Napi::Value usage(const Napi::CallbackInfo& info);
  Napi::Value details(const Napi::CallbackInfo& info);
  Napi::Value step(const Napi::CallbackInfo& info);
  Napi::Value cancel(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  Runner& runner(Napi::Env env);
  // Cancels and waits for the step in hand, and gives back what lets it return.
  void stopSteps();

  std::shared_ptr<RunnerHandle> handle_;
  StepReturn stepReturn_;
  std::unique_ptr<StepThread> stepThread_;
  // Runs before the environment takes the return away.
  Napi::Env::CleanupHook<void (*)(NativeRunner*), NativeRunner> cleanup_;
};

}  // namespace gateskip
