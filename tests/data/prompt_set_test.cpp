#include "libgrpo/data/prompt_set.hpp"

#include "tests/data/byte_tokenizer.hpp"
#include "tests/format/scratch_file.hpp"

#include <catch2/catch.hpp>
#include <set>

namespace grpo {
namespace {

using Catch::Matchers::Contains;
using test::ByteTokenizer;
using test::message_of;
using test::Rows;

constexpr const char* kChatMl =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
    "'\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

const ByteTokenizer kTokenizer;

Row question(std::string text) {
  Row row;
  row.question = std::move(text);
  row.solution = "7";
  row.columns = {{"question", row.question}, {"answer", "7"}};
  row.origin = "file.jsonl:17";
  return row;
}

Row talk(std::vector<Message> messages) {
  Row row;
  row.messages = std::move(messages);
  row.origin = "file.jsonl:17";
  return row;
}

Prompt prompt_of(const Row& row, const ChatTemplate* chat, const PromptStyle& style) {
  const Rows rows({row});
  return PromptSet(rows, kTokenizer, chat, style).prompt(0);
}

TEST_CASE("plain: the question is the prompt") {
  const Prompt prompt = prompt_of(question("3 + 4?"), nullptr, {});
  CHECK(prompt.text == "3 + 4?");
  CHECK(prompt.ids == kTokenizer.encode("3 + 4?"));
  CHECK(prompt.messages.empty());
  CHECK(prompt.solution == "7");
  CHECK(prompt.columns.at("question") == "3 + 4?");
  CHECK(prompt.source == "file.jsonl:17");
}

TEST_CASE("plain: system prompt and examples stand before it, each on its line") {
  PromptStyle style;
  style.system_prompt = "Add.";
  style.few_shot = {"1 + 1?", "2"};
  CHECK(prompt_of(question("3 + 4?"), nullptr, style).text == "Add.\n1 + 1?\n2\n3 + 4?");
}

TEST_CASE("chat: system, examples, question, then the assistant's turn is opened") {
  const ChatTemplate chat(kChatMl);
  PromptStyle style;
  style.system_prompt = "Add.";
  style.few_shot = {"1 + 1?", "2"};
  const Prompt prompt = prompt_of(question("3 + 4?"), &chat, style);
  CHECK(prompt.text ==
        "<|im_start|>system\nAdd.<|im_end|>\n<|im_start|>user\n1 + 1?<|im_end|>\n<|im_start|>assistant\n2<|im_end|>\n"
        "<|im_start|>user\n3 + 4?<|im_end|>\n<|im_start|>assistant\n");
  REQUIRE(prompt.messages.size() == 4);
  CHECK(prompt.messages[0].role == "system");
  CHECK(prompt.messages[2].role == "assistant");
  CHECK(prompt.messages[3].content == "3 + 4?");
  CHECK(prompt.ids == kTokenizer.encode(prompt.text));
}

TEST_CASE("chat: a conversational row keeps its own system message, and it stays in front") {
  const ChatTemplate chat("{% for m in messages %}{{ m['role'][0] }}={{ m['content'] }};{% endfor %}");
  PromptStyle style;
  style.system_prompt = "theirs";
  style.few_shot = {"e", "f"};
  CHECK(prompt_of(talk({{"system", "own"}, {"user", "q"}}), &chat, style).text == "s=own;u=e;a=f;u=q;");
  CHECK(prompt_of(talk({{"user", "q"}, {"assistant", "r"}, {"user", "t"}}), &chat, style).text == "s=theirs;u=e;a=f;u=q;a=r;u=t;");
  CHECK(prompt_of(talk({{"user", "q"}}), &chat, {}).text == "u=q;");
}

TEST_CASE("chat: the template sees the special tokens") {
  const ChatTemplate chat("{{ bos_token }}{{ messages[0]['content'] }}{{ eos_token }}");
  PromptStyle style;
  style.bos_token = "<s>";
  style.eos_token = "</s>";
  CHECK(prompt_of(question("q"), &chat, style).text == "<s>q</s>");
}

TEST_CASE("ids are stable, and differ for every row") {
  std::vector<Row> list;
  for (int i = 0; i < 200; ++i) list.push_back(question(i % 2 == 0 ? "same" : "q" + std::to_string(i)));
  const Rows rows(list);
  const PromptSet set(rows, kTokenizer, nullptr, {});
  std::set<std::uint64_t> ids;
  for (std::size_t i = 0; i < set.size(); ++i) ids.insert(set.prompt(i).id);
  CHECK(ids.size() == 200);
  CHECK(set.prompt(3).id == PromptSet(rows, kTokenizer, nullptr, {}).prompt(3).id);
  PromptStyle style;
  style.system_prompt = "s";
  CHECK(set.prompt(3).id != PromptSet(rows, kTokenizer, nullptr, style).prompt(3).id);  // the text is part of it
  // FNV-1a 64 of "same" and eight zero bytes, computed apart from this code: a change here changes every run's draws.
  CHECK(set.prompt(0).id == 0xd6d2123a793728bbULL);
}

TEST_CASE("a prompt that is too long names row, length and limit") {
  PromptStyle style;
  style.max_prompt_tokens = 5;
  CHECK(prompt_of(question("12345"), nullptr, style).ids.size() == 5);
  CHECK_THAT(message_of(ErrorKind::data, [&] { prompt_of(question("123456"), nullptr, style); }).value_or(""),
             Contains("file.jsonl:17") && Contains("6 tokens") && Contains("max_prompt_length is 5"));
  style.max_prompt_tokens = 0;
  CHECK(prompt_of(question(std::string(100000, 'x')), nullptr, style).ids.size() == 100000);
}

TEST_CASE("prompts that are too long are left out where that is asked for, and named; the others keep their ids") {
  const Rows rows("q", 120);  // "q 0" to "q 119"
  PromptStyle style;
  style.max_prompt_tokens = 4;
  style.drop_overlong = true;
  const PromptSet set(rows, kTokenizer, nullptr, style);
  CHECK(set.size() == 100);
  REQUIRE(set.dropped().size() == 20);
  CHECK(set.dropped().front() == "q:101 (5 tokens)");
  CHECK(set.prompt(99).text == "q 99");
  CHECK(set.prompt(7).id == PromptSet(rows, kTokenizer, nullptr, {}).prompt(7).id);
  const Rows mixed({question("too long"), question("b"), question("also long"), question("d")});
  const PromptSet shorter(mixed, kTokenizer, nullptr, style);
  REQUIRE(shorter.size() == 2);
  CHECK(shorter.prompt(0).text == "b");
  CHECK(shorter.prompt(1).text == "d");
  style.max_prompt_tokens = 2;
  CHECK_THAT(message_of(ErrorKind::data, [&] { PromptSet(rows, kTokenizer, nullptr, style); }).value_or(""),
             Contains("all 120 prompts") && Contains("q:1 (3 tokens)"));
}

TEST_CASE("rows that cannot be asked are refused by name") {
  CHECK_THAT(message_of(ErrorKind::data,
                        [] {
                          prompt_of(talk({{"user", "q"}, {"assistant", "a"}}), nullptr, {});
                        })
                 .value_or(""),
             Contains("file.jsonl:17") && Contains("ends with a turn of \"assistant\""));
  CHECK_THAT(message_of(ErrorKind::data,
                        [] {
                          prompt_of(talk({{"system", "s"}}), nullptr, {});
                        })
                 .value_or(""),
             Contains("ends with a turn of \"system\""));
  CHECK_THAT(message_of(ErrorKind::data,
                        [] {
                          prompt_of(talk({{"user", ""}}), nullptr, {});
                        })
                 .value_or(""),
             Contains("file.jsonl:17") && Contains("no tokens"));
  const ChatTemplate angry("{{ raise_exception('roles must alternate') }}");
  CHECK_THAT(message_of(ErrorKind::data, [&] { prompt_of(question("q"), &angry, {}); }).value_or(""),
             Contains("file.jsonl:17") && Contains("roles must alternate"));
}

TEST_CASE("a style that makes no sense is refused") {
  const Rows rows({question("q")});
  PromptStyle style;
  style.few_shot = {"1 + 1?", "2", "2 + 2?"};
  CHECK_THAT(message_of(ErrorKind::recipe, [&] { PromptSet(rows, kTokenizer, nullptr, style); }).value_or(""),
             Contains("few_shot has 3 texts"));
  style.few_shot.clear();
  style.max_prompt_tokens = -1;
  CHECK(message_of(ErrorKind::recipe, [&] { PromptSet(rows, kTokenizer, nullptr, style); }));
}

}  // namespace
}  // namespace grpo
