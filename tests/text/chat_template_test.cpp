#include "tests/text/render.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace {

using grpo::ChatTemplate;
using grpo::Message;
using grpo::test::complaint;
using grpo::test::render;

class Folder {
 public:
  Folder()
      : path_(std::filesystem::temp_directory_path() / ("grpo_chat_template_" + std::to_string(count_++) + "_" +
                                                        std::to_string(std::hash<std::thread::id>()(std::this_thread::get_id())))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(path_ / name, std::ios::binary) << text; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  static inline int count_ = 0;
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("SmolLM2's own template renders as jinja2 renders it", "[chat_template][model]") {
  const std::filesystem::path model = "models/SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!std::filesystem::exists(model)) {
    WARN("skipped: " << model << " is not there; tests/run.sh installs it");
    return;
  }
  const auto source = grpo::find_chat_template(model);
  REQUIRE(source.has_value());
  const ChatTemplate chat(*source, model.string());
  CHECK(chat.source() == *source);
  ChatTemplate::Options options;
  options.bos_token = "<|im_start|>";
  options.eos_token = "<|im_end|>";
  const Message question{"user", "What is 7 + 5?"};
  CHECK(chat.render({{"system", "Be terse."}, question}, options) ==
        "<|im_start|>system\nBe terse.<|im_end|>\n<|im_start|>user\nWhat is 7 + 5?<|im_end|>\n<|im_start|>assistant\n");
  CHECK(chat.render({question}, options) ==
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nWhat is 7 + 5?<|im_end|>\n<|im_start|>assistant\n");
  options.add_generation_prompt = false;
  CHECK(chat.render({{"system", "Be terse."}, question}, options) ==
        "<|im_start|>system\nBe terse.<|im_end|>\n<|im_start|>user\nWhat is 7 + 5?<|im_end|>\n");
}

TEST_CASE("a model's template is found where it keeps it", "[chat_template]") {
  const Folder folder;
  CHECK_FALSE(grpo::find_chat_template(folder.path()).has_value());
  folder.write("tokenizer_config.json", R"({"eos_token": "x"})");
  CHECK_FALSE(grpo::find_chat_template(folder.path()).has_value());
  folder.write("tokenizer_config.json", R"({"chat_template": null})");
  CHECK_FALSE(grpo::find_chat_template(folder.path()).has_value());
  folder.write("tokenizer_config.json", R"({"chat_template": "{{ 1 }}\n"})");
  CHECK(grpo::find_chat_template(folder.path()) == "{{ 1 }}\n");
  folder.write("tokenizer_config.json",
               R"({"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]})");
  CHECK(grpo::find_chat_template(folder.path()) == "d");
  folder.write("tokenizer_config.json", R"({"chat_template": [{"name": "tool_use", "template": "t"}]})");
  CHECK_THROWS_WITH(grpo::find_chat_template(folder.path()), Catch::Contains("\"default\"") && Catch::Contains("tool_use"));
  for (const char* bad : {R"({"chat_template": 3})", R"({"chat_template": [3]})", "[]", "{\"chat_template\": \"", ""}) {
    folder.write("tokenizer_config.json", bad);
    CHECK_THROWS_WITH(grpo::find_chat_template(folder.path()), Catch::Contains("tokenizer_config.json"));
  }
  folder.write("chat_template.jinja", "from the file");
  CHECK(grpo::find_chat_template(folder.path()) == "from the file");
  CHECK_THROWS_AS(grpo::find_chat_template(folder.path() / "absent"), grpo::Error);
  folder.write("broken.gguf", "GGUFxxxx");
  CHECK_THROWS_AS(grpo::find_chat_template(folder.path() / "broken.gguf"), grpo::Error);
}

TEST_CASE("variables are those that transformers passes", "[chat_template]") {
  CHECK(render("{{ tools is none }} {{ documents is none }} {{ bos_token is defined }} {{ add_generation_prompt }}") ==
        "True True False True");
  ChatTemplate::Options options;
  options.bos_token = "<s>";
  options.eos_token = "</s>";
  options.extra_json = R"({"enable_thinking": false, "eos_token": "E"})";
  CHECK(ChatTemplate("{{ bos_token }}{{ enable_thinking }}{{ eos_token }}").render(std::vector<Message>{}, options) == "<s>FalseE");
  CHECK_THAT(complaint("x", "[1]"), Catch::Contains("JSON object"));
  CHECK_THAT(complaint("x", "{\"a\": "), Catch::Contains("not valid JSON"));
  CHECK_THAT(complaint("x", R"({"messages": []})"), Catch::Contains("'messages'"));
  CHECK_THAT(complaint("x", R"({"n": 9223372036854775808})"), Catch::Contains("64 bits"));
  CHECK_THAT(complaint("x", R"({"n": 100000000000000000000})"), Catch::Contains("64 bits"));
  const ChatTemplate chat("{{ messages }}");
  for (const char* bad : {"", "{}", "[1]", "[{]", "\"text\""}) CHECK_THROWS_AS(chat.render_json(bad, {}), grpo::Error);
}

