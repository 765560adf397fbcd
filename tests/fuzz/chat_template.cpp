// A chat template, compiled and rendered over a conversation; behind 0xff its messages as JSON.
#include "libgrpo/text/chat_template.hpp"
#include "tests/fuzz/target.hpp"

using namespace grpo;

FUZZ_TARGET(chat_template) {
  const std::string_view source = fuzz::next_part(bytes);
  fuzz::may_refuse([&] {
    const ChatTemplate chat(source);
    ChatTemplate::Options options;
    options.bos_token = "<s>";
    options.eos_token = "</s>";
    options.extra_json = R"({"tools": [{"name": "f", "parameters": {"x": 1}}], "enable_thinking": false})";
    options.now = 1700000000;
    if (bytes.empty())
      (void)chat.render({{"system", "be brief"}, {"user", "a <b> \"c\" {{ d }}"}, {"assistant", "<think>x</think>y"}}, options);
    else
      (void)chat.render_json(bytes, options);
  });
}
