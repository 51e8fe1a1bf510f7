// Reading typed arguments; the TypeScript side has checked the values, here types and lengths are checked again, because
// pointers follow from them.
#pragma once
#include <napi.h>

#include <cmath>
#include <string>

#include "status.h"

namespace gateskip {

// Throws Failure when the property is not an integer in 0..2^53.
inline uint64_t integerOf(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(number >= 0 && number <= 9007199254740992.0) || number != std::floor(number))
    fail(StatusCode::invalidArgument, std::string(name) + " must be a whole number.");
  return static_cast<uint64_t>(number);
}

inline bool has(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  return !value.IsUndefined() && !value.IsNull();
}

// Pointer to a typed array of at least `count` elements of T's kind; null where the property is absent and that is allowed.
template <typename T>
T* arrayOf(const Napi::Object& object, const char* name, napi_typedarray_type type, size_t count, bool required = true) {
  const Napi::Value value = object.Get(name);
  if (value.IsUndefined() || value.IsNull()) {
    if (required) fail(StatusCode::invalidArgument, std::string(name) + " is missing.");
    return nullptr;
  }
  if (!value.IsTypedArray()) fail(StatusCode::invalidArgument, std::string(name) + " must be a typed array.");
  const Napi::TypedArray array = value.As<Napi::TypedArray>();
  if (array.TypedArrayType() != type || array.ElementLength() < count)
    fail(StatusCode::invalidArgument, std::string(name) + " has the wrong type or fewer than " + std::to_string(count) + " elements.");
  return reinterpret_cast<T*>(static_cast<uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset());
}

inline const char* codeName(StatusCode code) {
  switch (code) {
    case StatusCode::insufficientMemory:
      return "insufficientMemory";
    case StatusCode::io:
      return "io";
    case StatusCode::aborted:
      return "aborted";
    case StatusCode::unsupported:
      return "unsupported";
    default:
      return "invalidArgument";
  }
}

// A JavaScript Error with `nativeCode`, `needed` and `available`, for the TypeScript side to type.
inline Napi::Error toError(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.message);
  error.Set("nativeCode", Napi::String::New(env, codeName(failure.code)));
  error.Set("needed", Napi::Number::New(env, failure.needed));
  error.Set("available", Napi::Number::New(env, failure.available));
  return error;
}

}  // namespace gateskip
