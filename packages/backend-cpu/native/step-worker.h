// One step on a thread of libuv's pool; the JavaScript thread goes on.
#pragma once
#include <napi.h>

#include <memory>
#include <optional>

#include "native-runner.h"
#include "status.h"

namespace gateskip {

class StepWorker : public Napi::AsyncWorker {
 public:
  // Checks and reads the request, queues the step and returns its promise. Throws Failure.
  static Napi::Value start(Napi::Env env, const std::shared_ptr<RunnerHandle>& handle, const Napi::Object& request);

 protected:
  void Execute() override;
  void OnOK() override;
  void OnError(const Napi::Error& error) override;

 private:
  StepWorker(Napi::Env env, std::shared_ptr<RunnerHandle> handle, const Napi::Object& request);
  void read(const Napi::Object& request);

  Napi::Promise::Deferred deferred_;
  std::shared_ptr<RunnerHandle> handle_;
  // Keeps the typed arrays alive that the step reads and writes.
  Napi::ObjectReference held_;
  StepRequest request_;
  std::optional<Failure> failure_;
};

}  // namespace gateskip