TEST_CASE("bytes that are no UTF-8 become U+FFFD, and lengths count characters", "[chat_template]") {
  const ChatTemplate chat("{{ messages[0].content | length }} {{ messages[0].content[1] }} {{ messages[0].content | tojson }}");
  CHECK(chat.render({{"user", "a\xFF\xC3z\xF0\x9F\x98\x80"}}, {}) == "5 \uFFFD \"a\uFFFD\uFFFDz\U0001F600\"");
  CHECK_THROWS_WITH(ChatTemplate("ab\xC0\x80"), Catch::Contains("UTF-8 at byte 2"));
}

TEST_CASE("strftime_now shows the given time, else the local time", "[chat_template]") {
  const ChatTemplate chat("{{ strftime_now('%Y-%m-%d %H:%M:%S') }}");
  ChatTemplate::Options options;
  options.now = 1'700'000'000;
  CHECK(chat.render(std::vector<Message>{}, options) == "2023-11-14 22:13:20");  // in UTC, wherever it runs
  options.now = 0;
  CHECK(chat.render(std::vector<Message>{}, options) == "1970-01-01 00:00:00");
  options.now = grpo::wall_clock_now();
  const std::time_t now = std::time(nullptr);
  const std::string shown = chat.render(std::vector<Message>{}, options);
  std::tm read{};
  REQUIRE(strptime(shown.c_str(), "%Y-%m-%d %H:%M:%S", &read));
  read.tm_isdst = -1;
  CHECK(std::abs(std::difftime(std::mktime(&read), now)) < 60);
  CHECK(std::stoi(render("{{ strftime_now('%Y') }}")) >= 2024);
  CHECK(render("{{ strftime_now('') }}") == "");
  CHECK(render("{{ strftime_now('%d %b %Y') | length }}") == "11");
  CHECK_THAT(complaint("{{ strftime_now(3) }}"), Catch::Contains("needs a string"));
}

TEST_CASE("a refusal shows template, line and expression", "[chat_template]") {
  const std::string text = complaint("a\nb\n{% for m in messages %}\n  {{ m.role + m.none }}\n{% endfor %}");
  CHECK_THAT(text, Catch::Contains("chat template, line 4, in `m.role + m.none`"));
  CHECK_THAT(text, Catch::Contains("has no attribute 'none'"));
  CHECK_THAT(complaint("\n{{ raise_exception('Roles must alternate') }}"),
             Catch::Contains("line 2") && Catch::Contains("Roles must alternate"));
  CHECK_THAT(complaint("{% if x %}\n\n{{ y }}"), Catch::Contains("line 3") && Catch::Contains("endif"));
  CHECK_THAT(complaint("ok\n{{ 1 +* 2 }} more"), Catch::Contains("line 2") && Catch::Contains("1 +* 2"));
  CHECK_THAT(complaint("{% filter length %}abc{% endfilter %}"), Catch::Contains("must end in a string"));
  CHECK_THAT(complaint("{% frobnicate %}"), Catch::Contains("'frobnicate'"));
  CHECK_THAT(complaint("{{ 1 | frobnicate }}"), Catch::Contains("unknown or unsupported filter 'frobnicate'"));
  CHECK_THAT(complaint("{{ 1 is frobnicated }}"), Catch::Contains("unknown or unsupported test 'frobnicated'"));
  CHECK_THROWS_WITH(ChatTemplate("{{", "models/x"), Catch::StartsWith("models/x, line 1"));
}

