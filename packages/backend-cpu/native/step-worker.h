// One step: read on the JavaScript thread, run on the runner's own, settled on the JavaScript thread again.
#pragma once
#include <napi.h>

#include <memory>
#include <optional>

#include "native-runner.h"
#include "status.h"
#include "step-thread.h"

namespace gateskip {

class StepWorker : public StepTask {
 public:
  // Checks and reads the request. Throws Failure.
  StepWorker(Napi::Env env, std::shared_ptr<RunnerHandle> handle, const StepReturn& done, const Napi::Object& request);

  Napi::Promise promise() const { return deferred_.Promise(); }
  void execute() override;
  // On the JavaScript thread.
  void settle(Napi::Env env);

 private:
  void read(const Napi::Object& request);
  void readPlans(const Napi::Object& request);
  void readOutputs(const Napi::Object& request);

  Napi::Promise::Deferred deferred_;
  std::shared_ptr<RunnerHandle> handle_;
  const StepReturn& done_;
  // Keeps the typed arrays alive that the step reads and writes.
  Napi::ObjectReference held_;
  StepRequest request_;
  std::optional<Failure> failure_;
};

}  // namespace gateskip
