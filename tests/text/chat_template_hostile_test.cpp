// Templates that want to take all memory or never to end.
#include "tests/text/render.hpp"

#include <sys/resource.h>

#include <ctime>
#include <string>
#include <vector>

namespace {

using grpo::test::complaint;
using grpo::test::render;

#if defined(NDEBUG) && !defined(__SANITIZE_ADDRESS__)
constexpr double kMostSeconds = 1;
constexpr long kMostKb = 200'000;
#else
constexpr double kMostSeconds = 20;
constexpr long kMostKb = 4'000'000;
#endif

/// The most memory this process had so far.
long peak_kb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

std::string repeated(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

}  // namespace

TEST_CASE("hostile templates end in an error, soon", "[chat_template][hostile]") {
  struct Hostile {
    std::string source;
    std::string complaint;
  };
  const std::string nested_loops =
      "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% "
      "endfor %}";
  const std::string double_it = "{% set ns = namespace(x='aaaaaaaaaaaaaaaa') %}{% for i in range(99) %}{% set ns.x = ns.x ";
  const std::string fold = "{% set ns = namespace(x=[]) %}{% for i in range(";
  const std::vector<Hostile> all = {
      {repeated("x", (1 << 20) + 1), "above the limit"},
      {"{{ " + repeated("(", 100'000) + "1", "nested deeper"},
      {"{{ " + repeated("[", 5000) + repeated("]", 5000) + " }}", "nested deeper"},
      {"{{ " + repeated("not ", 5000) + "1 }}", "nested deeper"},
      {"{{ " + repeated("-", 5000) + "1 }}", "nested deeper"},
      {"{{ 1" + repeated(" if 1 else 1", 5000) + " }}", "nested deeper"},
      {"{{ 1" + repeated("+1", 5000) + " }}", "more than 200 levels"},
      {"{{ 1" + repeated("|abs", 5000) + " }}", "more than 200 levels"},
      {"{{ x" + repeated(".x", 5000) + " }}", "more than 200 levels"},
      {"{{ x" + repeated("[0]", 5000) + " }}", "more than 200 levels"},
      {"{{ x" + repeated("()", 5000) + " }}", "more than 200 levels"},
      {repeated("{% if 1 %}", 5000), "nested deeper"},
      {repeated("{% for x in [1] %}", 200) + repeated("{% endfor %}", 200), "nested deeper"},
      {"{% set " + repeated("(", 5000) + "a" + repeated(")", 5000) + " = 1 %}", "nested deeper"},
      {nested_loops, "steps"},
      {"{% for a in range(99999) %}{% for b in range(99999) %}{{ "
       "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' }}"
       "{% endfor %}{% endfor %}",
       "rendered text"},
      {"{{ 'a' * 10**9 }}", "above the limit"},
      {"{{ [0] * 10**9 }}", "above the limit"},
      {"{{ 'a' * 10**19 }}", "overflow"},
      {double_it + "~ ns.x %}{% endfor %}", "above the limit"},
      {double_it + "+ ns.x %}{% endfor %}", "above the limit"},
      {double_it + "| replace('a', 'aa') %}{% endfor %}", "above the limit"},
      {double_it + "| replace('', 'aaaa') %}{% endfor %}", "above the limit"},
      {double_it + "| tojson | tojson %}{% endfor %}", "above the limit"},
      {double_it + "| list | join('aaaa') %}{% endfor %}", "above the limit"},
      {double_it + "| escape | string | indent(1000, true) %}{% endfor %}{{ ns.x * 9999 }}", "above the limit"},
      {"{{ range(10**9) | length }}", "more than 100000 items"},
      {"{{ range(-(10**18), 10**18) | length }}", "more than 100000 items"},
      {"{{ range(0, 10, 0) }}", "zero"},
      {"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "macro calls nested deeper"},
      {"{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}", "nested deeper"},
      {"{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(50) }}", "steps"},
      {fold + "9999) %}{% set ns.x = [ns.x] %}{% endfor %}", "nested deeper"},
      {fold + "9999) %}{% set ns.x = {'a': ns.x} %}{% endfor %}", "nested deeper"},
      {fold + "9999) %}{% set ns.x = (ns.x, ns.x).count %}{% endfor %}", "nested deeper"},
      {fold + "60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}", "steps"},
      {fold + "60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}", "steps"},
      {fold + "60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{% set a = ns.x %}" + fold +
           "60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ a == ns.x }}",
       "steps"},
      {"{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}", "contains itself"},
      {"{% set ns = namespace() %}{% set ns.me = [ns] %}{{ ns.me | tojson }}", "Namespace"},
      {"{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = ns.x + ['aaaa'] %}{% endfor %}", "values of more"},
      {"{% set a = 'a' * 9999999 %}{% for i in range(99999) %}{% set b = a ~ i %}{% endfor %}", "values of more"},
      {"{% set a = 'a' * 9999999 %}{% set b = 'a' * 4999999 ~ 'b' %}{% for i in range(99999) %}{{ b in a }}{% endfor "
       "%}",
       "steps"},
      {"{% set a = 'a' * 9999999 %}{% set b = 'a' * 9999999 %}{% for i in range(99999) %}{{ a == b }}{% endfor %}", "steps"},
      {"{% set a = ('a' * 200000).split('a') | list %}{% for i in range(99999) %}{{ a | sort | length }}{% endfor %}", "steps"},
      {"{{ 'x'.center(10**12) }}", "above the limit"},
      {"{{ 'x' | center(10**12) }}", "above the limit"},
      {"{{ '\t'.expandtabs(10**9) }}", "above the limit"},
      {"{{ ('\\t' * 99999).expandtabs(1000) }}", "above the limit"},
      {"{{ '{:1000000000}'.format(1) }}", "above the limit"},
      {"{{ '{:.1000000000f}'.format(1.0) }}", "above the limit"},
      {"{{ '{:{}}'.format(1, 10**12) }}", "above the limit"},
      {"{{ '{:03000000,}'.format(1) }}", "above the limit"},
      {"{{ ('{:4000000}' * 9).format(*range(9)) }}", "above the limit"},
      {"{{ ('{' * 9999).format(1) }}", "format"},
      {"{{ ('{:' * 9999 ~ '}' * 9999).format(*range(9999)) }}", "nested too deep"},
      {"{{ [] | slice(10**12) | list }}", "limit"},
      {"{{ [1] | batch(10**12, 'x') | list }}", "limit"},
      {"{{ ('a b ' * 999999) | truncate(3000000) | length }}{% for i in range(99999) %}{{ ('a b ' * 99999) | "
       "truncate(300000) }}{% endfor %}",
       "rendered text"},
      {"{% for i in range(99999) %}{{ ('ab' * 9999) | groupby(0) | length }}{% endfor %}", "steps"},
      {"{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "recursive loops nested deeper"},
      {"{% for x in [1, 2] recursive %}{% if loop.depth < 50 %}{{ loop([1, 2]) }}{% endif %}{% endfor %}", "steps"},
      {"{% for x in [1] %}{{ loop([1]) }}{% endfor %}", "not marked as recursive"},
      {"{% set ns = namespace() %}{% for x in [1] recursive %}{% set ns.l = loop %}{% endfor %}{{ ns.l([1]) }}", "is over"},
      {"{{ '%1000000000d' % 1 }}", "above the limit"},
      {"{{ 2 ** 63 }}", "overflow"},
      {"{{ -9223372036854775807 - 2 }}", "overflow"},
      {"{{ (-9223372036854775807 - 1) // -1 }}", "overflow"},
      {"{{ 1 / 0 }}", "zero"},
      {"{{ 1 % 0 }}", "zero"},
      {"{{ 'abc'[::0] }}", "zero"},
      {"{{ strftime_now('%9999999Y') * 1 }}{{ 0 / 0 }}", "zero"},
      {"{{ strftime_now('%Y' * 5000) }}", "too long"},
  };
  const long before_kb = peak_kb();
  for (const Hostile& one : all) {
    INFO(one.source.substr(0, 200));
    const std::clock_t start = std::clock();  // of the processor: the machine may be busy
    const std::string text = complaint(one.source);
    const double took_s = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    CHECK_THAT(text, Catch::Contains(one.complaint));
    CHECK(text.size() < 2000);
    CHECK(took_s < kMostSeconds);
  }
  CHECK(peak_kb() - before_kb < kMostKb);
}

TEST_CASE("objects that hold each other are freed", "[chat_template][hostile]") {
  // Meaningful under the address sanitizer, which reports what is left.
  CHECK(render("{% set ns = namespace(l=[]) %}{% set ns.me = ns %}{% set ns.l = [ns, ns.l] %}ok") == "ok");
  CHECK(render("{% macro m() %}{% set ns.m = m %}{{ ns.m is defined }}{% endmacro %}{% set ns = namespace() %}{{ m() }}") == "True");
  CHECK(render("{% set ns = namespace() %}{% for i in range(3) %}{% set ns.l = loop %}{{ loop.changed(loop) }}{% endfor %}"
               "{{ ns.l.changed(ns.l) }}{{ ns.l.length }}") == "TrueFalseFalseTrue3");
  CHECK(render("{% set h = namespace(p=0) %}{% for i in range(50000) %}{% set old = h.p %}{% set n = namespace(p=old) %}"
               "{% set h.p = n %}{% endfor %}ok") == "ok");
  CHECK(render("{% set h = namespace(f=0) %}{% for i in range(50000) %}{% set old = h.f %}{% macro g() %}{{ old }}{% "
               "endmacro %}"
               "{% set h.f = g %}{% endfor %}ok") == "ok");
}