TEST_CASE("text that does not parse is refused", "[chat_template]") {
  for (const char* bad : {"{{",
                          "{%",
                          "{#",
                          "{{ }}",
                          "{% %}",
                          "{{ 1",
                          "{{ 1 %}",
                          "{% if %}x{% endif %}",
                          "{% if 1 %}",
                          "{% for x %}{% endfor %}",
                          "{% for x in %}{% endfor %}",
                          "{% endfor %}",
                          "{% set %}",
                          "{% set 1 = 2 %}",
                          "{% set a.b.c = 2 %}",
                          "{{ 'abc }}",
                          "{{ \"\\x1\" }}",
                          "{{ '\\ud800' }}",
                          "{{ a b }}",
                          "{{ (1 }}",
                          "{{ [1) }}",
                          "{{ {1} }}",
                          "{{ f(a=1, 2) }}",
                          "{{ x is }}",
                          "{{ x | }}",
                          "{{ x. }}",
                          "{{ 007 }}",
                          "{{ 9223372036854775808 }}",
                          "{% break %}",
                          "{% for x in y %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
                          "{% macro m(a=1, b) %}{% endmacro %}",
                          "{% raw %}",
                          "{% include 'x' %}",
                          "{% extends 'x' %}",
                          "{% import 'x' as y %}",
                          "{% block b %}{% endblock %}",
                          "{{ $ }}",
                          "{{ a ! b }}",
                          "{{ none = 1 }}",
                          "{% set true = 1 %}"}) {
    INFO(bad);
    CHECK_THROWS_AS(ChatTemplate(bad), grpo::Error);
  }
  CHECK(render("{ } {x} %} }} #} {") == "{ } {x} %} }} #} {");
  CHECK(render("") == "");
}

TEST_CASE("a filter that nobody knows is refused where jinja2 refuses it", "[chat_template]") {
  for (const char* bad :
       {"{{ 1 | frob }}", "{% for x in [] %}{{ 1 | frob }}{% endfor %}", "{{ 1 is frob }}",
        "{% if false %}{% for x in [] %}{{ 1 | frob }}{% endfor %}{% endif %}", "{% macro m() %}{{ 1 | frob }}{% endmacro %}"}) {
    INFO(bad);
    CHECK_THROWS_WITH(ChatTemplate(bad), Catch::Contains("'frob'"));
  }
  for (const char* good :
       {"{% if false %}{{ 1 | frob }}{% endif %}ok", "{{ 'ok' if true else 1 | frob }}", "{{ 1 | frob if false else 'ok' }}",
        "{% for x in [] %}{% if x | frob %}{% endif %}{% else %}ok{% endfor %}", "{% if true %}ok{% else %}{{ 1 is frob }}{% endif %}"}) {
    INFO(good);
    CHECK(render(good) == "ok");
  }
  CHECK_THAT(complaint("{% if true %}{{ 1 | frob }}{% endif %}"), Catch::Contains("'frob'"));
  CHECK_THAT(complaint("{% if 1 | frob %}{% endif %}"), Catch::Contains("'frob'"));
}

TEST_CASE("the sandbox forbids what it forbids in Python", "[chat_template]") {
  for (const char* bad : {"{{ [1].append(2) }}", "{{ {}.update({}) }}", "{{ {'a': 1}.pop('a') }}", "{{ ''.__class__.__mro__ }}",
                          "{{ messages.sort() }}", "{{ messages.__len__() }}", "{% set x.y = 1 %}", "{% set messages.y = 1 %}",
                          "{% set ns = namespace(_a=1) %}", "{% set ns = namespace() %}{% set ns._a = 1 %}", "{{ ''.format_map({}) }}"}) {
    INFO(bad);
    CHECK_FALSE(complaint(bad).empty());
  }
  CHECK(render("{{ [1].append is defined }}{{ ''.__class__ is defined }}") == "FalseFalse");
}

TEST_CASE("one template renders in many threads at once", "[chat_template]") {
  const ChatTemplate chat("{% for m in messages %}{{ m.role ~ ':' ~ m.content | upper }};{% endfor %}");
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      const std::string word = "word" + std::to_string(t);
      for (int i = 0; i < 300; ++i) wrong[t] += chat.render({{"user", word}}, {}) != "user:WORD" + std::to_string(t) + ";";
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4, 0));
}

