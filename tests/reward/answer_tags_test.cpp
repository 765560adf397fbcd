#include "libgrpo/reward/answer_tags.hpp"

#include <catch2/catch.hpp>
#include <string>

namespace grpo {
namespace {

TEST_CASE("trim takes Python's ASCII white space off both ends, and nothing else") {
  CHECK(trim(" \t\r\n\v\f\x1c\x1f a b \n") == "a b");
  CHECK(trim(" \n ").empty());
  CHECK(trim("").empty());
  CHECK(trim("\xc2\xa0"
             "5") ==
        "\xc2\xa0"
        "5");  // a no-break space is not ASCII's
  CHECK(trim(std::string_view("\0 5", 3)).size() == 3);
}

TEST_CASE("the first complete answer is found") {
  CHECK(first_answer("x <answer> 7 </answer> y", TagCase::exact) == "7");
  CHECK(first_answer("<answer>7</answer><answer>8</answer>", TagCase::exact) == "7");
  CHECK(first_answer("</answer><answer>7</answer>", TagCase::exact) == "7");
  CHECK(first_answer("<answer>a<answer>7</answer>", TagCase::exact) == "a<answer>7");
  CHECK(first_answer("<answer></answer>", TagCase::exact) == "");
  CHECK(first_answer("<answer>1\n2</answer>", TagCase::exact) == "1\n2");
}

TEST_CASE("no complete answer is no answer") {
  CHECK_FALSE(first_answer("", TagCase::exact));
  CHECK_FALSE(first_answer("7", TagCase::exact));
  CHECK_FALSE(first_answer("<answer>7", TagCase::exact));
  CHECK_FALSE(first_answer("7</answer>", TagCase::exact));
  CHECK_FALSE(first_answer("</answer><answer>", TagCase::exact));
  CHECK_FALSE(first_answer("<answer>7</answe", TagCase::any));
  CHECK_FALSE(first_answer("< answer>7</answer>", TagCase::any));
}

TEST_CASE("letter case counts only if asked") {
  CHECK_FALSE(first_answer("<Answer>7</ANSWER>", TagCase::exact));
  CHECK(first_answer("<Answer>7</ANSWER>", TagCase::any) == "7");
  CHECK(find_tag("<<ANSWER>", "<answer>", TagCase::any) == 1);
  CHECK(find_tag("<answer><answer>", "<answer>", TagCase::any, 1) == 8);
  CHECK(find_tag("<answer", "<answer>", TagCase::any) == std::string_view::npos);
}

TEST_CASE("a completion begins with thought, then an answer") {
  CHECK(begins_with_think_then_answer("<think>a</think> b <answer>7</answer> and more"));
  CHECK(begins_with_think_then_answer("<THINK>\n</Think><answer></answer>"));
  CHECK_FALSE(begins_with_think_then_answer(" <think>a</think><answer>7</answer>"));  // not at the start
  CHECK_FALSE(begins_with_think_then_answer("<answer>7</answer><think>a</think>"));
  CHECK_FALSE(begins_with_think_then_answer("<think>a<answer>7</answer></think>"));
  CHECK_FALSE(begins_with_think_then_answer("<think>a</think><answer>7"));
  CHECK_FALSE(begins_with_think_then_answer("<think>a</think></answer><answer>"));
  CHECK_FALSE(begins_with_think_then_answer("<thin"));
}

TEST_CASE("one answer and nothing else") {
  CHECK(is_one_answer("<answer>7</answer>"));
  CHECK(is_one_answer(" \n<answer> 7 \n</answer>\n "));
  CHECK(is_one_answer("<answer></answer>"));
  CHECK(is_one_answer("<answer>7 > 3</answer>"));
  CHECK_FALSE(is_one_answer("<answer>3 < 7</answer>"));
  CHECK_FALSE(is_one_answer("so <answer>7</answer>"));
  CHECK_FALSE(is_one_answer("<answer>7</answer>."));
  CHECK_FALSE(is_one_answer("<answer>7</answer><answer>7</answer>"));
  CHECK_FALSE(is_one_answer("<answer>"));
  CHECK_FALSE(is_one_answer("<answer>7654321"));
  CHECK_FALSE(is_one_answer("<answer>76543210"));  // 8 characters behind the tag, one less than the closing tag has
  CHECK_FALSE(is_one_answer("</answer>"));
  CHECK_FALSE(is_one_answer(""));
  CHECK_FALSE(is_one_answer("<Answer>7</Answer>"));
}

TEST_CASE("one thought, one answer and nothing else") {
  CHECK(is_think_then_answer("<think>a</think><answer>7</answer>"));
  CHECK(is_think_then_answer("\n<think>\na < b\n</think>\n\n<answer>\n3 < 7\n</answer>\n"));
  CHECK_FALSE(is_think_then_answer("<think>a</think> so <answer>7</answer>"));
  CHECK_FALSE(is_think_then_answer("<think>a</think><answer>7</answer> done"));
  CHECK_FALSE(is_think_then_answer("<think>a</think>b</think><answer>7</answer>"));
  CHECK_FALSE(is_think_then_answer("<think>a<think>b</think><answer>7</answer>"));
  CHECK_FALSE(is_think_then_answer("<think><answer>6</answer></think><answer>7</answer>"));
  CHECK_FALSE(is_think_then_answer("<think>a</think><answer>6</answer><answer>7</answer>"));
  CHECK_FALSE(is_think_then_answer("<think>a</think><answer>7"));
  CHECK_FALSE(is_think_then_answer("<think>a</think></answer>"));
  CHECK_FALSE(is_think_then_answer("<think>a"));
  CHECK_FALSE(is_think_then_answer("<answer>7</answer>"));
  CHECK_FALSE(is_think_then_answer(""));
}

}  // namespace
}  // namespace grpo
