// tokenizer.json and a text, behind 0xff, that is encoded and decoded with it.
#include "libgrpo/text/tokenizer_json.hpp"
#include "tests/fuzz/target.hpp"

using namespace grpo;

FUZZ_TARGET(tokenizer_json) {
  const std::string_view json = fuzz::next_part(bytes);
  fuzz::may_refuse([&] {
    const auto tokenizer = tokenizer_from_json(json, "tokenizer.json", {});
    const std::vector<std::int32_t> ids = tokenizer->encode(bytes.substr(0, 256));
    (void)tokenizer->decode(ids);
    StreamDecoder stream(*tokenizer);
    std::string text;
    for (const std::int32_t id : ids) text += stream.push(id);
    text += stream.finish();
    if (text != tokenizer->decode(ids)) __builtin_trap();
  });
}
