// A safetensors file; every byte that it says it has is read.
#include "libgrpo/format/safetensors.hpp"
#include "tests/fuzz/target.hpp"

using namespace grpo;

FUZZ_TARGET(safetensors) {
  static const fuzz::Scratch kScratch;
  const auto path = kScratch.write("m.safetensors", bytes);
  fuzz::may_refuse([&] {
    const SafetensorsFile file(path);
    unsigned sum = 0;
    for (const SafeTensor& tensor : file.tensors())
      for (const std::byte byte : tensor.data) sum += static_cast<unsigned>(byte);
    volatile unsigned kept = sum;
    (void)kept;
  });
}
