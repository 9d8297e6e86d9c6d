// An array of fixed size, all zero, in pages straight from the kernel. They cost nothing until they are
// touched and are given back at once. malloc would keep the large blocks that come and go with each dump,
// since its threshold for mapping them grows with the largest block that was freed (mallopt(3)), and the
// process would never shrink again.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace wanmark {

template <typename T>
class MappedArray {
  static_assert(std::is_trivially_copyable_v<T>,
                "elements are never constructed: all zero bytes must be a value");

 public:
  MappedArray() = default;
  /** Where there is no memory, `size()` is 0 afterwards. */
  explicit MappedArray(size_t size) {
    void* memory =
        mmap(nullptr, size * sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return;
    data_ = static_cast<T*>(memory);
    size_ = size;
  }
  MappedArray(MappedArray&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  MappedArray& operator=(MappedArray&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~MappedArray() {
    if (data_) munmap(data_, size_ * sizeof(T));
  }

  size_t size() const { return size_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace wanmark
