/// Tensors of ATen in safetensors files. Types: F32 BF16 F16 F64 I64 I32 U8 BOOL.
#pragma once

#include "libgrpo/format/safetensors.hpp"

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace grpo {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// Each in its own type, from whichever device. Written in place: see write_safetensors.
/// throws: Error{backend} as write_safetensors; Error{contract} for another type
void write_tensors(const std::filesystem::path& path, const NamedTensors& tensors, const std::map<std::string, std::string>& metadata = {});

/// All tensors in memory of their own, in file order, in the types they are stored in.
/// throws: Error{data} naming file and tensor
NamedTensors read_tensors(const std::filesystem::path& path);

/// The type that a file calls `dtype`; nothing if it is none of those above.
std::optional<at::ScalarType> scalar_type_of(std::string_view dtype);

/// The stored values as a tensor of `type`, which must be that of `stored.dtype`: in place, so that the file must outlive it;
/// a copy where the bytes are not aligned for the type.
at::Tensor as_tensor(const SafeTensor& stored, at::ScalarType type);

}  // namespace grpo
