#include "trainer-load-worker.h"

#include <memory>
#include <optional>

#include "arguments.h"
#include "cpu-features.h"
#include "model-arguments.h"
#include "native-runner.h"
#include "trainer-array-sizes.h"
#include "trainer-object.h"

namespace gateskip {

namespace {

struct LoadShared {
  std::atomic<double> progress{0};
  std::atomic<bool> cancelled{false};
};

class TrainerLoadWorker : public Napi::AsyncWorker {
 public:
  TrainerLoadWorker(Napi::Env env, const Napi::Object& request, std::shared_ptr<LoadShared> shared)
      : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), held_(Napi::Persistent(request)), shared_(std::move(shared)) {
    const std::string name = request.Get("instructionSet").ToString().Utf8Value();
    kernels_ = selectKernels(name);
    if (kernels_ == nullptr) fail(StatusCode::unsupported, "Instruction set " + name + " is not available here.");
    sizes_ = readSizes(request.Get("config").As<Napi::Object>());
    tensors_ = readTensors(request.Get("tensors").As<Napi::Array>());
    threads_ = integerOf(request, "threads");
    if (threads_ < 1 || threads_ > 4096) fail(StatusCode::invalidArgument, "threads must be 1..4096.");
    options_.loraRank = integerOf(request, "loraRank");
    if (options_.loraRank > sizes_.hidden + sizes_.intermediate) fail(StatusCode::invalidArgument, "loraRank is out of range.");
    options_.loraScale = request.Get("loraScale").ToNumber().FloatValue();
    options_.detachGateInput = request.Get("detachGateInput").ToBoolean().Value();
    options_.recompute = request.Get("recompute").ToBoolean().Value();
    options_.bf16 = request.Get("bf16").ToBoolean().Value();
    if (options_.bf16 && request.Get("bf16IfThere").ToBoolean().Value()) options_.bf16 = bf16KernelsFor(kernels_->name) != nullptr;
    if (options_.bf16 && bf16KernelsFor(kernels_->name) == nullptr)
      fail(StatusCode::unsupported, std::string("Instruction set ") + kernels_->name + " has no products of bfloat16 on this machine. Train in f32.");
    std::vector<std::string> prefixes;
    if (has(request, "gates")) prefixes = readGates(request.Get("gates").As<Napi::Object>());
    readArrays(request.Get("arrays").As<Napi::Array>(), ArraySizes(sizes_, gates_, prefixes, options_.loraRank));
    placeGates(prefixes);
  }

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    try {
      auto pool = std::make_unique<ThreadPool>(threads_);
      PackedCache noCache;
      // Reading is the longer part; taking the packed form apart is the rest.
      constexpr double readShare = 0.9;
      const ModelWeights weights =
          loadWeights(sizes_, tensors_, *pool, shared_->cancelled, [this](double share) { shared_->progress.store(readShare * share); }, noCache);
      TrainingModel model = makeTrainingModel(weights, *pool, arrays_, std::move(gates_), options_, shared_->cancelled);
      handle_ = std::make_shared<TrainerHandle>();
      handle_->trainer = std::make_unique<Trainer>(*kernels_, std::move(pool), std::move(model));
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
    if (shared_->cancelled.load()) return deferred_.Reject(toError(Env(), Failure{StatusCode::aborted, "Loading was aborted."}).Value());
    handle_->arrays = std::move(held_);
    const AddonData* data = Env().GetInstanceData<AddonData>();
    deferred_.Resolve(data->trainerConstructor.New({Napi::External<std::shared_ptr<TrainerHandle>>::New(Env(), &handle_)}));
  }

  void OnError(const Napi::Error&) override { deferred_.Reject(toError(Env(), *failure_).Value()); }

 private:
  // Returns where the arrays of each branch's gate are named.
  std::vector<std::string> readGates(const Napi::Object& object) {
    const uint64_t variant = integerOf(object, "variant");
    if (variant > static_cast<uint64_t>(GateVariant::hybrid)) fail(StatusCode::unsupported, "The gate variant is unknown.");
    gates_.present = true;
    gates_.variant = static_cast<GateVariant>(variant);
    gates_.multiplies = object.Get("multiplies").ToBoolean().Value();
    gates_.after = object.Get("after").ToBoolean().Value();
    const bool narrow = gates_.variant == GateVariant::mlp || gates_.variant == GateVariant::lowRank;
    gates_.inner = narrow ? integerOf(object, "inner") : 0;
    if (narrow && (gates_.inner < 1 || gates_.inner > (size_t{1} << 20))) fail(StatusCode::invalidArgument, "The gates' rank or hidden width is out of range.");
    gates_.standInRank = integerOf(object, "standInRank");
    if (gates_.standInRank > sizes_.hidden) fail(StatusCode::invalidArgument, "The rank of the stand-ins is out of range.");
    const Napi::Array list = object.Get("prefixes").As<Napi::Array>();
    if (list.Length() != sizes_.branches()) fail(StatusCode::invalidArgument, "There must be one gate per branch.");
    std::vector<std::string> prefixes;
    for (uint32_t i = 0; i < list.Length(); ++i) prefixes.push_back(list.Get(i).ToString().Utf8Value());
    return prefixes;
  }

