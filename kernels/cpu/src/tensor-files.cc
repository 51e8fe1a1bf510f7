#include "tensor-files.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checksum.h"
#include "status.h"

namespace gateskip {

TensorFiles::~TensorFiles() {
  for (const File& file : files_) ::close(file.descriptor);
}

size_t TensorFiles::open(const std::string& path) {
  for (size_t i = 0; i < files_.size(); ++i)
    if (files_[i].path == path) return i;
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail(StatusCode::io, "Cannot open the model file: " + std::string(std::strerror(errno)) + ".");
  files_.push_back({path, descriptor, 0});
  struct stat info {};
  if (::fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) fail(StatusCode::io, "The model is not a regular file.");
  files_.back().sizeBytes = static_cast<uint64_t>(info.st_size);
  return files_.size() - 1;
}

bool TensorFiles::read(size_t file, uint64_t offset, uint64_t bytes, uint8_t* target) const {
  uint64_t done = 0;
  while (done < bytes) {
    const auto got = ::pread(files_[file].descriptor, target + done, bytes - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    done += static_cast<uint64_t>(got);
  }
  return true;
}

uint64_t TensorFiles::identity() const {
  uint64_t hash = files_.size();
  for (const File& file : files_) {
    struct stat info {};
    if (::fstat(file.descriptor, &info) != 0) return 0;
#if defined(__APPLE__)
    const timespec modified = info.st_mtimespec;
    const timespec changed = info.st_ctimespec;
#else
    const timespec modified = info.st_mtim;
    const timespec changed = info.st_ctim;
#endif
    const uint64_t numbers[7] = {static_cast<uint64_t>(info.st_dev),        static_cast<uint64_t>(info.st_ino),
                                 static_cast<uint64_t>(info.st_size),       static_cast<uint64_t>(modified.tv_sec),
                                 static_cast<uint64_t>(modified.tv_nsec),   static_cast<uint64_t>(changed.tv_sec),
                                 static_cast<uint64_t>(changed.tv_nsec)};
    hash = checksum64(numbers, sizeof numbers, hash);
  }
  return hash;
}

}  // namespace gateskip
