#include "load-worker.h"

#include <memory>
#include <optional>
#include <vector>

#include "arguments.h"
#include "cpu-features.h"
#include "native-runner.h"

namespace gateskip {

namespace {

struct LoadShared {
  std::atomic<double> progress{0};
  std::atomic<bool> cancelled{false};
};

struct GateRequest {
  bool present = false;
  GateVariant variant = GateVariant::scalar;
  bool multiplies = false;
  bool after = false;
  size_t inner = 0;
  std::vector<GateSource> sources;
  std::vector<const float*> standIns;
};

ModelSizes readSizes(const Napi::Object& config) {
  ModelSizes sizes;
  sizes.layers = integerOf(config, "layers");
  sizes.hidden = integerOf(config, "hiddenSize");
  sizes.heads = integerOf(config, "heads");
  sizes.kvHeads = integerOf(config, "kvHeads");
  sizes.headSize = integerOf(config, "headSize");
  sizes.intermediate = integerOf(config, "intermediateSize");
  sizes.vocabulary = integerOf(config, "vocabularySize");
  sizes.context = integerOf(config, "contextLength");
  constexpr size_t limit = size_t{1} << 24;
  for (size_t value : {sizes.layers, sizes.hidden, sizes.heads, sizes.kvHeads, sizes.headSize, sizes.intermediate, sizes.vocabulary})
    if (value < 1 || value > limit) fail(StatusCode::invalidArgument, "A size of the model is outside 1.." + std::to_string(limit) + ".");
  if (sizes.context < 1 || sizes.context > (size_t{1} << 30)) fail(StatusCode::invalidArgument, "The context length is outside 1..2^30.");
  if (sizes.heads % sizes.kvHeads != 0) fail(StatusCode::invalidArgument, "The heads are no multiple of the K/V heads.");
  sizes.epsilon = config.Get("rmsNormEpsilon").ToNumber().FloatValue();
  sizes.interleaved = config.Get("interleaved").ToBoolean().Value();
  const Napi::TypedArray frequencies = config.Get("frequencies").As<Napi::TypedArray>();
  const size_t half = frequencies.ElementLength();
  const double* values = arrayOf<double>(config, "frequencies", napi_float64_array, half);
  if (2 * half > sizes.headSize) fail(StatusCode::invalidArgument, "More dimensions rotate than a head has.");
  sizes.frequencies.assign(values, values + half);
  return sizes;
}

std::vector<TensorSource> readTensors(const Napi::Array& list) {
  std::vector<TensorSource> tensors;
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Object object = list.Get(i).As<Napi::Object>();
    TensorSource tensor;
    tensor.name = object.Get("name").ToString().Utf8Value();
    const uint64_t type = integerOf(object, "type");
    if (type > static_cast<uint64_t>(SourceType::q8_0)) fail(StatusCode::unsupported, "Tensor " + tensor.name + " has an unknown type.");
    tensor.type = static_cast<SourceType>(type);
    tensor.rows = integerOf(object, "rows");
    tensor.columns = integerOf(object, "columns");
    if (has(object, "bytes")) {
      tensor.sizeBytes = object.Get("bytes").As<Napi::TypedArray>().ByteLength();
      tensor.bytes = arrayOf<uint8_t>(object, "bytes", napi_uint8_array, tensor.sizeBytes);
    } else {
      tensor.path = object.Get("path").ToString().Utf8Value();
      tensor.offset = integerOf(object, "offset");
      tensor.sizeBytes = integerOf(object, "sizeBytes");
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

GateRequest readGates(const Napi::Object& object, const ModelSizes& sizes) {
  GateRequest gates;
  gates.present = true;
  const uint64_t variant = integerOf(object, "variant");
  if (variant > static_cast<uint64_t>(GateVariant::hybrid)) fail(StatusCode::unsupported, "The gate variant is unknown.");
  gates.variant = static_cast<GateVariant>(variant);
  gates.multiplies = object.Get("multiplies").ToBoolean().Value();
  gates.after = object.Get("after").ToBoolean().Value();
  gates.inner = integerOf(object, "inner");
  const size_t d = sizes.hidden;
  const bool narrow = gates.variant == GateVariant::mlp || gates.variant == GateVariant::lowRank;
  if (narrow && (gates.inner < 1 || gates.inner > (size_t{1} << 20))) fail(StatusCode::invalidArgument, "The gates' rank or hidden width is out of range.");
  const Napi::Array list = object.Get("gates").As<Napi::Array>();
  if (list.Length() != sizes.branches()) fail(StatusCode::invalidArgument, "There must be one gate per branch.");
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Object gate = list.Get(i).As<Napi::Object>();
    GateSource source;
    const size_t outputs = gates.variant == GateVariant::scalar ? 1 : d;
    source.weight = arrayOf<float>(gate, "weight", napi_float32_array, outputs * (narrow ? gates.inner : d));
    source.bias = arrayOf<float>(gate, "bias", napi_float32_array, outputs);
    if (narrow) source.down = arrayOf<float>(gate, "down", napi_float32_array, gates.inner * d);
    if (gates.variant == GateVariant::mlp) source.downBias = arrayOf<float>(gate, "downBias", napi_float32_array, gates.inner);
    if (gates.variant == GateVariant::hybrid) {
      source.scalarWeight = arrayOf<float>(gate, "scalarWeight", napi_float32_array, d);
      source.scalarBias = arrayOf<float>(gate, "scalarBias", napi_float32_array, 1);
    }
    gates.sources.push_back(source);
  }
  if (has(object, "standIns")) {
    const Napi::Array standIns = object.Get("standIns").As<Napi::Array>();
    if (standIns.Length() != sizes.branches()) fail(StatusCode::invalidArgument, "There must be one stand-in per branch.");
    const Napi::Object holder = standIns.As<Napi::Object>();
    for (uint32_t i = 0; i < standIns.Length(); ++i)
      gates.standIns.push_back(arrayOf<float>(holder, std::to_string(i).c_str(), napi_float32_array, d));
  }
  return gates;
}

GateModel makeGates(const GateRequest& request, const ModelWeights& weights) {
  GateModel model;
  if (!request.present) return model;
  model.present = true;
  model.variant = request.variant;
  model.multiplies = request.multiplies;
  model.after = request.after;
  model.inner = request.inner;
  const ModelSizes& sizes = weights.sizes;
  for (size_t branch = 0; branch < request.sources.size(); ++branch) {
    const LayerWeights& layer = weights.layers[branch / 2];
    model.gates.push_back(makeGate(request.variant, request.inner, request.sources[branch], sizes, branch % 2 == 0 ? layer.attentionNorm : layer.mlpNorm));
  }
  for (const float* standIn : request.standIns) {
    AlignedBuffer<float> buffer(sizes.hiddenStride());
    std::copy(standIn, standIn + sizes.hidden, buffer.data());
    model.standIns.push_back(std::move(buffer));
  }
  return model;
}

class LoadWorker : public Napi::AsyncWorker {
 public:
  LoadWorker(Napi::Env env, const Napi::Object& request, std::shared_ptr<LoadShared> shared)
      : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), held_(Napi::Persistent(request)), shared_(std::move(shared)) {
    const std::string name = request.Get("instructionSet").ToString().Utf8Value();
    kernels_ = selectKernels(name);
    if (kernels_ == nullptr) fail(StatusCode::unsupported, "Instruction set " + name + " is not available here.");
    sizes_ = readSizes(request.Get("config").As<Napi::Object>());
    tensors_ = readTensors(request.Get("tensors").As<Napi::Array>());
    if (has(request, "repackCache")) {
      const Napi::Object cache = request.Get("repackCache").As<Napi::Object>();
      cache_.path = cache.Get("path").ToString().Utf8Value();
      cache_.key = cache.Get("key").ToString().Utf8Value();
    }
    if (has(request, "gates")) gates_ = readGates(request.Get("gates").As<Napi::Object>(), sizes_);
    threads_ = integerOf(request, "threads");
    maxTokens_ = integerOf(request, "maxTokens");
    const size_t kvFormat = integerOf(request, "kvFormat");
    if (kvFormat > static_cast<size_t>(KvFormat::q8)) fail(StatusCode::invalidArgument, "kvFormat must be 0..2.");
    kvFormat_ = static_cast<KvFormat>(kvFormat);
    adaptsThreads_ = integerOf(request, "adaptsThreads") != 0;
    if (threads_ < 1 || threads_ > 1024) fail(StatusCode::invalidArgument, "threads must be 1..1024.");
    if (maxTokens_ < 1 || maxTokens_ > (size_t{1} << 32) / sizes_.layers) fail(StatusCode::invalidArgument, "maxTokens is out of range.");
  }

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    try {
      auto pool = std::make_unique<ThreadPool>(threads_);
      ModelWeights weights = loadWeights(sizes_, tensors_, *pool, shared_->cancelled, [this](double share) { shared_->progress.store(share); }, cache_);
      GateModel gates = makeGates(gates_, weights);
      handle_ = std::make_shared<RunnerHandle>();
      handle_->cacheOutcome = cache_.outcome;
      handle_->runner = std::make_unique<Runner>(*kernels_, std::move(pool), std::move(weights), std::move(gates), maxTokens_, kvFormat_, adaptsThreads_);
    } catch (const Failure& failure) {
      failure_ = failure;
    } catch (const std::bad_alloc&) {
      failure_ = Failure{StatusCode::insufficientMemory, "The weights"};
    } catch (const std::exception& error) {
      failure_ = Failure{StatusCode::invalidArgument, error.what()};
    }
    if (failure_) SetError(failure_->message);
  }

