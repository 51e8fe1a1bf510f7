// One training step on a thread of libuv's pool; the JavaScript thread goes on.
#pragma once
#include <napi.h>

#include <memory>
#include <optional>

#include "status.h"
#include "trainer-object.h"

namespace gateskip {

class TrainerStepWorker : public Napi::AsyncWorker {
 public:
  // Checks and reads the request, queues the step and returns its promise. Throws Failure.
  static Napi::Value start(Napi::Env env, const std::shared_ptr<TrainerHandle>& handle, const Napi::Object& request);

 protected:
  void Execute() override;
  void OnOK() override;
  void OnError(const Napi::Error& error) override;

 private:
  TrainerStepWorker(Napi::Env env, std::shared_ptr<TrainerHandle> handle, const Napi::Object& request);
  void read(const Napi::Object& object);
  void readPlan(const Napi::Object& plan);
  void readLosses(const Napi::Object& object);

  Napi::Promise::Deferred deferred_;
  std::shared_ptr<TrainerHandle> handle_;
  // Keeps the typed arrays alive that the step reads and writes.
  Napi::ObjectReference held_;
  TrainRequest request_;
  double* numbers_ = nullptr;  // [5]
  std::optional<Failure> failure_;
};

}  // namespace gateskip
