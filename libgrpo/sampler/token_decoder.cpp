#include "libgrpo/sampler/token_decoder.hpp"

#include "libgrpo/sampler/decoder.hpp"
#include "libgrpo/sampler/tensor_decoder.hpp"

namespace grpo {

std::unique_ptr<TokenDecoder> make_decoder(const CausalLm& model) {
  if (model.device().is_cpu()) return std::make_unique<Decoder>(model);
  return std::make_unique<TensorDecoder>(model);
}

}  // namespace grpo
