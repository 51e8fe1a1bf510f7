#include "step-worker.h"

#include "arguments.h"

namespace gateskip {

StepWorker::StepWorker(Napi::Env env, std::shared_ptr<RunnerHandle> handle, const StepReturn& done, const Napi::Object& request)
    : deferred_(Napi::Promise::Deferred::New(env)), handle_(std::move(handle)), done_(done), held_(Napi::Persistent(request)) {
  read(request);
}

void StepWorker::read(const Napi::Object& object) {
  const Napi::Value tokens = object.Get("tokens");
  if (!tokens.IsTypedArray()) fail(StatusCode::invalidArgument, "tokens must be a typed array.");
  request_.rows = tokens.As<Napi::TypedArray>().ElementLength();
  const size_t rows = request_.rows;
  request_.tokens = arrayOf<int32_t>(object, "tokens", napi_int32_array, rows);
  request_.outputCount = integerOf(object, "outputCount");
  request_.outputs = arrayOf<int32_t>(object, "outputs", napi_int32_array, request_.outputCount);
  request_.topCount = integerOf(object, "topCount");

  const size_t segmentCount = integerOf(object, "segmentCount");
  if (segmentCount > rows) fail(StatusCode::invalidArgument, "There are more segments than rows.");
  const uint32_t* segments = arrayOf<uint32_t>(object, "segments", napi_uint32_array, segmentCount * 4);
  for (size_t i = 0; i < segmentCount; ++i)
    request_.segments.push_back({segments[4 * i], segments[4 * i + 1], segments[4 * i + 2], segments[4 * i + 3]});

  readPlans(object);
  readOutputs(object);
  request_.cancelled = &handle_->cancelled;
}

void StepWorker::readPlans(const Napi::Object& object) {
  const size_t rows = request_.rows;
  const size_t branches = handle_->runner->weights().sizes.branches();
  const Napi::Value plansValue = object.Get("plans");
  if (!plansValue.IsArray()) fail(StatusCode::invalidArgument, "plans must be an array.");
  const Napi::Array plans = plansValue.As<Napi::Array>();
  for (uint32_t i = 0; i < plans.Length(); ++i) {
    const Napi::Value value = plans.Get(i);
    if (!value.IsObject()) fail(StatusCode::invalidArgument, "A plan must be an object.");
    const Napi::Object plan = value.As<Napi::Object>();
    StepPlan p{};
    const uint64_t scorer = integerOf(plan, "scorer");
    const uint64_t kv = integerOf(plan, "kv");
    if (scorer > static_cast<uint64_t>(Scorer::given) || kv > 2) fail(StatusCode::invalidArgument, "A plan has an unknown scorer or kv mode.");
    p.scorer = static_cast<Scorer>(scorer);
    p.kv = static_cast<KvMode>(kv);
    p.standIns = integerOf(plan, "standIns") != 0;
    p.seed = static_cast<uint32_t>(integerOf(plan, "seed"));
    p.rules = arrayOf<uint8_t>(plan, "rules", napi_uint8_array, branches);
    p.values = arrayOf<float>(plan, "values", napi_float32_array, branches);
    p.pinned = arrayOf<uint8_t>(plan, "pinned", napi_uint8_array, rows, false);
    p.scores = arrayOf<float>(plan, "scores", napi_float32_array, branches * rows, p.scorer == Scorer::given);
    for (size_t b = 0; b < branches; ++b)
      if (p.rules[b] > static_cast<uint8_t>(Rule::repeat) || (p.rules[b] == static_cast<uint8_t>(Rule::repeat) && !(p.values[b] >= 0 && p.values[b] <= 2)))
        fail(StatusCode::invalidArgument, "A plan has an unknown rule or repeats a branch more than twice.");
    if (p.scorer == Scorer::gate && !handle_->runner->gates().present) fail(StatusCode::invalidArgument, "A plan asks gates that are not loaded.");
    request_.plans.push_back(p);
  }
}

void StepWorker::readOutputs(const Napi::Object& object) {
  const size_t rows = request_.rows;
  const ModelSizes& sizes = handle_->runner->weights().sizes;
  const size_t branches = sizes.branches();
  const size_t planCount = request_.plans.size();
  StepOutputs& out = request_.out;
  out.kept = arrayOf<uint32_t>(object, "kept", napi_uint32_array, planCount * branches);
  out.macs = arrayOf<double>(object, "macs", napi_float64_array, planCount);
  out.denseMacs = arrayOf<double>(object, "denseMacs", napi_float64_array, planCount);
  if (request_.topCount == 0) {
    out.logits = arrayOf<float>(object, "logits", napi_float32_array, request_.outputCount * sizes.vocabulary);
  } else {
    out.topTokens = arrayOf<int32_t>(object, "topTokens", napi_int32_array, request_.outputCount * request_.topCount);
    out.topLogits = arrayOf<float>(object, "topLogits", napi_float32_array, request_.outputCount * request_.topCount);
    out.logSumExp = arrayOf<float>(object, "logSumExp", napi_float32_array, request_.outputCount);
  }
  out.scores = arrayOf<float>(object, "scores", napi_float32_array, branches * rows, false);
  out.keptRows = arrayOf<uint8_t>(object, "keptRows", napi_uint8_array, branches * rows, false);
  if (has(object, "hiddenInputs")) {
    out.hiddenInputs = arrayOf<float>(object, "hiddenInputs", napi_float32_array, branches * rows * sizes.hidden);
    out.hiddenOutputs = arrayOf<float>(object, "hiddenOutputs", napi_float32_array, branches * rows * sizes.hidden);
    out.streamNorms = arrayOf<float>(object, "streamNorms", napi_float32_array, branches * rows);
  }
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
