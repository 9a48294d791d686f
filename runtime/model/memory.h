// Memory for kernels: aligned to 64 bytes, as the ABI demands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

namespace vmodel::runtime {

// An allocator for std::vector whose memory is aligned to 64 bytes.
template <typename T>
struct AlignedAllocator {
  using value_type = T;
  AlignedAllocator() = default;
  template <typename U>
  AlignedAllocator(const AlignedAllocator<U>&) {}
  T* allocate(size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), std::align_val_t(64))); }
  void deallocate(T* memory, size_t) { ::operator delete(memory, std::align_val_t(64)); }
  bool operator==(const AlignedAllocator&) const { return true; }
};

template <typename T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

// Memory that is given back all at once.
class Arena {
public:
  // Uninitialised, aligned to 64 bytes, never null for 0 bytes; nullptr when there is none.
  void* allocate(int64_t bytes) noexcept {
    const size_t size = (static_cast<size_t>(bytes < 1 ? 1 : bytes) + 63) / 64 * 64;
    void* memory = bytes < 0 ? nullptr : std::aligned_alloc(64, size);
    if (memory == nullptr)
      return nullptr;
    try {
      blocks_.emplace_back(memory, &std::free);
    } catch (const std::bad_alloc&) {
      std::free(memory);
      return nullptr;
    }
    return memory;
  }

private:
  std::vector<std::unique_ptr<void, void (*)(void*)>> blocks_;
};

} // namespace vmodel::runtime
