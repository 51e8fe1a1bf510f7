#include "model-arguments.h"

#include "arguments.h"

namespace gateskip {

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

}  // namespace gateskip
