#include "libgrpo/policy/tensor_file.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <fmt/format.h>

namespace grpo {
namespace {

using NamedType = std::pair<std::string_view, at::ScalarType>;
constexpr std::array<NamedType, 8> kTypes{{{"F32", at::kFloat},
                                           {"BF16", at::kBFloat16},
                                           {"F16", at::kHalf},
                                           {"F64", at::kDouble},
                                           {"I64", at::kLong},
                                           {"I32", at::kInt},
                                           {"U8", at::kByte},
                                           {"BOOL", at::kBool}}};

std::string dtype_of(const std::string& name, at::ScalarType type) {
  const auto found = std::find_if(kTypes.begin(), kTypes.end(), [&](const NamedType& known) { return known.second == type; });
  GRPO_CHECK(found != kTypes.end(), fmt::format("{} has type {}, which files are not written with", name, c10::toString(type)));
  return std::string(found->first);
}

}  // namespace

void write_tensors(const std::filesystem::path& path, const NamedTensors& tensors, const std::map<std::string, std::string>& metadata) {
  std::vector<at::Tensor> held;  // what has to be copied lives until it is written
  std::vector<SafeTensor> stored;
  for (const auto& [name, tensor] : tensors) {
    held.push_back(tensor.detach().cpu().contiguous());
    const at::Tensor& plain = held.back();
    stored.push_back({name,
                      dtype_of(name, plain.scalar_type()),
                      plain.sizes().vec(),
                      {static_cast<const std::byte*>(plain.const_data_ptr()), static_cast<std::size_t>(plain.nbytes())}});
  }
  write_safetensors(path, stored, metadata);
}

NamedTensors read_tensors(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  NamedTensors tensors;
  for (const SafeTensor& stored : file.tensors()) {
    const auto type = scalar_type_of(stored.dtype);
    if (!type)
      throw Error(ErrorKind::data, fmt::format("{}: {} has type {}, which cannot be read", path.string(), stored.name, stored.dtype));
    tensors.emplace_back(stored.name, at::empty(stored.shape, *type));
    if (!stored.data.empty()) std::memcpy(tensors.back().second.mutable_data_ptr(), stored.data.data(), stored.data.size());
  }
  return tensors;
}

std::optional<at::ScalarType> scalar_type_of(std::string_view dtype) {
  const auto found = std::find_if(kTypes.begin(), kTypes.end(), [&](const NamedType& known) { return known.first == dtype; });
  return found == kTypes.end() ? std::nullopt : std::optional(found->second);
}

at::Tensor as_tensor(const SafeTensor& stored, at::ScalarType type) {
  const auto options = at::TensorOptions().dtype(type);
  if (stored.data.empty()) return at::empty(stored.shape, options);
  if (reinterpret_cast<std::uintptr_t>(stored.data.data()) % c10::elementSize(type) == 0)
    return at::from_blob(const_cast<std::byte*>(stored.data.data()), stored.shape, options);  // it takes no const
  auto copy = at::empty(stored.shape, options);
  std::memcpy(copy.mutable_data_ptr(), stored.data.data(), stored.data.size());
  return copy;
}

}  // namespace grpo
