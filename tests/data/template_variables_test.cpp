// What a row says to the chat template beside its question.
#include "libgrpo/data/prompt_set.hpp"

#include "libgrpo/base/error.hpp"
#include "tests/data/byte_tokenizer.hpp"
#include "tests/format/scratch_file.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

namespace grpo {
namespace {

using Catch::Matchers::Contains;
using test::ByteTokenizer;
using test::Rows;

const ByteTokenizer kTokenizer;

Row row_with(std::map<std::string, std::string> columns) {
  Row row;
  row.question = "q";
  row.columns = std::move(columns);
  row.origin = "file.jsonl:17";
  return row;
}

std::string text_of(const Row& row, const std::string& source, PromptStyle style = {}) {
  const ChatTemplate chat(source);
  const Rows rows({row});
  return PromptSet(rows, kTokenizer, &chat, std::move(style)).prompt(0).text;
}

template <class Action>
std::string refusal(Action action) {
  return test::message_of(ErrorKind::data, action).value_or("");
}

/// The only row of a file of JSON lines.
Row read(const std::string& line) {
  const test::ScratchFile file(line + "\n", ".jsonl");
  return open_dataset({file.path().string()}, {"problem", "answer"})->row(0);
}

TEST_CASE("chat_template_kwargs of the recipe and of the row reach the template, the row's win") {
  const std::string source = "{{ enable_thinking }} {{ effort | default('-') }}.";
  PromptStyle style;
  CHECK(text_of(row_with({}), source, style) == " -.");
  style.chat_template_kwargs = R"({"enable_thinking": false, "effort": "low"})";
  CHECK(text_of(row_with({}), source, style) == "False low.");
  CHECK(text_of(row_with({{"chat_template_kwargs", R"({"effort":"high"})"}}), source, style) == "False high.");
  CHECK(text_of(row_with({{"chat_template_kwargs", "null"}}), source, style) == "False low.");
  const std::string bad = refusal([&] { text_of(row_with({{"chat_template_kwargs", "[1]"}}), source, style); });
  CHECK_THAT(bad, Contains("file.jsonl:17") && Contains("\"chat_template_kwargs\" is array, expected an object"));
  CHECK_THAT(refusal([&] { text_of(row_with({{"chat_template_kwargs", "{"}}), source, style); }), Contains("not JSON"));
  style.chat_template_kwargs = R"({"messages": []})";
  CHECK_THAT(refusal([&] { text_of(row_with({}), source, style); }), Contains("must not hold 'messages'"));
}

TEST_CASE("a row's tools reach the template, as a list or as a JSON string") {
  const std::string source = "{% for t in tools or [] %}{{ t.function.name }} {{ t | tojson }};{% endfor %}.";
  const std::string list = R"([{"type": "function", "function": {"name": "f", "x": 0.5}}])";
  const std::string expected = R"(f {"type": "function", "function": {"name": "f", "x": 0.5}};.)";
  CHECK(text_of(read(R"({"problem": "q", "answer": "1", "tools": )" + list + "}"), source) == expected);
  const Row as_text =
      read(R"({"problem": "q", "answer": "1", "tools": "[{\"type\": \"function\", \"function\": {\"name\": \"f\", \"x\": 0.5}}]"})");
  CHECK(text_of(as_text, source) == expected);
  CHECK(text_of(read(R"({"problem": "q", "answer": "1", "tools": null})"), source) == ".");
  CHECK(text_of(row_with({}), source) == ".");
  CHECK_THAT(refusal([&] { text_of(row_with({{"tools", "{}"}}), source); }), Contains("\"tools\" is object"));
  CHECK_THAT(refusal([&] { text_of(row_with({{"tools", "hammer"}}), source); }), Contains("\"tools\" is not JSON"));
  // Without a template nobody reads the column.
  const Rows rows({row_with({{"tools", "hammer"}})});
  CHECK(PromptSet(rows, kTokenizer, nullptr, {}).prompt(0).text == "q");
}

TEST_CASE("turns keep their tool calls and parts for the template") {
  const Row row =
      read(R"({"answer": "1", "problem": [{"role": "system", "content": "S"}, {"role": "user", "content": [{"type": "text", "text": "a"},)"
           R"( {"type": "image"}, {"type": "text", "text": "b"}]}, {"role": "assistant", "content": null, "tool_calls":)"
           R"( [{"function": {"name": "f", "arguments": {"z": 1, "a": 2}}}]}, {"role": "tool", "content": "22"}]})");
  REQUIRE(row.messages.size() == 4);
  CHECK(row.messages[1].content == "ab");
  CHECK(row.messages[2].content.empty());
  PromptStyle style;
  style.few_shot = {"1?", "one"};
  style.system_prompt = "not this one";
  const std::string source =
      "{% for m in messages %}{{ m.role }}:{{ m.content if m.content is string else m.content | tojson }}"
      "{% for c in m.tool_calls or [] %}!{{ c.function.arguments | tojson }}{% endfor %};{% endfor %}";
  CHECK(text_of(row, source, style) ==
        "system:S;user:1?;assistant:one;user:[{\"type\": \"text\", \"text\": \"a\"}, {\"type\": \"image\"}, "
        "{\"type\": \"text\", \"text\": \"b\"}];assistant:null!{\"z\": 1, \"a\": 2};tool:22;");
  const Row no_system = read(R"({"answer": "1", "problem": [{"role": "user", "content": "q", "name": "Zoë"}]})");
  CHECK(text_of(no_system, "{% for m in messages %}{{ m.name or m.role }}={{ m.content }};{% endfor %}", style) ==
        "system=not this one;user=1?;assistant=one;Zoë=q;");
  // Without a template the text parts are the prompt.
  const Rows rows({row});
  CHECK(PromptSet(rows, kTokenizer, nullptr, {}).prompt(0).text == "S\nab\n\n22");
}

TEST_CASE("turns without a text are refused, unless they call a tool") {
  for (const char* turn : {R"({"role": "user"})", R"({"role": "user", "content": null})", R"({"role": "user", "content": 3})",
                           R"({"role": "user", "content": [3]})", R"({"role": "user", "content": [{"type": "text"}]})",
                           R"({"content": "q"})", R"({"role": "user", "content": 3, "tool_calls": []})", "3"}) {
    INFO(turn);
    const std::string line = std::string(R"({"answer": "1", "problem": [)") + turn + "]}";
    CHECK_THAT(refusal([&] { read(line); }), Contains("turn 1 of the conversation"));
  }
}

TEST_CASE("one date for a whole run") {
  const std::string source = "{{ strftime_now('%Y-%m-%d %H:%M:%S') }}";
  PromptStyle style;
  style.now = 1'700'000'000;
  CHECK(text_of(row_with({}), source, style) == "2023-11-14 22:13:20");
  const ChatTemplate chat(source);
  const Rows rows({row_with({}), row_with({})});
  const PromptSet set(rows, kTokenizer, &chat, {});
  const std::string first = set.prompt(0).text;
  const std::int64_t start = wall_clock_now();
  while (wall_clock_now() <= start) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  // The clock went on, the date does not.
  CHECK(set.prompt(1).text == first);
}

}  // namespace
}  // namespace grpo
