#include "model-weights.h"

#include <algorithm>
#include <map>

#include "status.h"
#include "tensor-files.h"

namespace gateskip {

namespace {

// A matrix that is to be packed, and where.
struct PackJob {
  OwnedMatrix* target;
  const TensorSource* tensor;
  size_t file;    // of tensors in files
  size_t offset;  // in the weight memory
};

// Some tiles of one matrix.
struct PackTask {
  size_t job;
  size_t firstTile;
  size_t endTile;
};

// What a task reads at once: as much as a core's own cache holds beside the tiles it makes.
constexpr size_t taskBytes = size_t{256} << 10;
constexpr size_t matrixAlignment = 64;

// All matrices, each piece read and packed by one thread: pages of the target come on that thread, and the bytes read are
// still in its cache. First failure wins; the others stop.
class Packer {
 public:
  Packer(const std::vector<PackJob>& jobs, const TensorFiles& files, uint8_t* memory, size_t threads) : jobs_(jobs), files_(files), memory_(memory) {
    size_t scratchBytes = 0;
    for (size_t i = 0; i < jobs.size(); ++i) {
      const PackedMatrix& shape = jobs[i].target->shape;
      const size_t tileSource = tileRows * sourceRowBytes(jobs[i].tensor->type, shape.columns);
      const size_t tiles = std::max(size_t{1}, taskBytes / tileSource);
      if (jobs[i].tensor->bytes == nullptr) scratchBytes = std::max(scratchBytes, tiles * tileSource);
      for (size_t tile = 0; tile < shape.tiles; tile += tiles) tasks_.push_back({i, tile, std::min(shape.tiles, tile + tiles)});
    }
    scratch_.resize(threads);
    for (auto& scratch : scratch_) scratch.resize(scratchBytes);
  }

  void run(ThreadPool& pool, const std::atomic<bool>& cancelled, const std::function<void(uint64_t bytes)>& done) {
    pool.run(tasks_.size(), [&](size_t i, size_t thread) {
      if (failed_.load(std::memory_order_relaxed)) return;
      if (cancelled.load(std::memory_order_relaxed)) return stop(nullptr);
      done(pack(tasks_[i], scratch_[thread].data()));
    });
    if (!failed_.load()) return;
    if (shortTensor_ == nullptr) fail(StatusCode::aborted, "Loading was aborted.");
    fail(StatusCode::io, "Tensor " + shortTensor_->name + ": the file became shorter, or could not be read.");
  }

 private:
  uint64_t pack(const PackTask& task, uint8_t* scratch) {
    const PackJob& job = jobs_[task.job];
    const TensorSource& tensor = *job.tensor;
    const PackedMatrix& shape = job.target->shape;
    const size_t rowBytes = sourceRowBytes(tensor.type, shape.columns);
    const size_t firstRow = task.firstTile * tileRows;
    const size_t endRow = std::min(shape.rows, task.endTile * tileRows);
    const uint64_t bytes = (endRow - firstRow) * rowBytes;
    const uint8_t* rows = scratch;
    if (tensor.bytes != nullptr) {
      rows = tensor.bytes + firstRow * rowBytes;
    } else if (!files_.read(job.file, tensor.offset + firstRow * rowBytes, bytes, scratch)) {
      stop(&tensor);
      return 0;
    }
    for (size_t tile = task.firstTile; tile < task.endTile; ++tile) {
      const size_t row = tile * tileRows;
      packTileRows(shape, tensor.type, rows + (row - firstRow) * rowBytes, std::min(tileRows, endRow - row), memory_ + job.offset + tile * shape.tileBytes);
    }
    return bytes;
  }

  // Null: because it was asked.
  void stop(const TensorSource* tensor) {
    if (!failed_.exchange(true)) shortTensor_ = tensor;
  }

