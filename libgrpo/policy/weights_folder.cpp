#include "libgrpo/base/files.hpp"
#include "libgrpo/format/safetensors.hpp"
#include "libgrpo/format/show.hpp"
#include "libgrpo/policy/tensor_file.hpp"
#include "libgrpo/policy/weights_read.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <cstdint>
#include <fmt/format.h>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <system_error>

namespace grpo {
namespace {

namespace fs = std::filesystem;
using detail::shown;

constexpr std::uintmax_t kMaxIndexBytes = std::uintmax_t{64} << 20;

/// F32, F16 or BF16.
at::ScalarType weight_type(const fs::path& file, const SafeTensor& tensor) {
  const auto type = scalar_type_of(tensor.dtype);
  if (type == at::kFloat || type == at::kBFloat16 || type == at::kHalf) return *type;
  refuse_weights(file, fmt::format("tensor {} has type {}; F32, F16 and BF16 can be read", shown(tensor.name), tensor.dtype));
}

struct WeightFile {
  fs::path path;
  std::shared_ptr<const SafetensorsFile> content;
};

/// The index's weight_map: tensor -> file name.
std::map<std::string, std::string> read_index(const fs::path& index) {
  const auto json = nlohmann::json::parse(read_file(index, kMaxIndexBytes), nullptr, false);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object() || json["weight_map"].empty())
    refuse_weights(index, "has no object 'weight_map' with entries");
  std::map<std::string, std::string> map;
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    const auto name = file.is_string() ? fs::path(file.get<std::string>()) : fs::path();
    // A name of this folder only: the index may come from anywhere.
    if (name.empty() || name.filename() != name || name == "." || name == "..")
      refuse_weights(index, fmt::format("weight_map names {} for {}, expected the name of a file beside the index", shown(file.dump()),
                                        shown(tensor)));
    map[tensor] = name.string();
  }
  return map;
}

/// Every tensor of the index is in the file named for it, and no file holds another: nothing is read twice or from the wrong
/// place, as it would be where shards of two models lie in one folder.
void check_shards(const fs::path& index, const std::map<std::string, std::string>& map, const std::map<std::string, WeightFile>& shards) {
  for (const auto& [name, shard] : shards)
    for (const SafeTensor& tensor : shard.content->tensors()) {
      const auto named = map.find(tensor.name);
      if (named == map.end())
        refuse_weights(shard.path, fmt::format("tensor {} is not in {}", shown(tensor.name), index.filename().string()));
      if (named->second != name)
        refuse_weights(shard.path, fmt::format("tensor {} belongs into {}, as {} has it", shown(tensor.name), shown(named->second),
                                               index.filename().string()));
    }
  for (const auto& [tensor, name] : map)
    if (shards.at(name).content->find(tensor) == nullptr)
      refuse_weights(index, fmt::format("names {} for tensor {}, which is not in it", shown(name), shown(tensor)));
}

/// The files that hold a folder's weights: one, or the shards that the index names.
std::vector<WeightFile> open_weight_files(const fs::path& folder, MapAccess access) {
  const fs::path single = folder / "model.safetensors", index = folder / "model.safetensors.index.json";
  std::error_code ignored;
  if (fs::exists(single, ignored)) return {{single, std::make_shared<SafetensorsFile>(single, access)}};
  if (!fs::exists(index, ignored)) refuse_weights(folder, "holds neither model.safetensors nor model.safetensors.index.json");
  const auto map = read_index(index);
  std::map<std::string, WeightFile> shards;
  for (const auto& [tensor, name] : map) {
    if (shards.contains(name)) continue;
    const fs::path path = folder / name;
    if (!fs::exists(path, ignored))
      refuse_weights(index, fmt::format("names {} for tensor {}, but there is no such file; fetch or copy the missing file", shown(name),
                                        shown(tensor)));
    shards[name] = {path, std::make_shared<SafetensorsFile>(path, access)};
  }
  check_shards(index, map, shards);
  std::vector<WeightFile> files;
  for (auto& [name, shard] : shards) files.push_back(std::move(shard));
  return files;
}

/// A slice and what a file holds for it.
struct Placed {
  const NamedSlice* slice;
  const WeightFile* file;
  const SafeTensor* stored;
};

