#include "trainer-object.h"

#include "arguments.h"
#include "trainer-step-worker.h"

namespace gateskip {

Napi::FunctionReference NativeTrainer::define(Napi::Env env) {
  return Napi::Persistent(DefineClass(env, "NativeTrainer",
                                      {
                                          InstanceMethod("details", &NativeTrainer::details),
                                          InstanceMethod("step", &NativeTrainer::step),
                                          InstanceMethod("cancel", &NativeTrainer::cancel),
                                          InstanceMethod("close", &NativeTrainer::close),
                                      }));
}

NativeTrainer::NativeTrainer(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NativeTrainer>(info) {
  if (info.Length() != 1 || !info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "A trainer is made by loadTrainer().");
  handle_ = *info[0].As<Napi::External<std::shared_ptr<TrainerHandle>>>().Data();
}

Trainer& NativeTrainer::trainer(Napi::Env env) {
  if (!handle_->trainer) throw Napi::Error::New(env, "The trainer is closed.");
  if (handle_->busy.load()) throw Napi::Error::New(env, "A step is in flight.");
  return *handle_->trainer;
}

Napi::Value NativeTrainer::details(const Napi::CallbackInfo& info) {
  const Trainer& t = trainer(info.Env());
  Napi::Object details = Napi::Object::New(info.Env());
  details.Set("instructionSet", t.kernels().name);
  details.Set("precision", t.model().options.bf16 ? "bfloat16" : "float32");
  details.Set("threads", static_cast<double>(t.pool().threads()));
  return details;
}

Napi::Value NativeTrainer::step(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  trainer(env);
  if (info.Length() != 1 || !info[0].IsObject()) throw Napi::TypeError::New(env, "step() takes one request object.");
  try {
    return TrainerStepWorker::start(env, handle_, info[0].As<Napi::Object>());
  } catch (const Failure& failure) {
    throw toError(env, failure);
  }
}

Napi::Value NativeTrainer::cancel(const Napi::CallbackInfo& info) {
  handle_->cancelled.store(true);
  return info.Env().Undefined();
}

Napi::Value NativeTrainer::close(const Napi::CallbackInfo& info) {
  trainer(info.Env());
  handle_->trainer.reset();
  handle_->arrays.Reset();
  return info.Env().Undefined();
}

}  // namespace gateskip
