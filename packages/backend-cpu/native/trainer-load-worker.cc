#include "trainer-load-worker.h"

#include <memory>

#include "load-base.h"
#include "trainer-array-sizes.h"
#include "trainer-object.h"

namespace gateskip {

namespace {

class TrainerLoadWorker : public LoadBase {
 public:
  TrainerLoadWorker(Napi::Env env, const Napi::Object& request, std::shared_ptr<LoadShared> shared)
      : LoadBase(env, request, std::move(shared)) {
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

  void load() override {
    auto pool = std::make_unique<ThreadPool>(threads_);
    PackedCache noCache;
    // Reading is the longer part; taking the packed form apart is the rest.
    constexpr double readShare = 0.9;
    const ModelWeights weights =
        loadWeights(sizes_, tensors_, *pool, shared_->cancelled, [this](double share) { shared_->progress.store(readShare * share); }, noCache);
    TrainingModel model = makeTrainingModel(weights, *pool, arrays_, std::move(gates_), options_, shared_->cancelled);
    handle_ = std::make_shared<TrainerHandle>();
    handle_->trainer = std::make_unique<Trainer>(*kernels_, std::move(pool), std::move(model));
  }

  Napi::Object wrap(const AddonData& data) override {
    handle_->arrays = std::move(held_);
    return data.trainerConstructor.New({Napi::External<std::shared_ptr<TrainerHandle>>::New(Env(), &handle_)});
  }

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

  CallerArrays arrays_;
  TrainingGates gates_;
  TrainingOptions options_;
  size_t threads_ = 1;
  std::shared_ptr<TrainerHandle> handle_;
};

}  // namespace

Napi::Value startLoadTrainer(const Napi::CallbackInfo& info) { return startLoading<TrainerLoadWorker>(info, "loadTrainer"); }

}  // namespace gateskip
