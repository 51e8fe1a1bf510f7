// One step: read on the JavaScript thread, run on the runner's own, settled on the JavaScript thread again.
#pragma once
#include <napi.h>

#include <memory>
#include <optional>
#include <vector>

#include "native-runner.h"
#include "status.h"
#include "step-thread.h"

namespace gateskip {

class StepWorker : public StepTask {
 public:
  // Checks and reads step(block, results, extras): the words of src/step-block.ts, the memory of src/step-arrays.ts and, where it
  // is not undefined, an object of what few steps have. Throws Failure.
  StepWorker(const Napi::CallbackInfo& info, std::shared_ptr<RunnerHandle> handle, const StepReturn& done);

  Napi::Promise promise() const { return deferred_.Promise(); }
  void execute() override;
  // On the JavaScript thread.
  void settle(Napi::Env env);

 private:
  void readBlock(Napi::Env env, napi_value block);
  void readPlans(size_t planCount, size_t at);
  void readResults(Napi::Env env, napi_value results);
  void readExtras(const Napi::Object& extras);

  Napi::Promise::Deferred deferred_;
  std::shared_ptr<RunnerHandle> handle_;
  const StepReturn& done_;
  // Keep the memory alive that the step reads and writes.
  Napi::ObjectReference results_;
  Napi::ObjectReference extras_;
  std::vector<uint32_t> words_;  // the block: JavaScript writes the next step over its own
  bool wantsScores_ = false;
  bool wantsKeptRows_ = false;
  StepRequest request_;
  std::optional<Failure> failure_;
};

}  // namespace gateskip
