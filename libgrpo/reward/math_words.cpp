#include "libgrpo/reward/math_words.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace grpo::math {
namespace {

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

constexpr std::array<std::string_view, 31> kIgnored = {
    "left",      "right",    "big",     "Big",    "bigg",         "Bigg",      "bigl",        "bigr",    "Bigl",     "Bigr", "biggl",
    "biggr",     "Biggl",    "Biggr",   "middle", "displaystyle", "textstyle", "scriptstyle", "limits",  "nolimits", "quad", "qquad",
    "thinspace", "medspace", "nobreak", "rm",     "bf",           "it",        "hfill",       "phantom", "space"};
constexpr std::array<std::string_view, 17> kStyle = {"text",   "textbf",       "textit", "textrm", "textsf",    "texttt",
                                                     "mathrm", "mathbf",       "mathit", "mathsf", "mathtt",    "mbox",
                                                     "hbox",   "operatorname", "boxed",  "fbox",   "boldsymbol"};
constexpr std::array<std::string_view, 13> kArgument = {"frac",   "dfrac",    "tfrac", "cfrac", "sqrt", "binom", "dbinom",
                                                        "tbinom", "overline", "bar",   "begin", "end",  "mathbb"};
constexpr std::array<std::string_view, 19> kFunctions = {"sin",    "cos",    "tan",  "cot",  "sec",  "csc",  "arcsin",
                                                         "arccos", "arctan", "asin", "acos", "atan", "sinh", "cosh",
                                                         "tanh",   "log",    "ln",   "exp",  "abs"};

constexpr std::pair<std::string_view, char> kCommandSigns[] = {
    {"cdot", '*'},   {"times", '*'},     {"ast", '*'},        {"div", '/'},    {"pm", 'P'},     {"mp", 'M'},
    {"le", 'l'},     {"leq", 'l'},       {"leqslant", 'l'},   {"ge", 'g'},     {"geq", 'g'},    {"geqslant", 'g'},
    {"lt", '<'},     {"gt", '>'},        {"ne", 'n'},         {"neq", 'n'},    {"in", 'e'},     {"cup", 'U'},
    {"cap", 'I'},    {"setminus", '\\'}, {"backslash", '\\'}, {"approx", '='}, {"equiv", '='},  {"circ", 'D'},
    {"degree", 'D'}, {"vert", '|'},      {"lvert", '|'},      {"rvert", '|'},  {"lbrace", 'S'}, {"rbrace", 'T'},
    {"lbrack", '['}, {"rbrack", ']'},    {"langle", '('},     {"rangle", ')'}, {"land", ','},   {"lor", ','}};

constexpr UnicodeSign kUnicode[] = {
    {"\xC2\xA0", ' ', ""},       {"\xE2\x80\x89", ' ', ""},   {"\xE2\x80\xAF", ' ', ""}, {"\xC3\x97", '*', ""},
    {"\xC2\xB7", '*', ""},       {"\xE2\x8B\x85", '*', ""},   {"\xC3\xB7", '/', ""},     {"\xE2\x88\x92", '-', ""},
    {"\xE2\x80\x93", '-', ""},   {"\xC2\xB1", 'P', ""},       {"\xE2\x89\xA4", 'l', ""}, {"\xE2\x89\xA5", 'g', ""},
    {"\xE2\x89\xA0", 'n', ""},   {"\xE2\x89\x88", '=', ""},   {"\xE2\x88\x88", 'e', ""}, {"\xE2\x88\xAA", 'U', ""},
    {"\xE2\x88\xA9", 'I', ""},   {"\xC2\xB0", 'D', ""},       {"\xCF\x80", 0, "pi"},     {"\xE2\x88\x9E", 0, "oo"},
    {"\xE2\x88\x9A", 0, "sqrt"}, {"\xE2\x82\xAC", 0, "euro"}, {"\xC2\xA3", 0, "pound"},  {"\xE2\x88\x85", 0, "emptyset"},
    {"\xCE\xB8", 0, "theta"},    {"\xCE\xB1", 0, "alpha"},    {"\xCE\xB2", 0, "beta"},   {"\xE2\x84\x9D", 0, "mathbb{R}"}};

// Units by their usual short form; each row's first name is the canonical one.
constexpr std::pair<std::string_view, std::string_view> kUnits[] = {
    {"mm", "millimeter"}, {"mm", "millimetre"}, {"cm", "centimeter"}, {"cm", "centimetre"}, {"m", "meter"},     {"m", "metre"},
    {"km", "kilometer"},  {"km", "kilometre"},  {"in", "inch"},       {"in", "inche"},      {"ft", "foot"},     {"ft", "feet"},
    {"yd", "yard"},       {"mi", "mile"},       {"mg", "milligram"},  {"g", "gram"},        {"kg", "kilogram"}, {"lb", "pound"},
    {"lb", "lbs"},        {"oz", "ounce"},      {"ml", "milliliter"}, {"l", "liter"},       {"l", "litre"},     {"s", "second"},
    {"s", "sec"},         {"min", "minute"},    {"hour", "hr"},       {"hour", "h"},        {"day", "day"},     {"mph", "milesperhour"},
    {"km/h", "kmph"},     {"km/h", "kph"},      {"cent", "cent"},     {"dollar", "usd"},    {"dollar", "buck"}, {"euro", "eur"},
    {"degree", "deg"},    {"rad", "radian"},    {"unit", "unit"},     {"hz", "hertz"}};

std::string lower_without_space(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c >= 'A' && c <= 'Z') {
      out += static_cast<char>(c - 'A' + 'a');
    } else if (c != ' ' && c != '.' && c != '\t' && c != '\n') {
      out += c;
    }
  }
  return out;
}

