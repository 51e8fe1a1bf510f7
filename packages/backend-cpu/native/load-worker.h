// Loading on a thread of libuv's pool, with progress and cancellation.
#pragma once
#include <napi.h>

namespace gateskip {

// load({config, tensors, gates, threads, adaptsThreads, instructionSet, maxTokens, repackCache?: {path, key}}) -> {promise, progress(): 0..1, cancel()}
Napi::Value startLoad(const Napi::CallbackInfo& info);

}  // namespace gateskip
