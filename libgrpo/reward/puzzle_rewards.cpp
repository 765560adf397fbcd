// Tasks with many right answers: a sum of given numbers, a colouring of a graph. The task is a JSON object in the solution.
#include "libgrpo/reward/answer_tags.hpp"
#include "libgrpo/reward/builtin.hpp"
#include "libgrpo/reward/math_tree.inl"
#include "libgrpo/reward/math_verify.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace grpo::detail {
namespace {

using Json = nlohmann::json;
using math::Node;
using math::Op;
using math::Rational;

std::optional<Json> task(const Prompt& prompt) {
  Json json = Json::parse(prompt.solution, nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? std::optional(std::move(json)) : std::nullopt;
}

// The tagged, boxed or announced answer; else the whole text if it is one short line.
std::optional<std::string_view> short_answer(std::string_view text) {
  if (const auto answer = find_math_answer(text)) return answer;
  text = trim(text);
  return !text.empty() && text.size() <= 160 && text.find('\n') == std::string_view::npos ? std::optional(text) : std::nullopt;
}

// Bytes of the signs for times, times, divided and minus at the front of the text; 0 if none is there.
std::size_t sign_bytes(std::string_view text) {
  for (const std::string_view sign : {"\xC3\x97", "\xC2\xB7", "\xC3\xB7", "\xE2\x88\x92"}) {
    if (text.starts_with(sign)) return sign.size();
  }
  return 0;
}

// Digits, + - * / ( ) = and the LaTeX of these alone: no powers, no fractions written as such, no number made of two.
bool is_plain_arithmetic(std::string_view text) {
  char before = '\0';
  bool space = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ' ' || c == '$') {
      space = true;
      continue;
    }
    const bool digit = c >= '0' && c <= '9';
    if (digit && space && before >= '0' && before <= '9') return false;  // 1 2
    if (c == '\\') {
      const std::string_view rest = text.substr(i);
      std::size_t length = 0;
      for (const std::string_view word : {"\\times", "\\cdot", "\\div", "\\left", "\\right"}) {
        if (rest.starts_with(word)) length = word.size();
      }
      if (length == 0) return false;
      i += length - 1;
    } else if (sign_bytes(text.substr(i)) > 0) {
      i += sign_bytes(text.substr(i)) - 1;
    } else if (!digit && std::string_view("+-*/()=").find(c) == std::string_view::npos) {
      return false;
    }
    before = c;
    space = false;
  }
  return true;
}

struct Reading {
  Rational value = 0;
  std::vector<Rational> numbers;
  std::string key;  // the same for a + b and b + a, (a + b) + c and a + (b + c), a b and b a
};

std::string joined(std::vector<std::string> parts) {
  std::sort(parts.begin(), parts.end());
  std::string out = "(";
  for (const std::string& part : parts) out += part + " ";
  return out + ")";
}

std::optional<Reading> read(const Node& node);

// The summands of a sum with their signs, the factors of a product with their exponents, however they are nested.
bool gather(const Node& node, Op op, bool turned, Reading& whole, std::vector<std::string>& parts) {
  if (op == Op::add && node.op == Op::multiply && node.kids.size() == 2 && node.kids[0].op == Op::number && node.kids[0].number == -1)
    return gather(node.kids[1], op, !turned, whole, parts);
  if (op == Op::multiply && node.op == Op::power) return gather(node.kids[0], op, !turned, whole, parts);
  if (node.op == op)
    return std::all_of(node.kids.begin(), node.kids.end(), [&](const Node& kid) { return gather(kid, op, turned, whole, parts); });
  std::optional<Reading> part;
  if (node.op == Op::number && node.number < 0) {
    Node positive = node;
    positive.number = -node.number;
    if (op == Op::add) return gather(positive, op, !turned, whole, parts);
    part = read(positive);
    if (part) part->value = -part->value, part->key = "-" + part->key;
  } else {
    part = read(node);
  }
  if (!part) return false;
  if (op == Op::add) {
    whole.value += turned ? Rational(-part->value) : part->value;
  } else {
    if (turned && part->value == 0) return false;
    whole.value *= turned ? Rational(1 / part->value) : part->value;
  }
  parts.push_back((turned ? "~" : "") + part->key);
  whole.numbers.insert(whole.numbers.end(), part->numbers.begin(), part->numbers.end());
  return true;
}

std::optional<Reading> read(const Node& node) {
  if (node.op == Op::number && node.number >= 0) return Reading{node.number, {node.number}, node.number.str()};
  const bool negated = node.op == Op::number ||
                       (node.op == Op::multiply && node.kids.size() == 2 && node.kids[0].op == Op::number && node.kids[0].number == -1);
  const Op op = node.op == Op::add || negated ? Op::add : Op::multiply;
  if (op == Op::multiply && node.op != Op::multiply && node.op != Op::power) return std::nullopt;
  Reading whole;
  whole.value = op == Op::add ? 0 : 1;
  std::vector<std::string> parts;
  if (!gather(node, op, false, whole, parts)) return std::nullopt;
  whole.key = (op == Op::add ? "+" : "*") + joined(std::move(parts));
  return whole;
}

