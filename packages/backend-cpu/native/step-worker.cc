#include "step-worker.h"

#include <cstring>

#include "arguments.h"

namespace gateskip {

namespace {

// Words of the block before the tokens, and of a plan before its values; see src/step-block.ts.
constexpr size_t headerWords = 7;
constexpr size_t planWords = 3;
constexpr uint32_t wantScores = 1;
constexpr uint32_t wantKeptRows = 2;

constexpr size_t wordsOf(size_t bytes) { return (bytes + 3) / 4; }

// Deals out one piece of memory from its start; an array that would not fit is refused.
class Dealer {
 public:
  Dealer(uint8_t* memory, size_t bytes) : memory_(memory), bytes_(bytes) {}
  template <typename T>
  T* take(size_t count) {
    if (count > (bytes_ - at_) / sizeof(T)) fail(StatusCode::invalidArgument, "The memory for a step's results is too small.");
    T* array = reinterpret_cast<T*>(memory_ + at_);
    at_ += count * sizeof(T);
    return array;
  }

 private:
  uint8_t* memory_;
  size_t bytes_;
  size_t at_ = 0;
};

Napi::Object itemOf(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsObject()) fail(StatusCode::invalidArgument, std::string(name) + " must be an array.");
  return value.As<Napi::Object>();
}

}  // namespace

StepWorker::StepWorker(const Napi::CallbackInfo& info, std::shared_ptr<RunnerHandle> handle, const StepReturn& done)
    : deferred_(Napi::Promise::Deferred::New(info.Env())), handle_(std::move(handle)), done_(done) {
  if (info.Length() < 2) fail(StatusCode::invalidArgument, "step() takes a block and the memory for its results.");
  readBlock(info.Env(), info[0]);
  readResults(info.Env(), info[1]);
  if (info.Length() > 2 && info[2].IsObject())
    readExtras(info[2].As<Napi::Object>());
  else if (request_.topCount == 0)
    fail(StatusCode::invalidArgument, "A step that asks no top logits needs room for all of them.");
  for (const StepPlan& plan : request_.plans)
    if (plan.scorer == Scorer::given && plan.scores == nullptr) fail(StatusCode::invalidArgument, "A plan that gives its scores has none.");
  request_.cancelled = &handle_->cancelled;
}

void StepWorker::readBlock(Napi::Env env, napi_value block) {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, block, &type, &length, &data, nullptr, nullptr) != napi_ok || type != napi_uint32_array || length < headerWords)
    fail(StatusCode::invalidArgument, "A step's block must be a Uint32Array.");
  const uint32_t* from = static_cast<const uint32_t*>(data);
  const size_t rows = from[0];
  const size_t outputs = from[1];
  const size_t segments = from[3];
  const size_t plans = from[4];
  const size_t branches = handle_->runner->weights().sizes.branches();
  const size_t picks = from[6];
  const size_t pickAt = headerWords + rows + outputs + 4 * segments;
  const size_t planAt = pickAt + 2 * picks;
  const size_t total = planAt + plans * (planWords + branches + wordsOf(branches));
  if (segments > rows) fail(StatusCode::invalidArgument, "There are more segments than rows.");
  if (total > length) fail(StatusCode::invalidArgument, "A step's block is shorter than its parts.");
  words_.assign(from, from + total);
  const uint32_t* words = words_.data();
  request_.rows = rows;
  request_.outputCount = outputs;
  request_.topCount = words[2];
  wantsScores_ = (words[5] & wantScores) != 0;
  wantsKeptRows_ = (words[5] & wantKeptRows) != 0;
  request_.tokens = reinterpret_cast<const int32_t*>(words + headerWords);
  request_.outputs = request_.tokens + rows;
  request_.segments.reserve(segments);
  for (const uint32_t* s = words + headerWords + rows + outputs; s < words + pickAt; s += 4) request_.segments.push_back({s[0], s[1], s[2], s[3]});
  request_.pickCount = picks;
  request_.pickOutputs = reinterpret_cast<const int32_t*>(words + pickAt);
  request_.pickTokens = request_.pickOutputs + picks;
  readPlans(plans, planAt);
}