std::string canonical_word(std::string word) {
  const auto known = [](std::string_view name) -> std::string_view {
    for (const auto& [canonical, other] : kUnits) {
      if (canonical == name || other == name) return canonical;
    }
    return {};
  };
  if (const std::string_view found = known(word); !found.empty()) return std::string(found);
  if (word.size() > 2 && word.ends_with('s')) word.pop_back();
  const std::string_view found = known(word);
  return found.empty() ? word : std::string(found);
}

}  // namespace

CommandKind command_kind(std::string_view name) {
  if (contains(kArgument, name)) return CommandKind::argument;
  if (contains(kIgnored, name)) return CommandKind::ignored;
  if (contains(kStyle, name)) return CommandKind::style;
  return is_function(name) ? CommandKind::function : CommandKind::name;
}

char command_sign(std::string_view name) {
  for (const auto& [command, sign] : kCommandSigns) {
    if (command == name) return sign;
  }
  return 0;
}

char word_sign(std::string_view word) {
  if (word == "and" || word == "or") return ',';
  if (word == "percent") return '%';
  if (word == "degrees" || word == "degree" || word == "deg") return 'D';
  return 0;
}

bool is_function(std::string_view word) { return contains(kFunctions, word); }

bool is_unit(std::string_view word) {
  if (word.size() < 2) return false;
  const std::string canonical = canonical_word(lower_without_space(word));
  return std::any_of(std::begin(kUnits), std::end(kUnits), [&](const auto& row) { return row.first == canonical; });
}

bool is_word(std::string_view word) {
  constexpr std::array<std::string_view, 12> kWords = {"no", "No", "NO", "is", "of", "to", "in", "at", "by", "if", "it", "we"};
  return contains(kWords, word);
}

const UnicodeSign* find_unicode(std::string_view text) {
  for (const UnicodeSign& sign : kUnicode) {
    if (text.starts_with(sign.bytes)) return &sign;
  }
  return nullptr;
}

std::string canonical_unit(std::string_view unit) {
  std::string text = lower_without_space(unit);
  std::string power;
  for (const auto& [word, exponent] : {std::pair<std::string_view, const char*>{"square", "^2"}, {"sq", "^2"}, {"cubic", "^3"}}) {
    if (text.starts_with(word) && text.size() > word.size()) {
      text.erase(0, word.size());
      power = exponent;
      break;
    }
  }
  if (text == "milesperhour" || text == "mileperhour") return "mph";
  if (const std::size_t per = text.find("per"); per != std::string::npos && per > 0 && per + 3 < text.size()) text.replace(per, 3, "/");
  std::string out;
  for (std::size_t begin = 0; begin <= text.size();) {
    std::size_t end = text.find_first_of("/^", begin);
    if (end == std::string::npos) end = text.size();
    out += canonical_word(text.substr(begin, end - begin));
    if (end < text.size()) out += text[end];
    begin = end + 1;
  }
  if (out == "mi/hour") return "mph";
  return out + power;
}

}  // namespace grpo::math