  void OnOK() override {
    Napi::HandleScope scope(Env());
    // Asked for after the last piece was read.
    if (shared_->cancelled.load()) return deferred_.Reject(toError(Env(), Failure{StatusCode::aborted, "Loading was aborted."}).Value());
    const AddonData* data = Env().GetInstanceData<AddonData>();
    try {
      deferred_.Resolve(data->runnerConstructor.New({Napi::External<std::shared_ptr<RunnerHandle>>::New(Env(), &handle_)}));
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    }
  }

  void OnError(const Napi::Error&) override { deferred_.Reject(toError(Env(), *failure_).Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  Napi::ObjectReference held_;
  std::shared_ptr<LoadShared> shared_;
  const Kernels* kernels_ = nullptr;
  ModelSizes sizes_;
  std::vector<TensorSource> tensors_;
  GateRequest gates_;
  PackedCache cache_;
  size_t threads_ = 1;
  bool adaptsThreads_ = false;
  size_t maxTokens_ = 0;
  KvFormat kvFormat_ = KvFormat::f16;
  std::shared_ptr<RunnerHandle> handle_;
  std::optional<Failure> failure_;
};

}  // namespace

Napi::Value startLoad(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (info.Length() != 1 || !info[0].IsObject()) throw Napi::TypeError::New(env, "load() takes one request object.");
  auto shared = std::make_shared<LoadShared>();
  try {
    auto worker = std::make_unique<LoadWorker>(env, info[0].As<Napi::Object>(), shared);
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
