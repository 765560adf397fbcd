#include "libgrpo/serve/weight_loaders.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/format/safetensors.hpp"
#include "libgrpo/format/weight_checksum.hpp"
#include "libgrpo/policy/tensor_file.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fmt/format.h>
#include <algorithm>
#include <cctype>

namespace grpo::serve {
namespace {

namespace fs = std::filesystem;

void add(WeightChecksum& sum, const SafetensorsFile& file) {
  for (const SafeTensor& tensor : file.tensors()) sum.add(tensor.name, tensor.data);
}

Loaded load_folder(const fs::path& folder, const ModelConfig& config) {
  ModelConfig fresh = read_model_config(folder);
  fresh.dtype = config.dtype;
  if (fresh.vocab_size != config.vocab_size || fresh.num_layers != config.num_layers || fresh.head_dim != config.head_dim ||
      fresh.num_kv_heads != config.num_kv_heads || fresh.hidden_size != config.hidden_size)
    throw Error(ErrorKind::data, folder.string() + ": the model there has another shape than the one that is served");
  auto model = std::make_shared<CausalLm>(fresh, load_weights(folder, fresh));
  WeightChecksum sum;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".safetensors") add(sum, SafetensorsFile(entry.path()));
  return {std::move(model), sum.text()};
}

Loaded load_adapters(const fs::path& folder, const CausalLm& base) {
  if (base.lora())
    throw Error(ErrorKind::data, folder.string() + ": the served model has adapters of its own, which others cannot be put on");
  auto model = std::make_shared<CausalLm>(base.config(), base.weights());
  model->adapt(Lora::read(folder, base.config(), base.weights()));
  WeightChecksum sum;
  add(sum, SafetensorsFile(folder / kAdapterWeightsFile));
  return {std::move(model), sum.text()};
}

// ---- memory of another process -----------------------------------------------------------------------------------------

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

/// "/proc/", digits, "/fd/", digits: no other file is opened for it.
bool is_descriptor_of_process(std::string_view path) {
  const auto take_digits = [&] {
    const auto end = std::find_if(path.begin(), path.end(), [](unsigned char c) { return std::isdigit(c) == 0; });
    const auto count = static_cast<std::size_t>(end - path.begin());
    path.remove_prefix(count);
    return count > 0;
  };
  const auto take = [&](std::string_view text) {
    const bool there = path.starts_with(text);
    if (there) path.remove_prefix(text.size());
    return there;
  };
  return take("/proc/") && take_digits() && take("/fd/") && take_digits() && path.empty();
}

void copy_tensor(const fs::path& place, const SafeTensor& stored, const NamedSlice& to) {
  const auto type = scalar_type_of(stored.dtype);
  if (!type || !at::isFloatingType(*type))
    throw Error(ErrorKind::data, fmt::format("{}: tensor {} has type {}", place.string(), to.name, stored.dtype));
  if (at::IntArrayRef(stored.shape) != to.slice.sizes())
    throw Error(ErrorKind::data, fmt::format("{}: tensor {} has another shape than that of the served model", place.string(), to.name));
  to.slice.copy_(as_tensor(stored, *type).view(stored.shape));
}

Loaded load_memory(const fs::path& place, const ModelConfig& config) {
  if (!is_descriptor_of_process(place.string()))
    throw Error(ErrorKind::data, fmt::format("\"{:.100}\": expected memory of a process on this host, /proc/PID/fd/N", place.string()));
  const Descriptor memory{::open(place.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  const int seals = memory.fd < 0 ? -1 : ::fcntl(memory.fd, F_GET_SEALS);
  constexpr int kWanted = F_SEAL_SHRINK | F_SEAL_WRITE;
  if (seals < 0 || (seals & kWanted) != kWanted)
    throw Error(ErrorKind::data, fmt::format("{}: cannot be opened, or is no memory that is sealed against changes (memfd_create); trainer "
                                             "and server must run on one host, in one container and as one user",
                                             place.string()));
  const SafetensorsFile image(fmt::format("/proc/self/fd/{}", memory.fd));
  ModelConfig fresh = config;
  fresh.tie_word_embeddings = config.tie_word_embeddings && image.find("lm_head.weight") == nullptr;
  Weights weights = Weights::allocate(fresh);
  const at::NoGradGuard no_grad;
  for (const NamedSlice& slice : named_slices(weights, fresh)) {
    const SafeTensor* stored = image.find(slice.name);
    if (stored == nullptr) throw Error(ErrorKind::data, fmt::format("{}: tensor {} is missing", place.string(), slice.name));
    copy_tensor(place, *stored, slice);
  }
  WeightChecksum sum;
  add(sum, image);
  return {std::make_shared<CausalLm>(fresh, std::move(weights)), sum.text()};
}

}  // namespace

WeightLoaders weight_loaders(const ModelConfig& config) {
  return {[config](const fs::path& folder) { return load_folder(folder, config); },
          [config](const fs::path& place) { return load_memory(place, config); },
          [](const fs::path& folder, const CausalLm& base) { return load_adapters(folder, base); }};
}

}  // namespace grpo::serve