// The readings of an answer: of both sides of an equation, since models write 2 * 3 + 4 = 10.
std::vector<Reading> readings(std::string_view text) {
  std::vector<Reading> all;
  if (!is_plain_arithmetic(text)) return all;
  const auto tree = math::parse_math(text);
  if (!tree) return all;
  const bool equation = tree->op == Op::relation;
  const std::vector<Node> alone = equation ? std::vector<Node>{} : std::vector<Node>{*tree};
  for (const Node& side : equation ? tree->kids : alone) {
    if (auto reading = read(side)) all.push_back(std::move(*reading));
  }
  return all;
}

Reward score_countdown(const Prompt& prompt, const Completion& completion) {
  const auto json = task(prompt);
  if (!json || !json->contains("numbers") || !json->at("numbers").is_array() || !json->contains("target") ||
      !json->at("target").is_number_integer())
    return Reward::not_applicable();
  std::vector<Rational> numbers;
  for (const Json& number : json->at("numbers")) {
    if (!number.is_number_integer()) return Reward::not_applicable();
    numbers.emplace_back(number.get<std::int64_t>());
  }
  std::sort(numbers.begin(), numbers.end());
  const auto answer = short_answer(completion.text);
  if (!answer) return Reward::of(0.0);
  for (Reading& reading : readings(*answer)) {
    std::sort(reading.numbers.begin(), reading.numbers.end());
    if (reading.value == Rational(json->at("target").get<std::int64_t>()) && reading.numbers == numbers) return Reward::of(1.0);
  }
  return Reward::of(0.0);
}

std::string countdown_mode(const Completion& completion) {
  const auto answer = short_answer(completion.text);
  const auto all = answer ? readings(*answer) : std::vector<Reading>{};
  const auto longest =
      std::max_element(all.begin(), all.end(), [](const Reading& a, const Reading& b) { return a.numbers.size() < b.numbers.size(); });
  return longest == all.end() ? std::string() : longest->key;
}

std::string digits_of(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      digits += c;
    } else if (c != ' ' && c != ',' && c != '$') {
      return {};
    }
  }
  return digits;
}

std::string colouring_mode(const Completion& completion) {
  const auto answer = short_answer(completion.text);
  return answer ? digits_of(*answer) : std::string();
}

// {"edges": [[0, 1], ...], "partial": "1?2?", "colours": 3}: vertices from 0, colours from 1, ? is hidden.
Reward score_colouring(const Prompt& prompt, const Completion& completion) {
  const auto json = task(prompt);
  if (!json || !json->contains("edges") || !json->at("edges").is_array() || !json->contains("partial") || !json->at("partial").is_string())
    return Reward::not_applicable();
  const auto partial = json->at("partial").get<std::string>();
  const Json colours = json->value("colours", Json(3));
  if (!colours.is_number_integer() || colours < 1 || colours > 9) return Reward::not_applicable();
  const std::string given = colouring_mode(completion);
  const auto hidden = static_cast<std::size_t>(std::count(partial.begin(), partial.end(), '?'));
  if (given.empty() || (given.size() != hidden && given.size() != partial.size())) return Reward::of(0.0);
  std::string full = partial;
  std::size_t next = 0;
  for (std::size_t v = 0; v < full.size(); ++v) {
    if (given.size() == partial.size()) {
      if (partial[v] != '?' && partial[v] != given[v]) return Reward::of(0.0);
      full[v] = given[v];
    } else if (full[v] == '?') {
      full[v] = given[next++];
    }
    if (full[v] < '1' || full[v] > '0' + colours.get<int>()) return Reward::of(0.0);
  }
  for (const Json& edge : json->at("edges")) {
    if (!edge.is_array() || edge.size() != 2 || !edge[0].is_number_unsigned() || !edge[1].is_number_unsigned())
      return Reward::not_applicable();
    const auto a = edge[0].get<std::size_t>(), b = edge[1].get<std::size_t>();
    if (a >= full.size() || b >= full.size()) return Reward::not_applicable();
    if (full[a] == full[b]) return Reward::of(0.0);
  }
  return Reward::of(1.0);
}

}  // namespace

std::unique_ptr<RewardFn> make_countdown() { return make_reward_with_mode("countdown", score_countdown, countdown_mode); }

std::unique_ptr<RewardFn> make_graph_colouring() { return make_reward_with_mode("graph_colouring", score_colouring, colouring_mode); }

}  // namespace grpo::detail
