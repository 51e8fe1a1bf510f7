// The files that the tensors of a model lie in, open for the time of a load.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace gateskip {

class TensorFiles {
 public:
  TensorFiles() = default;
  TensorFiles(const TensorFiles&) = delete;
  TensorFiles& operator=(const TensorFiles&) = delete;
  ~TensorFiles();

  // Index of a file for read(); opens each path once. Throws Failure where it is no regular file.
  size_t open(const std::string& path);
  uint64_t sizeBytes(size_t file) const { return files_[file].sizeBytes; }
  // Reads by pread, not by mapping: a file that shrinks meanwhile gives a short read here instead of a signal. False then.
  // May be called from several threads.
  bool read(size_t file, uint64_t offset, uint64_t bytes, uint8_t* target) const;
  // Device, number, length and times of all files as they are now: another value where any was changed or replaced.
  uint64_t identity() const;

 private:
  struct File {
    std::string path;
    int descriptor;
    uint64_t sizeBytes;
  };
  std::vector<File> files_;
};

}  // namespace gateskip
