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
};

// Shared with the step in flight, which may outlive the JavaScript object.
struct RunnerHandle {
  std::unique_ptr<Runner> runner;
  std::atomic<bool> cancelled{false};
  std::atomic<bool> busy{false};
  std::string cacheOutcome;  // see PackedCache
};

class NativeRunner : public Napi::ObjectWrap<NativeRunner> {
 public:
  static Napi::FunctionReference define(Napi::Env env);
  // Takes an External<std::shared_ptr<RunnerHandle>>.
  explicit NativeRunner(const Napi::CallbackInfo& info);

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

  std::shared_ptr<RunnerHandle> handle_;
};

}  // namespace gateskip
