#include "trainer-step-worker.h"

#include "arguments.h"

namespace gateskip {

namespace {

// Every value of an index array is checked: memory is read where they point.
const int32_t* indicesOf(const Napi::Object& object, const char* name, size_t count, int64_t least, int64_t end) {
  const int32_t* values = arrayOf<int32_t>(object, name, napi_int32_array, count);
  for (size_t i = 0; i < count; ++i)
    if (values[i] < least || values[i] >= end) fail(StatusCode::invalidArgument, std::string(name) + " has a value that is out of range.");
  return values;
}

double numberOf(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsNumber()) fail(StatusCode::invalidArgument, std::string(name) + " must be a number.");
  return value.As<Napi::Number>().DoubleValue();
}

size_t lengthOf(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsTypedArray()) fail(StatusCode::invalidArgument, std::string(name) + " must be a typed array.");
  return value.As<Napi::TypedArray>().ElementLength();
}

}  // namespace

TrainerStepWorker::TrainerStepWorker(Napi::Env env, std::shared_ptr<TrainerHandle> handle, const Napi::Object& request)
    : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), handle_(std::move(handle)), held_(Napi::Persistent(request)) {}

Napi::Value TrainerStepWorker::start(Napi::Env env, const std::shared_ptr<TrainerHandle>& handle, const Napi::Object& request) {
  std::unique_ptr<TrainerStepWorker> worker(new TrainerStepWorker(env, handle, request));
  worker->read(request);
  handle->cancelled.store(false);
  handle->busy.store(true);
  const Napi::Promise promise = worker->deferred_.Promise();
  worker.release()->Queue();  // frees itself when done
  return promise;
}

void TrainerStepWorker::read(const Napi::Object& object) {
  const ModelSizes& sizes = handle_->trainer->model().sizes;
  const size_t branches = sizes.branches();
  const size_t rows = lengthOf(object, "tokens");
  constexpr size_t mostRows = 65536;
  if (rows < 1 || rows > mostRows) fail(StatusCode::invalidArgument, "A step has 1..65536 rows.");
  request_.rows = rows;
  request_.tokens = indicesOf(object, "tokens", rows, 0, static_cast<int64_t>(sizes.vocabulary));
  request_.positions = indicesOf(object, "positions", rows, 0, static_cast<int64_t>(sizes.context));
  request_.segmentStart = indicesOf(object, "segmentStart", rows, 0, static_cast<int64_t>(rows));
  request_.lossRowCount = lengthOf(object, "lossRows");
  request_.lossRows = indicesOf(object, "lossRows", request_.lossRowCount, 0, static_cast<int64_t>(rows));
  request_.withGradients = object.Get("withGradients").ToBoolean().Value();
  request_.straightThrough = object.Get("straightThrough").ToBoolean().Value();
  request_.temperature = numberOf(object, "temperature");
  request_.teachesSkippedOnly = object.Get("teachesSkippedOnly").ToBoolean().Value();
  request_.savings = arrayOf<double>(object, "savings", napi_float64_array, branches, false);
  const TrainingModel& model = handle_->trainer->model();
  if (request_.savings != nullptr && (!request_.straightThrough || !model.options.detachGateInput || model.gates.after))
    fail(StatusCode::invalidArgument, "A held budget needs straight-through gates before their branch, whose input is detached.");
  readPlan(object.Get("plan").As<Napi::Object>());
  readLosses(object);
  TrainResults& results = request_.results;
  results.keptRows = arrayOf<uint8_t>(object, "keptRows", napi_uint8_array, branches * rows);
  results.scores = arrayOf<float>(object, "scores", napi_float32_array, branches * rows, false);
  results.gains = arrayOf<float>(object, "gains", napi_float32_array, branches * rows, false);
  if (has(object, "wantedRows")) {
    request_.wantedRowCount = lengthOf(object, "wantedRows");
    request_.wantedRows = indicesOf(object, "wantedRows", request_.wantedRowCount, 0, static_cast<int64_t>(rows));
    results.logits = arrayOf<float>(object, "logits", napi_float32_array, request_.wantedRowCount * sizes.vocabulary);
  }
  numbers_ = arrayOf<double>(object, "numbers", napi_float64_array, 5);
  request_.cancelled = &handle_->cancelled;
}

