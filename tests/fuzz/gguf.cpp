// A GGUF file: its metadata, its tensors widened, the tokenizer and the chat template in it.
#include "libgrpo/format/gguf.hpp"

#include "libgrpo/text/chat_template.hpp"
#include "libgrpo/text/tokenizer.hpp"
#include "tests/fuzz/target.hpp"

using namespace grpo;

FUZZ_TARGET(gguf) {
  static const fuzz::Scratch kScratch;
  const auto path = kScratch.write("m.gguf", bytes);
  fuzz::may_refuse([&] {
    const GgufFile file(path);
    for (const GgufTensor& tensor : file.tensors()) {
      std::int64_t size = 1;
      for (const std::int64_t extent : tensor.shape) size *= extent;
      if (size > 1 << 20) continue;
      std::vector<float> out(static_cast<std::size_t>(size));
      GgufFile::dequantize(tensor, out);
    }
  });
  fuzz::may_refuse([&] {
    const auto tokenizer = load_tokenizer(path);
    (void)tokenizer->decode(tokenizer->encode("a b\n1"));
  });
  fuzz::may_refuse([&] { (void)find_chat_template(path); });
}
