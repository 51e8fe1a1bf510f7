// Loading a trainer on a thread of libuv's pool, with progress and cancellation.
#pragma once
#include <napi.h>

namespace gateskip {

// loadTrainer({config, tensors, threads, instructionSet, arrays: [{name, value, gradient?}], gates?: {variant, multiplies,
// after, inner, prefixes}, loraRank, loraScale, detachGateInput, recompute, bf16, bf16IfThere}) -> {promise, progress(): 0..1, cancel()}.
// Arrays of gates, stand-ins and low-rank additions come filled, those of the model are filled here.
Napi::Value startLoadTrainer(const Napi::CallbackInfo& info);

}  // namespace gateskip
