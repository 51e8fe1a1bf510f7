// What can go wrong, as a value with the numbers; the addon turns it into a typed error. Never aborts the process.
#pragma once
#include <string>
#include <utility>

namespace gateskip {

enum class StatusCode { ok, invalidArgument, insufficientMemory, io, aborted, unsupported };

// Thrown inside the native code and caught at its border.
struct Failure {
  StatusCode code;
  std::string message;
  double needed = 0;     // bytes, for insufficientMemory
  double available = 0;  // bytes
};

[[noreturn]] inline void fail(StatusCode code, std::string message, double needed = 0, double available = 0) {
  throw Failure{code, std::move(message), needed, available};
}

}  // namespace gateskip