void StepWorker::readPlans(size_t planCount, size_t at) {
  const size_t branches = handle_->runner->weights().sizes.branches();
  request_.plans.reserve(planCount);
  for (size_t i = 0; i < planCount; ++i, at += planWords + branches + wordsOf(branches)) {
    const uint32_t* words = words_.data() + at;
    const uint32_t scorer = words[0] & 0xff;
    const uint32_t kv = (words[0] >> 8) & 0xff;
    if (scorer > static_cast<uint32_t>(Scorer::given) || kv > 2) fail(StatusCode::invalidArgument, "A plan has an unknown scorer or kv mode.");
    StepPlan p{};
    p.scorer = static_cast<Scorer>(scorer);
    p.kv = static_cast<KvMode>(kv);
    p.standIns = (words[0] >> 16) != 0;
    p.seed = words[1];
    std::memcpy(&p.loraStrength, words + 2, sizeof p.loraStrength);
    if (!(p.loraStrength >= 0 && p.loraStrength <= 1)) fail(StatusCode::invalidArgument, "A share of the low-rank additions is outside 0..1.");
    p.values = reinterpret_cast<const float*>(words + planWords);
    p.rules = reinterpret_cast<const uint8_t*>(words + planWords + branches);
    for (size_t b = 0; b < branches; ++b)
      if (p.rules[b] > static_cast<uint8_t>(Rule::repeat) || (p.rules[b] == static_cast<uint8_t>(Rule::repeat) && !(p.values[b] >= 0 && p.values[b] <= 2)))
        fail(StatusCode::invalidArgument, "A plan has an unknown rule or repeats a branch more than twice.");
    if (p.scorer == Scorer::gate && !handle_->runner->gates().present) fail(StatusCode::invalidArgument, "A plan asks gates that are not loaded.");
    request_.plans.push_back(p);
  }
}

void StepWorker::readResults(Napi::Env env, napi_value results) {
  void* data = nullptr;
  size_t bytes = 0;
  if (napi_get_arraybuffer_info(env, results, &data, &bytes) != napi_ok) fail(StatusCode::invalidArgument, "A step's results need an ArrayBuffer.");
  Dealer memory(static_cast<uint8_t*>(data), bytes);
  const size_t plans = request_.plans.size();
  const size_t branches = handle_->runner->weights().sizes.branches();
  const size_t outputs = request_.outputCount;
  StepOutputs& out = request_.out;
  out.macs = memory.take<double>(plans);
  out.denseMacs = memory.take<double>(plans);
  out.kept = memory.take<uint32_t>(plans * branches);
  if (request_.topCount > 0) {
    out.topTokens = memory.take<int32_t>(outputs * request_.topCount);
    out.topLogits = memory.take<float>(outputs * request_.topCount);
    out.logSumExp = memory.take<float>(outputs);
  }
  if (request_.pickCount > 0) out.picked = memory.take<float>(request_.pickCount);
  if (wantsScores_) out.scores = memory.take<float>(branches * request_.rows);
  if (wantsKeptRows_) out.keptRows = memory.take<uint8_t>(branches * request_.rows);
  results_ = Napi::Persistent(Napi::Object(env, results));
}

void StepWorker::readExtras(const Napi::Object& extras) {
  const size_t rows = request_.rows;
  const ModelSizes& sizes = handle_->runner->weights().sizes;
  const size_t branches = sizes.branches();
  StepOutputs& out = request_.out;
  if (request_.topCount == 0) out.logits = arrayOf<float>(extras, "logits", napi_float32_array, request_.outputCount * sizes.vocabulary);
  if (has(extras, "hiddenInputs")) {
    out.hiddenInputs = arrayOf<float>(extras, "hiddenInputs", napi_float32_array, branches * rows * sizes.hidden);
    out.hiddenOutputs = arrayOf<float>(extras, "hiddenOutputs", napi_float32_array, branches * rows * sizes.hidden);
    out.streamNorms = arrayOf<float>(extras, "streamNorms", napi_float32_array, branches * rows);
  }
  if (has(extras, "pinned")) {
    const Napi::Object pinned = itemOf(extras, "pinned");
    const Napi::Object scores = itemOf(extras, "scores");
    for (size_t i = 0; i < request_.plans.size(); ++i) {
      const std::string index = std::to_string(i);
      request_.plans[i].pinned = arrayOf<uint8_t>(pinned, index.c_str(), napi_uint8_array, rows, false);
      request_.plans[i].scores = arrayOf<float>(scores, index.c_str(), napi_float32_array, branches * rows, false);
    }
  }
  extras_ = Napi::Persistent(extras);
}

void StepWorker::execute() {
  try {
    handle_->runner->step(request_);
    if (handle_->runner->weights().arena.damaged()) fail(StatusCode::io, "The file of repacked weights was cut short while it was in use. Load again.");
  } catch (const Failure& failure) {
    failure_ = failure;
  } catch (const std::exception& error) {
    failure_ = Failure{StatusCode::invalidArgument, error.what()};
  }
  // The last access: from here on the JavaScript thread may delete this.
  done_.NonBlockingCall(this);
}

void StepWorker::settle(Napi::Env env) {
  handle_->busy.store(false);
  if (failure_)
    deferred_.Reject(toError(env, *failure_).Value());
  else
    deferred_.Resolve(env.Undefined());
}

}  // namespace gateskip
