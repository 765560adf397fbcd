/// The two Python objects that vLLM's process groups exchange: an ncclUniqueId and a text, as pickles.
///
/// Written byte for byte as Python's pickle.dumps writes them (protocol 4). Read by comparing with what such a pickle must be: one that is
/// anything else is refused, and nothing in it is ever called. Source: Python's pickletools (opcodes); vLLM's pynccl_wrapper.ncclUniqueId.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace grpo::remote {

using NcclId = std::array<std::uint8_t, 128>;  ///< ncclUniqueId
using Bytes = std::vector<std::uint8_t>;

/// Of protocols 2 to 5, whatever their frames and memos. Nothing: it is no pickle of such an object alone.
std::optional<NcclId> read_pickled_id(const Bytes& pickle);
std::optional<std::string> read_pickled_text(const Bytes& pickle);

Bytes pickle_id(const NcclId& id);
/// `text`: of fewer than 256 bytes. throws: Error{contract}
Bytes pickle_text(std::string_view text);

}  // namespace grpo::remote
