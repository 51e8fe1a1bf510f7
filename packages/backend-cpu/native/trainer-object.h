// A Trainer as a JavaScript object.
#pragma once
#include <napi.h>

#include <atomic>
#include <memory>

#include "training/trainer.h"

namespace gateskip {

// Shared with the step in flight, which may outlive the JavaScript object.
struct TrainerHandle {
  std::unique_ptr<Trainer> trainer;
  // Keeps the arrays alive that the trainer reads and adds to. Made and dropped on the JavaScript thread.
  Napi::ObjectReference arrays;
  std::atomic<bool> cancelled{false};
  std::atomic<bool> busy{false};
};

class NativeTrainer : public Napi::ObjectWrap<NativeTrainer> {
 public:
  static Napi::FunctionReference define(Napi::Env env);
  // Takes an External<std::shared_ptr<TrainerHandle>>.
  explicit NativeTrainer(const Napi::CallbackInfo& info);

 private:
  Napi::Value details(const Napi::CallbackInfo& info);
  Napi::Value step(const Napi::CallbackInfo& info);
  Napi::Value cancel(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  // Throws where it is closed or a step is in flight.
  Trainer& trainer(Napi::Env env);

  std::shared_ptr<TrainerHandle> handle_;
};

}  // namespace gateskip