TEST_CASE("details in which templates rely on Python", "[chat_template]") {
  struct Detail {
    const char* source;
    const char* expected;
  };
  for (const Detail& one : std::vector<Detail>{
           {"{{ [none, true, 1.0, 'a\\'b', (1,), {'k': []}] }}", "[None, True, 1.0, \"a'b\", (1,), {'k': []}]"},
           {"{{ 'a\\x01\\x7f\\u2028' | tojson == '\"a\\\\u0001\\x7f\\u2028\"' }}", "True"},
           {"{{ ' a b c '.split(none, 1) }} {{ ' a b c '.rsplit(none, 1) }} {{ 'a,b,c'.rsplit(',', 1) }}",
            "['a', 'b c '] [' a b', 'c'] ['a,b', 'c']"},
           {"{{ 7 // -2 }} {{ -7 % 3 }} {{ 7.5 % -2 }} {{ 1e16 }} {{ 0.1 + 0.2 }} {{ 5 / 2 }} {{ 4 / 2 }}",
            "-4 2 -0.5 1e+16 0.30000000000000004 2.5 2.0"},
           {"{{ 1 < 2 < 3 }} {{ 3 > 2 == 2 }} {{ not 1 == 2 }} {{ 1 in [1.0] }}", "True True True True"},
           {"{{ 2.5 | round }} {{ 3.5 | round }} {{ 2.675 | round(2) }} {{ 7 | round(-1) }}", "2.0 4.0 2.67 10"},
           {"{{ 'straße' | upper }} {{ 'ÉCOLE' | lower }} {{ 'éa-bc' | title }}", "STRASSE école Éa-Bc"},
           {"{{ '%s is %05.1f%%' % ('x', 3.14159) }} {{ '%-4d|' | format(7) }}", "x is 003.1% 7   |"},
           {"{{ '<' | safe + '<' }} {{ ('<' | e) ~ '<' }} {{ ('<' | e) + '<' }}", "<&lt; &lt;< &lt;&lt;"},
           {"{% for x in [1, 2] %}{% continue %}{% else %}else{% endfor %}", "else"},
           {"{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{% endfor %}{{ x }}{% if true %}{% set x = 3 %}{% endif "
            "%}{{ x }}",
            "13"},
           {"{% set g = [1, 2] | map('string') %}{{ g | join }}{{ g | join }}", "12"},
           {"{% macro m(a, b=a) %}{{ a }}{{ b }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1) }}{{ m(1, 2, 3, c=4) }}",
            "11(){}12(3,){'c': 4}"},
           {"  {% if 1 %}\n  a\n  {%+ if 1 %}b{% endif %}\n  {%- endif %}\n", "  a\n  b"},
           {"a\r\nb\rc\n\n", "a\nb\nc\n"},
           {"{{ 'a' 'b' }}{# {{ no }} #}{{ {'a': {'b': 1}}}}", "ab{'a': {'b': 1}}"},
           {"{{ {'items': 1}['items'] }} {{ {'items': 1}.items is callable }} {{ {'x': 1}.x }}", "1 True 1"},
           {"{{ {1: 'a', 1.0: 'b', true: 'c'} }}", "{1: 'c'}"},
           {"{{ '\\u00e9\\n\\x41\\101' }}", "é\nAA"},
           {"{% for g in [{'v': 'b'}, {'v': 'A'}, {'v': 'B'}] | groupby('v') %}{{ g.grouper }}{{ g.list | length }}{{ g[0] }};{% "
            "endfor %}",
            "A1A;b2b;"},
           {"{{ ['b', 'A', 'B'] | groupby(0, case_sensitive=true) | map('first') | join }}", "ABb"},
           {"{{ '{:>4}|{:4}|{:^5}|{:*<4}|{:04d}|{:+.1f}|{:,}|{a[0]}{b.c}|{!r}'.format('x', 'y', 'z', 7, -3, 2.25, 12345, 'q', a=[1], "
            "b={'c': 2}) }}",
            "   x|y   |  z  |7***|-003|+2.2|12,345|12|'q'"},
           {"{% for t in [{'n': 1, 'k': [{'n': 2}]}, {'n': 3}] recursive %}{{ loop.depth }}{{ t.n }}{% if t.k %}({{ loop(t.k) }}){% "
            "endif %}{% endfor %}",
            "11(22)13"},
           {"{{ [1, 2, 3, 4, 5] | slice(3, 'F') | list }} {{ 'one two three' | truncate(9, leeway=0) }} {{ {'a b': 'c/&'} | urlencode }}",
            "[[1, 2], [3, 4], [5, 'F']] one... a+b=c%2F%26"},
       }) {
    INFO(one.source);
    CHECK(render(one.source) == one.expected);
  }
}
