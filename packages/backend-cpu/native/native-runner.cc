#include "native-runner.h"

#include "arguments.h"
#include "step-thread.h"
#include "step-worker.h"

namespace gateskip {

namespace {

uint32_t argument(const Napi::CallbackInfo& info, size_t index) {
  if (info.Length() <= index || !info[index].IsNumber()) throw Napi::TypeError::New(info.Env(), "A number is missing.");
  return info[index].As<Napi::Number>().Uint32Value();
}

// Runs `body` and turns a Failure into a JavaScript error.
template <typename Body>
Napi::Value guarded(Napi::Env env, Body&& body) {
  try {
    return body();
  } catch (const Failure& failure) {
    throw toError(env, failure);
  } catch (const std::bad_alloc&) {
    throw toError(env, Failure{StatusCode::insufficientMemory, "A sequence's tables"});
  }
}

}  // namespace

Napi::FunctionReference NativeRunner::define(Napi::Env env) {
  return Napi::Persistent(DefineClass(env, "NativeRunner",
                                      {
                                          InstanceMethod("openSequence", &NativeRunner::openSequence),
                                          InstanceMethod("fork", &NativeRunner::fork),
                                          InstanceMethod("truncate", &NativeRunner::truncate),
                                          InstanceMethod("closeSequence", &NativeRunner::closeSequence),
                                          InstanceMethod("sequenceLength", &NativeRunner::sequenceLength),
                                          InstanceMethod("sequenceRows", &NativeRunner::sequenceRows),
                                          InstanceMethod("usage", &NativeRunner::usage),
                                          InstanceMethod("details", &NativeRunner::details),
                                          InstanceMethod("step", &NativeRunner::step),
                                          InstanceMethod("cancel", &NativeRunner::cancel),
                                          InstanceMethod("close", &NativeRunner::close),
                                      }));
}

NativeRunner::NativeRunner(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NativeRunner>(info) {
  if (info.Length() != 1 || !info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "A runner is made by load().");
  handle_ = *info[0].As<Napi::External<std::shared_ptr<RunnerHandle>>>().Data();
  stepReturn_ = StepReturn::New(info.Env(), "gateskip step", 0, 1, this);
  // Only a step in flight keeps the process alive.
  stepReturn_.Unref(info.Env());
  try {
    stepThread_ = std::make_unique<StepThread>();
  } catch (const std::exception&) {
    stepReturn_.Release();
    throw toError(info.Env(), Failure{StatusCode::insufficientMemory, "The thread for steps"});
  }
  cleanup_ = info.Env().AddCleanupHook(+[](NativeRunner* self) { self->stopSteps(); }, this);
}

NativeRunner::~NativeRunner() {
  if (stepThread_) cleanup_.Remove(Env());
  stopSteps();
}

void NativeRunner::stopSteps() {
  if (!stepThread_) return;
  handle_->cancelled.store(true);
  stepThread_.reset();
  stepReturn_.Release();
}

void settleStep(Napi::Env env, Napi::Function, NativeRunner* runner, StepWorker* step) {
  const std::unique_ptr<StepWorker> owned(step);
  if (static_cast<napi_env>(env) != nullptr) runner->onStepDone(env, *step);
}

void NativeRunner::onStepDone(Napi::Env env, StepWorker& step) {
  stepReturn_.Unref(env);
  step.settle(env);
  Unref();
}

// Sequences are not guarded by a lock: nothing may touch them while a step runs.
Runner& NativeRunner::runner(Napi::Env env) {
  if (!handle_->runner) throw Napi::Error::New(env, "The runner is closed.");
  if (handle_->busy.load()) throw Napi::Error::New(env, "A step is in flight.");
  return *handle_->runner;
}

Napi::Value NativeRunner::openSequence(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), runner(info.Env()).openSequence()); });
}

Napi::Value NativeRunner::fork(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), runner(info.Env()).fork(argument(info, 0), argument(info, 1))); });
}

Napi::Value NativeRunner::truncate(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    runner(info.Env()).truncate(argument(info, 0), argument(info, 1));
    return info.Env().Undefined();
  });
}

Napi::Value NativeRunner::closeSequence(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    runner(info.Env()).closeSequence(argument(info, 0));
    return info.Env().Undefined();
  });
}

Napi::Value NativeRunner::sequenceLength(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(runner(info.Env()).sequenceLength(argument(info, 0))));
}

Napi::Value NativeRunner::sequenceRows(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), static_cast<double>(runner(info.Env()).sequenceRows(argument(info, 0)))); });
}

Napi::Value NativeRunner::usage(const Napi::CallbackInfo& info) {
  Runner& r = runner(info.Env());
  Napi::Object usage = Napi::Object::New(info.Env());
  usage.Set("used", static_cast<double>(r.kv().used()));
  usage.Set("tokens", static_cast<double>(r.totalTokens()));
  usage.Set("rowBytes", static_cast<double>(r.kv().rowBytes()));
  usage.Set("maxRows", static_cast<double>(r.kv().maxRows()));
  return usage;
}

Napi::Value NativeRunner::details(const Napi::CallbackInfo& info) {
  Runner& r = runner(info.Env());
  Napi::Object details = Napi::Object::New(info.Env());
  details.Set("instructionSet", r.kernels().name);
  details.Set("threads", static_cast<double>(r.pool().threads()));
  details.Set("threadChoice", r.threadChoice().adapts() ? "measured" : "fixed");
  details.Set("weightBytes", static_cast<double>(r.weights().weightBytes()));
  details.Set("loraBytes", static_cast<double>(r.weights().lowRank.memory.size()));
  if (handle_->cacheOutcome != "off") details.Set("repackCache", handle_->cacheOutcome);
  return details;
}

Napi::Value NativeRunner::step(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  runner(env);
  return guarded(env, [&] {
    auto step = std::make_unique<StepWorker>(info, handle_, stepReturn_);
    const Napi::Promise promise = step->promise();
    handle_->cancelled.store(false);
    handle_->busy.store(true);
    Ref();
    stepReturn_.Ref(env);
    stepThread_->post(step.release());  // comes back to settleStep
    return promise;
  });
}

Napi::Value NativeRunner::cancel(const Napi::CallbackInfo& info) {
  handle_->cancelled.store(true);
  return info.Env().Undefined();
}

Napi::Value NativeRunner::close(const Napi::CallbackInfo& info) {
  runner(info.Env());
  cleanup_.Remove(info.Env());
  stopSteps();
  handle_->runner.reset();
  return info.Env().Undefined();
}

}  // namespace gateskip
