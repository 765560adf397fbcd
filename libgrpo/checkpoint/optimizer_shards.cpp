#include "libgrpo/checkpoint/optimizer_shards.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <map>
#include <memory>

namespace grpo {
namespace {

namespace fs = std::filesystem;

/// A stored piece of a tensor: elements [first, first + values.numel()).
struct Stored {
  std::int64_t first = 0;
  const SafeTensor* tensor = nullptr;
  [[nodiscard]] at::Tensor values(const fs::path& checkpoint) const {
    const auto type = scalar_type_of(tensor->dtype);
    if (!type) throw Error(ErrorKind::data, fmt::format("{}: {} is of type {}", checkpoint.string(), tensor->name, tensor->dtype));
    return as_tensor(*tensor, *type);
  }
};

class StoredState {
 public:
  explicit StoredState(const fs::path& checkpoint) : checkpoint_(checkpoint) {
    std::vector<fs::path> paths;
    for (const auto& entry : fs::directory_iterator(checkpoint)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("optimizer") && name.ends_with(".safetensors")) paths.push_back(entry.path());
    }
    std::sort(paths.begin(), paths.end());
    if (paths.empty()) throw Error(ErrorKind::data, (checkpoint / optimizer_file(0, 1)).string() + " is missing");
    for (const fs::path& path : paths) {
      files_.push_back(std::make_unique<SafetensorsFile>(path));
      for (const SafeTensor& tensor : files_.back()->tensors()) {
        const TensorRange range = tensor_range(tensor.name);
        pieces_[range.name].push_back({range.first, &tensor});
      }
    }
  }

  [[nodiscard]] at::Tensor read(const std::string& name, std::int64_t numel) const {
    const TensorRange range = tensor_range(name);
    const auto found = pieces_.find(range.name);
    if (found == pieces_.end()) throw missing(name, 0, numel);
    at::Tensor whole;
    std::int64_t copied = 0;
    for (const Stored& piece : found->second) {
      const auto values = piece.values(checkpoint_);
      if (piece.tensor->name == name && values.numel() == numel) return values.clone();
      if (!whole.defined()) whole = at::empty({numel}, values.options());
      const std::int64_t first = std::max(range.first, piece.first), end = std::min(range.first + numel, piece.first + values.numel());
      if (first >= end) continue;
      whole.narrow(0, first - range.first, end - first).copy_(values.reshape({-1}).narrow(0, first - piece.first, end - first));
      copied += end - first;
    }
    if (copied != numel) throw missing(name, copied, numel);
    return whole;
  }

 private:
  [[nodiscard]] Error missing(const std::string& name, std::int64_t found, std::int64_t numel) const {
    return {ErrorKind::data, fmt::format("{}: optimizer state does not fit the model: of {} {} elements are there, {} are wanted; was the "
                                         "checkpoint made with another model?",
                                         checkpoint_.string(), name, found, numel)};
  }

  fs::path checkpoint_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, std::vector<Stored>> pieces_;
};

}  // namespace

std::string optimizer_file(int rank, int ranks) {
  return ranks == 1 ? "optimizer.safetensors" : fmt::format("optimizer-{:05}-of-{:05}.safetensors", rank + 1, ranks);
}

TensorRange tensor_range(const std::string& name) {
  const auto bracket = name.rfind('['), colon = name.find(':', bracket == std::string::npos ? 0 : bracket);
  if (bracket == std::string::npos || colon == std::string::npos || !name.ends_with("]")) return {name};
  TensorRange range{name.substr(0, bracket)};
  const char* text = name.data();
  const auto first = std::from_chars(text + bracket + 1, text + colon, range.first);
  const auto end = std::from_chars(text + colon + 1, text + name.size() - 1, range.end);
  const bool reads = first.ptr == text + colon && end.ptr == text + name.size() - 1 && range.first >= 0 && range.first < range.end;
  return reads ? range : TensorRange{name};
}

NamedTensors load_optimizer_state(const fs::path& checkpoint, const std::vector<std::pair<std::string, std::int64_t>>& wanted) {
  const StoredState stored(checkpoint);
  NamedTensors state;
  for (const auto& [name, numel] : wanted) state.emplace_back(name, stored.read(name, numel));
  return state;
}

}  // namespace grpo