void TrainerStepWorker::readPlan(const Napi::Object& plan) {
  const size_t branches = handle_->trainer->model().sizes.branches();
  const uint64_t scorer = integerOf(plan, "scorer");
  const uint64_t kv = integerOf(plan, "kv");
  if (scorer > static_cast<uint64_t>(Scorer::given) || kv > 2) fail(StatusCode::invalidArgument, "The plan has an unknown scorer or kv mode.");
  StepPlan& p = request_.plan;
  p.scorer = static_cast<Scorer>(scorer);
  p.kv = static_cast<KvMode>(kv);
  p.standIns = integerOf(plan, "standIns") != 0;
  p.loraStrength = static_cast<float>(numberOf(plan, "loraStrength"));
  p.seed = static_cast<uint32_t>(integerOf(plan, "seed"));
  p.rules = arrayOf<uint8_t>(plan, "rules", napi_uint8_array, branches);
  p.values = arrayOf<float>(plan, "values", napi_float32_array, branches);
  p.pinned = arrayOf<uint8_t>(plan, "pinned", napi_uint8_array, request_.rows, false);
  p.scores = arrayOf<float>(plan, "scores", napi_float32_array, branches * request_.rows, p.scorer == Scorer::given);
  for (size_t b = 0; b < branches; ++b) {
    const Rule rule = static_cast<Rule>(p.rules[b]);
    if (p.rules[b] > static_cast<uint8_t>(Rule::repeat) || (rule == Rule::repeat && p.values[b] != 0 && p.values[b] != 1))
      fail(StatusCode::invalidArgument, "The plan has an unknown rule or repeats a branch.");
    if ((rule == Rule::fraction || rule == Rule::quantile) && !(p.values[b] >= 0 && p.values[b] <= 1))
      fail(StatusCode::invalidArgument, "A share of the plan is outside 0..1.");
  }
  if (p.scorer == Scorer::gate && !handle_->trainer->model().gates.present) fail(StatusCode::invalidArgument, "The plan asks gates that are not loaded.");
}

void TrainerStepWorker::readLosses(const Napi::Object& object) {
  const ModelSizes& sizes = handle_->trainer->model().sizes;
  const size_t rows = request_.rows;
  const int64_t vocabulary = static_cast<int64_t>(sizes.vocabulary);
  if (has(object, "crossEntropy")) {
    const Napi::Object part = object.Get("crossEntropy").As<Napi::Object>();
    TrainCrossEntropy& hard = request_.crossEntropy;
    hard.targets = indicesOf(part, "targets", rows, -1, vocabulary);
    hard.shares = arrayOf<double>(part, "shares", napi_float64_array, rows);
    hard.weight = numberOf(part, "weight");
    for (size_t row = 0; row < rows; ++row)
      if (hard.shares[row] > 0 && hard.targets[row] < 0) fail(StatusCode::invalidArgument, "A row counts in the cross-entropy and has no target.");
  }
  if (has(object, "teacher")) {
    const Napi::Object part = object.Get("teacher").As<Napi::Object>();
    TrainTeacher& soft = request_.teacher;
    soft.count = integerOf(part, "count");
    if (soft.count < 1 || soft.count > sizes.vocabulary) fail(StatusCode::invalidArgument, "teacher.count is out of range.");
    soft.shares = arrayOf<double>(part, "shares", napi_float64_array, rows);
    soft.tokens = arrayOf<int32_t>(part, "tokens", napi_int32_array, rows * soft.count);
    for (size_t i = 0; i < rows * soft.count; ++i)
      if (soft.shares[i / soft.count] > 0 && (soft.tokens[i] < 0 || soft.tokens[i] >= vocabulary))
        fail(StatusCode::invalidArgument, "teacher.tokens has a token outside the vocabulary.");
    soft.logProbabilities = arrayOf<float>(part, "logProbabilities", napi_float32_array, rows * soft.count);
    soft.tailMass = arrayOf<float>(part, "tailMass", napi_float32_array, rows);
    soft.weight = numberOf(part, "weight");
  }
  if (!has(object, "gateLoss")) return;
  const Napi::Object part = object.Get("gateLoss").As<Napi::Object>();
  TrainGateLoss& gates = request_.gateLoss;
  const uint64_t kind = integerOf(part, "kind");
  if (kind < 1 || kind > static_cast<uint64_t>(GateLossKind::density)) fail(StatusCode::invalidArgument, "The gate loss is unknown.");
  if (request_.plan.scorer != Scorer::gate) fail(StatusCode::invalidArgument, "A gate loss needs scorer gate.");
  gates.kind = static_cast<GateLossKind>(kind);
  gates.weight = numberOf(part, "weight");
  gates.density = numberOf(part, "density");
  gates.rows = arrayOf<uint8_t>(part, "rows", napi_uint8_array, rows, false);
  gates.branches = arrayOf<uint8_t>(part, "branches", napi_uint8_array, sizes.branches());
}

void TrainerStepWorker::Execute() {
  try {
    handle_->trainer->step(request_);
  } catch (const Failure& failure) {
    failure_ = failure;
  } catch (const std::bad_alloc&) {
    failure_ = Failure{StatusCode::insufficientMemory, "The buffers of a training step"};
  } catch (const std::exception& error) {
    failure_ = Failure{StatusCode::invalidArgument, error.what()};
  }
  if (failure_) SetError(failure_->message);
}

void TrainerStepWorker::OnOK() {
  handle_->busy.store(false);
  const TrainResults& results = request_.results;
  const double numbers[] = {results.crossEntropy, results.teacher, results.gates, results.agreement, results.teacherShares};
  std::copy(std::begin(numbers), std::end(numbers), numbers_);
  deferred_.Resolve(Env().Undefined());
}

void TrainerStepWorker::OnError(const Napi::Error&) {
  handle_->busy.store(false);
  deferred_.Reject(toError(Env(), *failure_).Value());
}

}  // namespace gateskip