/// In the order of the slices; every one has its tensor, of the right shape and of a type that can be read.
std::vector<Placed> find_tensors(const fs::path& folder, const std::vector<WeightFile>& files, const std::vector<NamedSlice>& slices) {
  std::vector<Placed> placed;
  std::map<std::string, std::size_t, std::less<>> wanted;
  for (const NamedSlice& slice : slices) {
    wanted[slice.name] = placed.size();
    placed.push_back({&slice, nullptr, nullptr});
  }
  for (const WeightFile& file : files) {
    for (const SafeTensor& tensor : file.content->tensors()) {
      const auto found = wanted.find(tensor.name);
      if (found == wanted.end()) {
        // A tied head may be stored again, and old exports carry rotary buffers; anything else would change the result.
        if (tensor.name == "lm_head.weight" || tensor.name.ends_with("rotary_emb.inv_freq")) continue;
        refuse_weights(file.path, fmt::format("tensor {} has no place in this architecture", shown(tensor.name)));
      }
      check_weight_shape(file.path, tensor.name, tensor.shape, placed[found->second].slice->slice);
      (void)weight_type(file.path, tensor);
      placed[found->second].file = &file;
      placed[found->second].stored = &tensor;
      wanted.erase(found);
    }
  }
  if (!wanted.empty()) refuse_weights(folder, fmt::format("tensor {} is missing ({} in all)", wanted.begin()->first, wanted.size()));
  return placed;
}

/// The stored values, converted to the type of `to`.
void copy_stored(const Placed& placed, const at::Tensor& to) {
  to.copy_(as_tensor(*placed.stored, weight_type(placed.file->path, *placed.stored)));
}

class OpenFolder final : public OpenWeights {
 public:
  OpenFolder(const fs::path& folder, const std::vector<NamedSlice>& slices)
      : files_(open_weight_files(folder, MapAccess::read)), placed_(find_tensors(folder, files_, slices)) {}

  void read(std::size_t index, const at::Tensor& to) const override { copy_stored(placed_[index], to); }

  [[nodiscard]] std::uint64_t stored_bytes() const override {
    std::uint64_t bytes = 0;
    for (const Placed& placed : placed_) bytes += placed.stored->data.size();
    return bytes;
  }

 private:
  std::vector<WeightFile> files_;
  std::vector<Placed> placed_;
};

/// Whether the file holds the memory of one tensor, of which `parts` are all slices in order, bit by bit.
bool lies_as_needed(std::span<const Placed> parts) {
  const at::Tensor& first = parts.front().slice->slice;
  const std::byte* next = parts.front().stored->data.data();
  if (first.storage_offset() != 0 || reinterpret_cast<std::uintptr_t>(next) % first.element_size() != 0) return false;
  std::size_t bytes = 0;
  for (const Placed& part : parts) {
    if (part.file != parts.front().file || part.stored->data.data() != next) return false;
    if (!part.slice->slice.device().is_cpu() || scalar_type_of(part.stored->dtype) != part.slice->slice.scalar_type()) return false;
    next += part.stored->data.size();
    bytes += part.stored->data.size();
  }
  return bytes == first.storage().nbytes();
}

/// The tensor's memory is the file's from now on; it keeps the file mapped.
void map_storage(const Placed& first) {
  using Keep = std::shared_ptr<const SafetensorsFile>;
  auto* bytes = const_cast<std::byte*>(first.stored->data.data());  // mapped copy-on-write
  at::DataPtr memory(
      bytes, new Keep(first.file->content), [](void* keep) { delete static_cast<Keep*>(keep); }, at::kCPU);
  first.slice->slice.storage().set_data_ptr_noswap(std::move(memory));
}

}  // namespace

std::unique_ptr<OpenWeights> open_folder(const fs::path& folder, const std::vector<NamedSlice>& slices) {
  return std::make_unique<OpenFolder>(folder, slices);
}

void map_folder(const fs::path& folder, const std::vector<NamedSlice>& slices) {
  const auto files = open_weight_files(folder, MapAccess::copy_on_write);
  const auto placed = find_tensors(folder, files, slices);
  for (std::size_t begin = 0, end = 0; begin < placed.size(); begin = end) {
    const auto& storage = placed[begin].slice->slice.storage();
    while (end < placed.size() && placed[end].slice->slice.storage().is_alias_of(storage)) ++end;
    const auto parts = std::span(placed).subspan(begin, end - begin);
    if (lies_as_needed(parts)) {
      map_storage(parts.front());
    } else {
      for (const Placed& part : parts) copy_stored(part, part.slice->slice);
    }
  }
}

}  // namespace grpo
