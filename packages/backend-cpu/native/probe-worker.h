// Measuring the machine on a thread of libuv's pool.
#pragma once
#include <napi.h>

namespace gateskip {

// probe({instructionSet, threads, seconds, bufferBytes}) ->
//   {promise: {instructionSet, readBytesPerSecond, int8MacsPerSecond}, cancel()}
Napi::Value startProbe(const Napi::CallbackInfo& info);

}  // namespace gateskip