  const std::vector<PackJob>& jobs_;
  const TensorFiles& files_;
  uint8_t* memory_;
  std::vector<PackTask> tasks_;
  std::vector<std::vector<uint8_t>> scratch_;  // by thread
  std::atomic<bool> failed_{false};
  const TensorSource* shortTensor_ = nullptr;
};

// Opens the file of a tensor and checks its range.
size_t openFile(TensorFiles& files, const TensorSource& tensor) {
  const size_t file = files.open(tensor.path);
  const uint64_t fileBytes = files.sizeBytes(file);
  if (tensor.offset > fileBytes || tensor.sizeBytes > fileBytes - tensor.offset)
    fail(StatusCode::io, "Tensor " + tensor.name + " ends at byte " + std::to_string(tensor.offset + tensor.sizeBytes) + ", the file has " +
                             std::to_string(fileBytes) + ".");
  return file;
}

AlignedBuffer<float> readVector(TensorFiles& files, const TensorSource& tensor) {
  AlignedBuffer<float> vector(roundUp(tensor.columns, 32));
  std::vector<uint8_t> stored;
  const uint8_t* source = tensor.bytes;
  if (source == nullptr) {
    const size_t file = openFile(files, tensor);
    stored.resize(tensor.sizeBytes);
    if (!files.read(file, tensor.offset, tensor.sizeBytes, stored.data()))
      fail(StatusCode::io, "Tensor " + tensor.name + ": the file became shorter, or could not be read.");
    source = stored.data();
  }
  unpackSource(tensor.type, source, tensor.columns, vector.data());
  return vector;
}

void expect(const TensorSource& tensor, size_t rows, size_t columns) {
  if (tensor.rows != rows || tensor.columns != columns)
    fail(StatusCode::invalidArgument, "Tensor " + tensor.name + " has shape [" + std::to_string(tensor.rows) + ", " + std::to_string(tensor.columns) +
                                          "], expected [" + std::to_string(rows) + ", " + std::to_string(columns) + "].");
  const size_t rowBytes = sourceRowBytes(tensor.type, columns);
  if (rowBytes == 0 || tensor.sizeBytes / rowBytes != rows || tensor.sizeBytes % rowBytes != 0)
    fail(StatusCode::invalidArgument, "Tensor " + tensor.name + " has " + std::to_string(tensor.sizeBytes) + " bytes, which does not fit its shape.");
}

}  // namespace

size_t ModelWeights::weightBytes() const {
  size_t total = tokenEmbedding.shape.sizeBytes() + output.shape.sizeBytes();
  for (const LayerWeights& layer : layers)
    for (const OwnedMatrix* m : {&layer.query, &layer.key, &layer.value, &layer.attentionOutput, &layer.mlpGate, &layer.mlpUp, &layer.mlpDown})
      total += m->shape.sizeBytes();
  return total;
}

ModelWeights loadWeights(const ModelSizes& s, const std::vector<TensorSource>& tensors, ThreadPool& pool, const std::atomic<bool>& cancelled,
                         const LoadProgress& progress, PackedCache& cache) {
  std::map<std::string, const TensorSource*> byName;
  for (const TensorSource& tensor : tensors) byName[tensor.name] = &tensor;
  const auto find = [&](const std::string& name, size_t rows, size_t columns) -> const TensorSource& {
    const auto found = byName.find(name);
    if (found == byName.end()) fail(StatusCode::invalidArgument, "Tensor " + name + " is missing.");
    expect(*found->second, rows, columns);
    return *found->second;
  };

  TensorFiles files;
  ModelWeights weights;
  weights.sizes = s;
  weights.layers.resize(s.layers);
  std::vector<PackJob> jobs;
  size_t memoryBytes = 0;
  uint64_t sourceBytes = 0;
  bool allInFiles = true;
  const auto matrix = [&](OwnedMatrix& target, const std::string& name, size_t rows, size_t columns) {
    const TensorSource& tensor = find(name, rows, columns);
    target.shape = packedShape(packedFormatFor(tensor.type), rows, columns);
    jobs.push_back({&target, &tensor, tensor.bytes == nullptr ? openFile(files, tensor) : 0, memoryBytes});
    memoryBytes = roundUp(memoryBytes + target.shape.sizeBytes(), matrixAlignment);
    sourceBytes += tensor.sizeBytes;
    allInFiles = allInFiles && tensor.bytes == nullptr;
  };
  const auto vector = [&](AlignedBuffer<float>& target, const std::string& name, size_t columns) {
    target = readVector(files, find(name, 1, columns));
  };

  const size_t q = s.queryWidth();
  const size_t kv = s.kvWidth();
  for (size_t i = 0; i < s.layers; ++i) {
    LayerWeights& layer = weights.layers[i];
    const std::string prefix = "layers." + std::to_string(i) + ".";
    vector(layer.attentionNorm, prefix + "attentionNorm", s.hidden);
    matrix(layer.query, prefix + "query", q, s.hidden);
    matrix(layer.key, prefix + "key", kv, s.hidden);
    matrix(layer.value, prefix + "value", kv, s.hidden);
    matrix(layer.attentionOutput, prefix + "attentionOutput", s.hidden, q);
    vector(layer.mlpNorm, prefix + "mlpNorm", s.hidden);
    matrix(layer.mlpGate, prefix + "mlpGate", s.intermediate, s.hidden);
    matrix(layer.mlpUp, prefix + "mlpUp", s.intermediate, s.hidden);
    matrix(layer.mlpDown, prefix + "mlpDown", s.hidden, s.intermediate);
  }
  vector(weights.outputNorm, "outputNorm", s.hidden);
  if (byName.count("output") != 0) matrix(weights.output, "output", s.vocabulary, s.hidden);
  matrix(weights.tokenEmbedding, "tokenEmbedding", s.vocabulary, s.hidden);

  if (cancelled.load()) fail(StatusCode::aborted, "Loading was aborted.");
  const bool wantsCache = !cache.path.empty() && allInFiles;
  const uint64_t source = files.identity();
  size_t dataOffset = packedCacheDataOffset;
  if (wantsCache) weights.arena = readPackedCache(cache, source, memoryBytes, pool);
  if (weights.arena.empty()) {
    dataOffset = 0;
    weights.arena = WeightMemory::fresh(memoryBytes);
    std::atomic<uint64_t> doneBytes{0};
    Packer packer(jobs, files, weights.arena.data(), pool.threads());
    packer.run(pool, cancelled, [&](uint64_t bytes) {
      progress(static_cast<double>(doneBytes.fetch_add(bytes, std::memory_order_relaxed) + bytes) / static_cast<double>(sourceBytes));
    });
    if (wantsCache) {
      // A file that was replaced or written to while it was read makes a cache of neither.
      if (files.identity() == source && source != 0)
        writePackedCache(cache, source, weights.arena.data(), memoryBytes, pool);
      else
        cache.outcome = "not written: the model file changed meanwhile";
    }
  }
  for (const PackJob& job : jobs) job.target->shape.data = static_cast<const WeightMemory&>(weights.arena).data() + dataOffset + job.offset;
  return weights;
}

OwnedMatrix packFloats(const float* values, size_t rows, size_t columns) {
  OwnedMatrix matrix;
  matrix.shape = packedShape(PackedFormat::f32, rows, columns);
  uint8_t* target = matrix.memory.ensure(matrix.shape.sizeBytes());
  matrix.shape.data = target;
  for (size_t tile = 0; tile < matrix.shape.tiles; ++tile)
    packTile(matrix.shape, SourceType::f32, reinterpret_cast<const uint8_t*>(values), tile, target + tile * matrix.shape.tileBytes);
  return matrix;
}

}  // namespace gateskip
