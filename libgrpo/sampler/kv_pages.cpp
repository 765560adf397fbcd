#include "libgrpo/sampler/kv_pages.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace grpo {
namespace {

constexpr std::size_t kAlignment = 64;

struct Release {
  void operator()(float* data) const { std::free(data); }
};
using Storage = std::unique_ptr<float, Release>;

Storage allocate(std::int64_t floats) {
  const std::size_t bytes = (static_cast<std::size_t>(floats) * sizeof(float) + kAlignment - 1) / kAlignment * kAlignment;
  Storage data(static_cast<float*>(std::aligned_alloc(kAlignment, bytes)));
  if (!data) throw std::bad_alloc();
  return data;
}

}  // namespace

struct PagePool::Free {
  std::vector<Storage> pages;
};

PagePool::PagePool(PageShape shape) : shape_(shape), free_(std::make_shared<Free>()) {}

Page PagePool::take() {
  Storage data;
  if (free_->pages.empty()) {
    const std::int64_t floats = shape_.layers * shape_.layer_floats();
    data = allocate(floats);
    std::fill_n(data.get(), floats, 0.0F);
    ++made_;
    free_->pages.reserve(static_cast<std::size_t>(made_));  // so that giving a page back never throws
  } else {
    data = std::move(free_->pages.back());
    free_->pages.pop_back();
  }
  return {static_cast<void*>(data.release()), [to = free_](void* back) { to->pages.emplace_back(static_cast<float*>(back)); }};
}

}  // namespace grpo
