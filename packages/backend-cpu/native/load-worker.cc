#include "load-worker.h"

#include <array>
#include <memory>
#include <vector>

#include "load-base.h"

namespace gateskip {

namespace {

struct GateRequest {
  bool present = false;
  GateVariant variant = GateVariant::scalar;
  bool multiplies = false;
  bool after = false;
  size_t inner = 0;
  std::vector<GateSource> sources;
  size_t standInRank = 0;
  std::vector<StandInSource> standIns;
};

struct LowRankRequest {
  size_t rank = 0;
  float scale = 0;
  std::vector<std::array<LowRankSource, layerMatrixCount>> layers;
};

// A layer is an array of the factors of its matrices, one behind the other: an array of down, then of up, or null.
LowRankRequest readLowRank(const Napi::Object& object, const ModelSizes& sizes) {
  LowRankRequest request;
  request.rank = integerOf(object, "rank");
  if (request.rank < 1 || request.rank > 512) fail(StatusCode::invalidArgument, "The rank of low-rank additions must be 1..512.");
  request.scale = object.Get("scale").ToNumber().FloatValue();
  const Napi::Array layers = object.Get("layers").As<Napi::Array>();
  if (layers.Length() != sizes.layers) fail(StatusCode::invalidArgument, "There must be low-rank additions for every layer.");
  const auto shapes = layerMatrixShapes(sizes);
  for (uint32_t i = 0; i < layers.Length(); ++i) {
    const Napi::Array list = layers.Get(i).As<Napi::Array>();
    if (list.Length() != layerMatrixCount) fail(StatusCode::invalidArgument, "A layer has another number of matrices.");
    auto& sources = request.layers.emplace_back();
    for (uint32_t matrix = 0; matrix < layerMatrixCount; ++matrix) {
      const Napi::Value value = list.Get(matrix);
      const bool absent = !value.IsObject();
      if (absent != (i > 0 ? request.layers[0][matrix].down == nullptr : absent))
        fail(StatusCode::invalidArgument, "Every layer must have low-rank additions to the same matrices.");
      if (absent) continue;
      const Napi::Object factors = value.As<Napi::Object>();
      sources[matrix].down = arrayOf<float>(factors, "down", napi_float32_array, request.rank * shapes[matrix][1]);
      sources[matrix].up = arrayOf<float>(factors, "up", napi_float32_array, shapes[matrix][0] * request.rank);
    }
  }
  return request;
}

void readStandInMaps(const Napi::Object& object, size_t d, GateRequest& gates) {
  gates.standInRank = integerOf(object, "standInRank");
  if (gates.standInRank < 1 || gates.standInRank > d) fail(StatusCode::invalidArgument, "The rank of the stand-ins is out of range.");
  const Napi::Array maps = object.Get("standInMaps").As<Napi::Array>();
  if (maps.Length() != gates.standIns.size()) fail(StatusCode::invalidArgument, "There must be one map per stand-in.");
  for (uint32_t i = 0; i < maps.Length(); ++i) {
    const Napi::Object map = maps.Get(i).As<Napi::Object>();
    gates.standIns[i].down = arrayOf<float>(map, "down", napi_float32_array, gates.standInRank * d);
    gates.standIns[i].up = arrayOf<float>(map, "up", napi_float32_array, d * gates.standInRank);
  }
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
      gates.standIns.push_back({arrayOf<float>(holder, std::to_string(i).c_str(), napi_float32_array, d), nullptr, nullptr});
    if (has(object, "standInMaps")) readStandInMaps(object, d, gates);
  }
  return gates;
}

GateModel makeGates(const GateRequest& request, const ModelWeights& weights, bool pairs) {
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
  model.standIns = makeStandIns(sizes, request.standInRank, request.standIns, pairs);
  return model;
}

class LoadWorker : public LoadBase {
 public:
  LoadWorker(Napi::Env env, const Napi::Object& request, std::shared_ptr<LoadShared> shared)
      : LoadBase(env, request, std::move(shared)) {
    if (has(request, "repackCache")) {
      const Napi::Object cache = request.Get("repackCache").As<Napi::Object>();
      cache_.path = cache.Get("path").ToString().Utf8Value();
      cache_.key = cache.Get("key").ToString().Utf8Value();
    }
    if (has(request, "gates")) gates_ = readGates(request.Get("gates").As<Napi::Object>(), sizes_);
    if (has(request, "lowRank")) lowRank_ = readLowRank(request.Get("lowRank").As<Napi::Object>(), sizes_);
    threads_ = integerOf(request, "threads");
    maxTokens_ = integerOf(request, "maxTokens");
    const size_t kvFormat = integerOf(request, "kvFormat");
    if (kvFormat > static_cast<size_t>(KvFormat::q8)) fail(StatusCode::invalidArgument, "kvFormat must be 0..2.");
    kvFormat_ = static_cast<KvFormat>(kvFormat);
    adaptsThreads_ = integerOf(request, "adaptsThreads") != 0;
    if (threads_ < 1 || threads_ > 1024) fail(StatusCode::invalidArgument, "threads must be 1..1024.");
    if (maxTokens_ < 1 || maxTokens_ > (size_t{1} << 32) / sizes_.layers) fail(StatusCode::invalidArgument, "maxTokens is out of range.");
  }

  void load() override {
    auto pool = std::make_unique<ThreadPool>(threads_);
    ModelWeights weights = loadWeights(sizes_, tensors_, *pool, shared_->cancelled, [this](double share) { shared_->progress.store(share); }, cache_);
    // Rows are rounded to 8 bits for the matrices of such a model: bfloat16 takes nothing away.
    const bool pairs = kernels_->multipliesBf16 && weights.layers[0].mlpGate.shape.quantized();
    weights.lowRank = makeLowRank(sizes_, lowRank_.rank, lowRank_.scale, lowRank_.layers, pairs);
    GateModel gates = makeGates(gates_, weights, pairs);
    handle_ = std::make_shared<RunnerHandle>();
    handle_->cacheOutcome = cache_.outcome;
    handle_->runner = std::make_unique<Runner>(*kernels_, std::move(pool), std::move(weights), std::move(gates), maxTokens_, kvFormat_, adaptsThreads_);
  }

  Napi::Object wrap(const AddonData& data) override { return data.runnerConstructor.New({Napi::External<std::shared_ptr<RunnerHandle>>::New(Env(), &handle_)}); }

 private:
  GateRequest gates_;
  LowRankRequest lowRank_;
  PackedCache cache_;
  size_t threads_ = 1;
  bool adaptsThreads_ = false;
  size_t maxTokens_ = 0;
  KvFormat kvFormat_ = KvFormat::f16;
  std::shared_ptr<RunnerHandle> handle_;
};

}  // namespace

Napi::Value startLoad(const Napi::CallbackInfo& info) { return startLoading<LoadWorker>(info, "load"); }

}  // namespace gateskip
