#include "packed-cache.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checksum.h"
#include "matrix-pack.h"
#include "packed-matrix.h"

namespace gateskip {

namespace {

constexpr uint32_t formatVersion = 1;
constexpr uint32_t endianMark = 0x01020304;
constexpr size_t chunkBytes = size_t{1} << 20;

struct Header {
  char magic[8];
  uint32_t formatVersion;
  uint32_t endianMark;
  uint32_t layoutVersion;
  uint32_t reserved;
  uint64_t layoutDigest;
  uint64_t key;
  uint64_t keyLength;
  uint64_t source;
  uint64_t bytes;
  uint64_t sums;    // checksum of the checksums
  uint64_t header;  // checksum of all above
};

size_t chunksOf(size_t bytes) { return (bytes + chunkBytes - 1) / chunkBytes; }

// Changes with the packed layout, also where somebody forgot to count its version: packs a small matrix of every type.
uint64_t layoutDigest() {
  uint64_t digest = 0;
  for (uint8_t type = 0; type <= static_cast<uint8_t>(SourceType::q8_0); ++type) {
    constexpr size_t rows = 19, columns = 96;
    const auto source = static_cast<SourceType>(type);
    std::vector<uint8_t> bytes(rows * sourceRowBytes(source, columns));
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 167 + (i >> 8));
    const PackedMatrix shape = packedShape(packedFormatFor(source), rows, columns);
    std::vector<uint8_t> tile(shape.tileBytes);
    for (size_t t = 0; t < shape.tiles; ++t) {
      packTile(shape, source, bytes.data(), t, tile.data());
      digest = checksum64(tile.data(), tile.size(), digest + t);
    }
  }
  return digest;
}

// Header of a file whose checksums have the checksum `sums`.
Header makeHeader(const PackedCache& cache, uint64_t source, size_t bytes, uint64_t sums) {
  Header header{};
  std::memcpy(header.magic, "GSPACKED", 8);
  header.formatVersion = formatVersion;
  header.endianMark = endianMark;
  header.layoutVersion = packedLayoutVersion;
  header.layoutDigest = layoutDigest();
  header.key = checksum64(cache.key.data(), cache.key.size());
  header.keyLength = cache.key.size();
  header.source = source;
  header.bytes = bytes;
  header.sums = sums;
  header.header = checksum64(&header, offsetof(Header, header));
  return header;
}

std::vector<uint64_t> chunkSums(const uint8_t* data, size_t bytes, ThreadPool& pool) {
  std::vector<uint64_t> sums(chunksOf(bytes));
  pool.run(sums.size(), [&](size_t i, size_t) { sums[i] = checksum64(data + i * chunkBytes, std::min(chunkBytes, bytes - i * chunkBytes), i); });
  return sums;
}

struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

bool readAll(int descriptor, uint64_t offset, void* target, size_t bytes) {
  size_t done = 0;
  while (done < bytes) {
    const auto got = ::pread(descriptor, static_cast<uint8_t*>(target) + done, bytes - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    done += static_cast<size_t>(got);
  }
  return true;
}

bool writeAll(int descriptor, const void* source, size_t bytes) {
  size_t done = 0;
  while (done < bytes) {
    const auto put = ::write(descriptor, static_cast<const uint8_t*>(source) + done, std::min(bytes - done, size_t{1} << 30));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    done += static_cast<size_t>(put);
  }
  return true;
}

// Empty where all is well.
std::string checkFile(int descriptor, const PackedCache& cache, uint64_t source, size_t bytes, std::vector<uint64_t>& sums) {
  struct stat info {};
  if (::fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) return "it is no regular file";
  if (info.st_uid != ::geteuid() || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0) return "others may write it";
  Header header;
  if (!readAll(descriptor, 0, &header, sizeof header)) return "it is too short";
  if (std::memcmp(header.magic, "GSPACKED", 8) != 0) return "it is no such file";
  const Header expected = makeHeader(cache, source, bytes, header.sums);
  if (header.formatVersion != expected.formatVersion || header.endianMark != expected.endianMark) return "it is of another version";
  if (header.header != checksum64(&header, offsetof(Header, header))) return "its header is damaged";
  if (header.layoutVersion != expected.layoutVersion || header.layoutDigest != expected.layoutDigest) return "its layout is of another version";
  if (header.source != expected.source) return "the model file changed since";
  if (std::memcmp(&header, &expected, sizeof header) != 0) return "it belongs to another model";
  const size_t sumsBytes = sums.size() * sizeof(uint64_t);
  if (static_cast<uint64_t>(info.st_size) != packedCacheDataOffset + bytes + sumsBytes) return "its length is wrong";
  if (!readAll(descriptor, packedCacheDataOffset + bytes, sums.data(), sumsBytes)) return "it became shorter";
  return checksum64(sums.data(), sumsBytes) == header.sums ? "" : "its checksums are damaged";
}

}  // namespace

WeightMemory readPackedCache(PackedCache& cache, uint64_t source, size_t bytes, ThreadPool& pool) {
  // Not through links, and not waiting for a pipe.
  const Descriptor file{::open(cache.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
  if (file.value < 0) {
    cache.outcome = "there is none";
    return {};
  }
  std::vector<uint64_t> sums(chunksOf(bytes));
  cache.outcome = checkFile(file.value, cache, source, bytes, sums);
  if (!cache.outcome.empty()) return {};
  WeightMemory memory = WeightMemory::mapped(file.value, packedCacheDataOffset + bytes);
  if (memory.empty()) {
    cache.outcome = "it cannot be mapped";
    return {};
  }
  if (chunkSums(static_cast<const WeightMemory&>(memory).data() + packedCacheDataOffset, bytes, pool) != sums || memory.damaged()) {
    cache.outcome = "its content is damaged";
    return {};
  }
  // Used last: eviction goes by it.
  ::futimens(file.value, nullptr);
  cache.outcome = "read";
  return memory;
}

void writePackedCache(PackedCache& cache, uint64_t source, const uint8_t* data, size_t bytes, ThreadPool& pool) {
  const auto notWritten = [&](const char* what) { cache.outcome = std::string("not written: ") + what + ": " + std::strerror(errno); };
  struct rlimit limit {};
  // Writing beyond it would raise a signal.
  if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < bytes + bytes / 1024 + 2 * packedCacheDataOffset)) {
    cache.outcome = "not written: files may not become that large";
    return;
  }
  const std::string folder = cache.path.substr(0, cache.path.find_last_of('/') + 1);
  const Descriptor lock{::open((folder + "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (lock.value < 0) return notWritten("its lock");
  if (::flock(lock.value, LOCK_EX | LOCK_NB) != 0) {
    cache.outcome = "not written: another process writes one";
    return;
  }
  const std::string temporary = cache.path + "." + std::to_string(::getpid()) + ".tmp";
  ::unlink(temporary.c_str());
  const Descriptor file{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (file.value < 0) return notWritten("its file");
  const std::vector<uint64_t> sums = chunkSums(data, bytes, pool);
  const size_t sumsBytes = sums.size() * sizeof(uint64_t);
  const Header header = makeHeader(cache, source, bytes, checksum64(sums.data(), sumsBytes));
  std::vector<uint8_t> page(packedCacheDataOffset);
  std::memcpy(page.data(), &header, sizeof header);
  if (writeAll(file.value, page.data(), page.size()) && writeAll(file.value, data, bytes) && writeAll(file.value, sums.data(), sumsBytes) &&
      ::rename(temporary.c_str(), cache.path.c_str()) == 0) {
    cache.outcome = "written";
    return;
  }
  notWritten("its file");
  ::unlink(temporary.c_str());
}

}  // namespace gateskip
