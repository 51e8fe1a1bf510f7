// What loading a runner and loading a trainer share: a thread of libuv's pool, progress, cancellation, typed failures.
#pragma once
#include <napi.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "arguments.h"
#include "cpu-features.h"
#include "model-arguments.h"
#include "native-runner.h"

namespace gateskip {

struct LoadShared {
  std::atomic<double> progress{0};
  std::atomic<bool> cancelled{false};
};

class LoadBase : public Napi::AsyncWorker {
 public:
  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  LoadBase(Napi::Env env, const Napi::Object& request, std::shared_ptr<LoadShared> shared)
      : Napi::AsyncWorker(env), shared_(std::move(shared)), held_(Napi::Persistent(request)), deferred_(Napi::Promise::Deferred::New(env)) {
    const std::string name = request.Get("instructionSet").ToString().Utf8Value();
    kernels_ = selectKernels(name);
    if (kernels_ == nullptr) fail(StatusCode::unsupported, "Instruction set " + name + " is not available here.");
    sizes_ = readSizes(request.Get("config").As<Napi::Object>());
    tensors_ = readTensors(request.Get("tensors").As<Napi::Array>());
  }

  // Off the JS thread; throws what went wrong.
  virtual void load() = 0;
  // On the JS thread, after load().
  virtual Napi::Object wrap(const AddonData& data) = 0;

  void Execute() final {
    try {
      load();
    } catch (const Failure& failure) {
      failure_ = failure;
    } catch (const std::bad_alloc&) {
      failure_ = Failure{StatusCode::insufficientMemory, "The weights"};
    } catch (const std::exception& error) {
      failure_ = Failure{StatusCode::invalidArgument, error.what()};
    }
    if (failure_) SetError(failure_->message);
  }

  void OnOK() final {
    Napi::HandleScope scope(Env());
    // Asked for after the last piece was read.
    if (shared_->cancelled.load()) return deferred_.Reject(toError(Env(), Failure{StatusCode::aborted, "Loading was aborted."}).Value());
    try {
      deferred_.Resolve(wrap(*Env().GetInstanceData<AddonData>()));
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    }
  }

  void OnError(const Napi::Error&) final { deferred_.Reject(toError(Env(), *failure_).Value()); }

  std::shared_ptr<LoadShared> shared_;
  const Kernels* kernels_ = nullptr;
  ModelSizes sizes_;
  std::vector<TensorSource> tensors_;
  // Keeps the arrays of the request alive while the other thread reads them.
  Napi::ObjectReference held_;

 private:
  Napi::Promise::Deferred deferred_;
  std::optional<Failure> failure_;
};

// {promise, progress(): 0..1, cancel()} of a worker that has begun.
template <typename Worker>
Napi::Value startLoading(const Napi::CallbackInfo& info, const char* function) {
  Napi::Env env = info.Env();
  if (info.Length() != 1 || !info[0].IsObject()) throw Napi::TypeError::New(env, std::string(function) + "() takes one request object.");
  auto shared = std::make_shared<LoadShared>();
  try {
    auto worker = std::make_unique<Worker>(env, info[0].As<Napi::Object>(), shared);
    Napi::Object result = Napi::Object::New(env);
    result.Set("promise", worker->promise());
    result.Set("progress", Napi::Function::New(env, [shared](const Napi::CallbackInfo& call) { return Napi::Number::New(call.Env(), shared->progress.load()); }));
    result.Set("cancel", Napi::Function::New(env, [shared](const Napi::CallbackInfo&) { shared->cancelled.store(true); }));
    worker.release()->Queue();  // frees itself when done
    return result;
  } catch (const Failure& failure) {
    throw toError(env, failure);
  }
}

}  // namespace gateskip
