// Node-API entry: what the TypeScript side sees of the native backend.
#include <napi.h>

#include "cpu-features.h"
#include "load-worker.h"
#include "native-runner.h"
#include "packed-matrix.h"
#include "probe-worker.h"
#include "trainer-load-worker.h"
#include "trainer-object.h"

namespace gateskip {

// Names of the instruction sets that this build has and this machine can run, best first.
static Napi::Value instructionSets(const Napi::CallbackInfo& info) {
  const auto kernels = availableKernels();
  Napi::Array names = Napi::Array::New(info.Env(), kernels.size());
  for (uint32_t i = 0; i < kernels.size(); ++i) names.Set(i, Napi::String::New(info.Env(), kernels[i]->name));
  return names;
}

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new AddonData{NativeRunner::define(env), NativeTrainer::define(env)});
  exports.Set("instructionSets", Napi::Function::New(env, instructionSets));
  exports.Set("packedLayoutVersion", Napi::Number::New(env, packedLayoutVersion));
  exports.Set("load", Napi::Function::New(env, startLoad));
  exports.Set("loadTrainer", Napi::Function::New(env, startLoadTrainer));
  exports.Set("probe", Napi::Function::New(env, startProbe));
  return exports;
}

}  // namespace gateskip

static Napi::Object Init(Napi::Env env, Napi::Object exports) { return gateskip::init(env, exports); }

NODE_API_MODULE(gateskip_cpu, Init)
