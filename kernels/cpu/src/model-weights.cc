#include "model-weights.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "status.h"

namespace gateskip {

namespace {

// Reads by pread, not by mapping: a file that shrinks meanwhile gives a short read here instead of a signal.
class TensorReader {
 public:
  // Opens the tensor's file and finds its bytes inside it.
  void check(const TensorSource& tensor) {
    if (tensor.bytes != nullptr) return;
    open(tensor.path);
    if (tensor.offset > fileBytes_ || tensor.sizeBytes > fileBytes_ - tensor.offset)
      fail(StatusCode::io, "Tensor " + tensor.name + " ends at byte " + std::to_string(tensor.offset + tensor.sizeBytes) + ", the file has " +
                               std::to_string(fileBytes_) + ".");
  }

  const uint8_t* read(const TensorSource& tensor) {
    check(tensor);
    if (tensor.bytes != nullptr) return tensor.bytes;
    uint8_t* target = buffer_.ensure(tensor.sizeBytes);
    size_t done = 0;
    while (done < tensor.sizeBytes) {
      const auto got = ::pread(descriptor_, target + done, tensor.sizeBytes - done, static_cast<off_t>(tensor.offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) fail(StatusCode::io, "Tensor " + tensor.name + ": the file gave " + std::to_string(done) + " of " + std::to_string(tensor.sizeBytes) + " bytes.");
      done += static_cast<size_t>(got);
    }
    return target;
  }

  ~TensorReader() { close(); }

 private:
  void open(const std::string& path) {
    if (path == path_) return;
    close();
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor_ < 0) fail(StatusCode::io, "Cannot open the model file: " + std::string(std::strerror(errno)) + ".");
    struct stat info {};
    if (::fstat(descriptor_, &info) != 0 || !S_ISREG(info.st_mode)) fail(StatusCode::io, "The model is not a regular file.");
    fileBytes_ = static_cast<uint64_t>(info.st_size);
    path_ = path;
  }
  void close() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
    path_.clear();
  }

  int descriptor_ = -1;
  uint64_t fileBytes_ = 0;
  std::string path_;
  AlignedBuffer<uint8_t> buffer_;
};

void pack(const PackedMatrix& shape, const TensorSource& tensor, const uint8_t* source, uint8_t* target, ThreadPool& pool) {
  constexpr size_t grain = 16;
  pool.run((shape.tiles + grain - 1) / grain, [&](size_t task, size_t) {
    const size_t end = std::min(shape.tiles, (task + 1) * grain);
    for (size_t tile = task * grain; tile < end; ++tile) packTile(shape, tensor.type, source, tile, target + tile * shape.tileBytes);
  });
}

AlignedBuffer<float> unpackVector(const TensorSource& tensor, const uint8_t* source) {
  AlignedBuffer<float> vector(roundUp(tensor.columns, 32));
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
                         const LoadProgress& progress) {
  std::map<std::string, const TensorSource*> byName;
  for (const TensorSource& tensor : tensors) byName[tensor.name] = &tensor;
  const auto find = [&](const std::string& name, size_t rows, size_t columns) -> const TensorSource& {
    const auto found = byName.find(name);
    if (found == byName.end()) fail(StatusCode::invalidArgument, "Tensor " + name + " is missing.");
    expect(*found->second, rows, columns);
    return *found->second;
  };

  TensorReader reader;
  ModelWeights weights;
  weights.sizes = s;
  weights.layers.resize(s.layers);
  double totalBytes = 1;
  for (const TensorSource& tensor : tensors) totalBytes += static_cast<double>(tensor.sizeBytes);
  double doneBytes = 0;
  const auto step = [&](const TensorSource& tensor) {
    if (cancelled.load(std::memory_order_relaxed)) fail(StatusCode::aborted, "Loading was aborted.");
    doneBytes += static_cast<double>(tensor.sizeBytes);
    progress(doneBytes / totalBytes);
  };
  struct Placed {
    PackedMatrix* shape;
    const TensorSource* tensor;
    size_t offset;
  };
  std::vector<Placed> placed;
  size_t arenaBytes = 0;
  const auto matrix = [&](OwnedMatrix& target, const std::string& name, size_t rows, size_t columns) {
    const TensorSource& tensor = find(name, rows, columns);
    reader.check(tensor);
    target.shape = packedShape(packedFormatFor(tensor.type), rows, columns);
    placed.push_back({&target.shape, &tensor, arenaBytes});
    arenaBytes += roundUp(target.shape.sizeBytes(), 64);
  };
  const auto vector = [&](AlignedBuffer<float>& target, const std::string& name, size_t columns) {
    const TensorSource& tensor = find(name, 1, columns);
    target = unpackVector(tensor, reader.read(tensor));
    step(tensor);
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

  uint8_t* arena = weights.arena.ensure(arenaBytes);
  for (const Placed& p : placed) {
    pack(*p.shape, *p.tensor, reader.read(*p.tensor), arena + p.offset, pool);
    p.shape->data = arena + p.offset;
    step(*p.tensor);
  }
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
