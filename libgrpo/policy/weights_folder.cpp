#include "libgrpo/format/safetensors.hpp"
#include "libgrpo/policy/weights_read.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace grpo {
namespace {

namespace fs = std::filesystem;
using std::int64_t;

at::ScalarType scalar_type(const fs::path& file, const SafeTensor& tensor) {
  if (tensor.dtype == "F32") return at::kFloat;
  if (tensor.dtype == "BF16") return at::kBFloat16;
  if (tensor.dtype == "F16") return at::kHalf;
  refuse_weights(file, fmt::format("tensor {} has type {}; F32, F16 and BF16 can be read", tensor.name, tensor.dtype));
}

void copy_into(const fs::path& file, const SafeTensor& tensor, const at::Tensor& to) {
  check_weight_shape(file, tensor.name, tensor.shape, to);
  const auto type = scalar_type(file, tensor);
  const auto width = dtype_bytes(tensor.dtype);
  if (reinterpret_cast<std::uintptr_t>(tensor.data.data()) % width == 0) {
    auto* bytes = const_cast<std::byte*>(tensor.data.data());  // from_blob takes no const; the tensor is only read
    to.copy_(at::from_blob(bytes, to.sizes(), at::TensorOptions().dtype(type)));
    return;
  }
  auto aligned = at::empty(to.sizes(), at::TensorOptions().dtype(type));
  std::memcpy(aligned.mutable_data_ptr(), tensor.data.data(), tensor.data.size());
  to.copy_(aligned);
}

/// The files that hold a folder's weights: one, or the shards an index names.
std::vector<fs::path> weight_files(const fs::path& folder) {
  if (fs::exists(folder / "model.safetensors")) return {folder / "model.safetensors"};
  const fs::path index = folder / "model.safetensors.index.json";
  std::ifstream in(index);
  if (!in) refuse_weights(folder, "holds neither model.safetensors nor model.safetensors.index.json");
  const auto json = nlohmann::json::parse(in, nullptr, false);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object())
    refuse_weights(index, "has no object 'weight_map'");
  std::set<std::string> names;
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    if (!file.is_string() || file.get<std::string>().find('/') != std::string::npos)
      refuse_weights(index, fmt::format("weight_map names {} for {}, expected a file name", file.dump(), tensor));
    names.insert(file.get<std::string>());
  }
  std::vector<fs::path> files;
  for (const auto& name : names) files.push_back(folder / name);
  return files;
}

}  // namespace

void read_folder(const fs::path& folder, const std::vector<NamedSlice>& slices) {
  std::map<std::string, const NamedSlice*, std::less<>> wanted;
  for (const auto& slice : slices) wanted[slice.name] = &slice;
  for (const fs::path& path : weight_files(folder)) {
    const SafetensorsFile file(path);
    for (const SafeTensor& tensor : file.tensors()) {
      const auto found = wanted.find(tensor.name);
      if (found == wanted.end()) {
        // A tied head may be stored again, and old exports carry rotary buffers; anything else would change the result.
        if (tensor.name == "lm_head.weight" || tensor.name.ends_with("rotary_emb.inv_freq")) continue;
        refuse_weights(path, fmt::format("tensor {} has no place in this architecture", tensor.name));
      }
      copy_into(path, tensor, found->second->slice);
      wanted.erase(found);
    }
  }
  if (!wanted.empty()) refuse_weights(folder, fmt::format("tensor {} is missing ({} in all)", wanted.begin()->first, wanted.size()));
}

}  // namespace grpo
