#include "probe-worker.h"

#include <atomic>
#include <memory>
#include <new>
#include <optional>

#include "arguments.h"
#include "cpu-features.h"
#include "machine-probe.h"

namespace gateskip {

namespace {

class ProbeWorker : public Napi::AsyncWorker {
 public:
  ProbeWorker(Napi::Env env, const Napi::Object& request, std::shared_ptr<std::atomic<bool>> cancelled)
      : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), cancelled_(std::move(cancelled)) {
    const std::string name = request.Get("instructionSet").ToString().Utf8Value();
    kernels_ = selectKernels(name);
    if (kernels_ == nullptr) fail(StatusCode::unsupported, "Instruction set " + name + " is not available here.");
    threads_ = integerOf(request, "threads");
    bufferBytes_ = integerOf(request, "bufferBytes");
    seconds_ = request.Get("seconds").ToNumber().DoubleValue();
    if (threads_ < 1 || threads_ > 1024) fail(StatusCode::invalidArgument, "threads must be 1..1024.");
    if (bufferBytes_ < threads_ * 65536 || bufferBytes_ > (size_t{1} << 34))
      fail(StatusCode::invalidArgument, "bufferBytes must be 65,536 a thread at least and 2^34 at most.");
    if (!(seconds_ > 0 && seconds_ <= 60)) fail(StatusCode::invalidArgument, "seconds must be above 0 and at most 60.");
  }

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    try {
      rates_ = probeMachine(dotLoopOf(kernels_->name), threads_, seconds_, bufferBytes_, *cancelled_);
      if (cancelled_->load()) failure_ = Failure{StatusCode::aborted, "The measurement was aborted."};
    } catch (const Failure& failure) {
      failure_ = failure;
    } catch (const std::bad_alloc&) {
      failure_ = Failure{StatusCode::insufficientMemory, "The buffer that is read", static_cast<double>(bufferBytes_)};
    }
    if (failure_) SetError(failure_->message);
  }

  void OnOK() override {
    Napi::HandleScope scope(Env());
    Napi::Object result = Napi::Object::New(Env());
    result.Set("instructionSet", kernels_->name);
    result.Set("readBytesPerSecond", rates_.readBytesPerSecond);
    result.Set("int8MacsPerSecond", rates_.int8MacsPerSecond);
    deferred_.Resolve(result);
  }

  void OnError(const Napi::Error&) override { deferred_.Reject(toError(Env(), *failure_).Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  std::shared_ptr<std::atomic<bool>> cancelled_;
  const Kernels* kernels_ = nullptr;
  size_t threads_ = 1;
  size_t bufferBytes_ = 0;
  double seconds_ = 0;
  MachineRates rates_{};
  std::optional<Failure> failure_;
};

}  // namespace

Napi::Value startProbe(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (info.Length() != 1 || !info[0].IsObject()) throw Napi::TypeError::New(env, "probe() takes one request object.");
  auto cancelled = std::make_shared<std::atomic<bool>>(false);
  try {
    auto worker = std::make_unique<ProbeWorker>(env, info[0].As<Napi::Object>(), cancelled);
    Napi::Object result = Napi::Object::New(env);
    result.Set("promise", worker->promise());
    result.Set("cancel", Napi::Function::New(env, [cancelled](const Napi::CallbackInfo&) { cancelled->store(true); }));
    worker.release()->Queue();  // frees itself when done
    return result;
  } catch (const Failure& failure) {
    throw toError(env, failure);
  }
}

}  // namespace gateskip