  void readArrays(const Napi::Array& list, const ArraySizes& expected) {
    for (uint32_t i = 0; i < list.Length(); ++i) {
      const Napi::Object object = list.Get(i).As<Napi::Object>();
      const std::string name = object.Get("name").ToString().Utf8Value();
      const Napi::Value value = object.Get("value");
      const size_t count = value.IsTypedArray() ? value.As<Napi::TypedArray>().ElementLength() : 0;
      expected.check(name, count);
      Parameter parameter;
      parameter.value = arrayOf<float>(object, "value", napi_float32_array, count);
      parameter.gradient = arrayOf<float>(object, "gradient", napi_float32_array, count, false);
      arrays_[name] = parameter;
    }
    for (const auto& [name, parameter] : arrays_) {
      constexpr const char* suffix = ".loraDown";
      const size_t stem = name.size() < 9 ? std::string::npos : name.size() - 9;
      if (stem != std::string::npos && name.compare(stem, 9, suffix) == 0) checkPair(name, parameter, name.substr(0, stem) + ".loraUp");
    }
  }

  // What is trained together is given together.
  void checkPair(const std::string& name, const Parameter& parameter, const std::string& other) const {
    const auto found = arrays_.find(other);
    if (found == arrays_.end() || (found->second.gradient == nullptr) != (parameter.gradient == nullptr))
      fail(StatusCode::invalidArgument, "Arrays " + name + " and " + other + " belong together.");
  }

  void placeGates(const std::vector<std::string>& prefixes) {
    for (size_t branch = 0; branch < prefixes.size(); ++branch) {
      const std::string& prefix = prefixes[branch];
      TrainingGate gate;
      const Parameter& bias = gate.bias = need(prefix + ".bias");
      const auto with = [&](const char* field) {
        const Parameter found = need(prefix + field);
        if ((found.gradient == nullptr) != (bias.gradient == nullptr)) fail(StatusCode::invalidArgument, "A gate is trained as a whole or not at all.");
        return found;
      };
      gate.weight = with(".weight");
      if (gates_.inner > 0) gate.down = with(".down");
      if (gates_.variant == GateVariant::mlp) gate.downBias = with(".downBias");
      if (gates_.variant == GateVariant::hybrid) {
        gate.scalarWeight = with(".scalarWeight");
        gate.scalarBias = with(".scalarBias");
      }
      gates_.gates.push_back(gate);
      const auto standIn = arrays_.find("branches." + std::to_string(branch) + ".standIn");
      if (standIn != arrays_.end()) gates_.standIns.push_back(standIn->second);
      if (gates_.standInRank == 0) continue;
      gates_.standInDowns.push_back(need("branches." + std::to_string(branch) + ".standInDown"));
      gates_.standInUps.push_back(need("branches." + std::to_string(branch) + ".standInUp"));
    }
    if (!gates_.standIns.empty() && gates_.standIns.size() != prefixes.size()) fail(StatusCode::invalidArgument, "There must be one stand-in per branch.");
    if (gates_.standInRank > 0 && gates_.standIns.empty()) fail(StatusCode::invalidArgument, "Maps of stand-ins need the stand-ins.");
  }

  Parameter need(const std::string& name) const {
    const auto found = arrays_.find(name);
    if (found == arrays_.end()) fail(StatusCode::invalidArgument, "Array " + name + " is missing.");
    return found->second;
  }

  Napi::Promise::Deferred deferred_;
  Napi::ObjectReference held_;
  std::shared_ptr<LoadShared> shared_;
  const Kernels* kernels_ = nullptr;
  ModelSizes sizes_;
  std::vector<TensorSource> tensors_;
  CallerArrays arrays_;
  TrainingGates gates_;
  TrainingOptions options_;
  size_t threads_ = 1;
  std::shared_ptr<TrainerHandle> handle_;
  std::optional<Failure> failure_;
};

}  // namespace

Napi::Value startLoadTrainer(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (info.Length() != 1 || !info[0].IsObject()) throw Napi::TypeError::New(env, "loadTrainer() takes one request object.");
  auto shared = std::make_shared<LoadShared>();
  try {
    auto worker = std::make_unique<TrainerLoadWorker>(env, info[0].As<Napi::Object>(), shared);
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
