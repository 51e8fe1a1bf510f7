// A model's sizes and tensors as the TypeScript side names them. Throw Failure for what no pointer may follow from.
#pragma once
#include <napi.h>

#include <vector>

#include "model-weights.h"

namespace gateskip {

ModelSizes readSizes(const Napi::Object& config);
std::vector<TensorSource> readTensors(const Napi::Array& list);

}  // namespace gateskip
