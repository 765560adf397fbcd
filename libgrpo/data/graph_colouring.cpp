#include "libgrpo/data/generated_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace grpo {
namespace {

constexpr std::size_t kTrain = 192;
constexpr std::size_t kHeldOut = 96;
constexpr std::size_t kHidden = 3;
constexpr std::uint32_t kColours = 3;
constexpr std::size_t kFewest = 4;  // ways to fill in what is hidden
constexpr std::size_t kMost = 24;

using Edges = std::vector<std::pair<std::size_t, std::size_t>>;

bool is_proper(const std::string& colours, const Edges& edges) {
  return std::none_of(edges.begin(), edges.end(), [&](const auto& edge) { return colours[edge.first] == colours[edge.second]; });
}

// Proper colourings that agree with `partial`.
std::vector<std::string> colourings(const std::string& partial, const Edges& edges) {
  std::vector<std::string> found;
  std::size_t all = 1;
  for (std::size_t i = 0; i < partial.size(); ++i) all *= kColours;
  for (std::size_t number = 0; number < all; ++number) {
    std::string colours;
    for (std::size_t rest = number, i = 0; i < partial.size(); ++i, rest /= kColours) colours += static_cast<char>('1' + rest % kColours);
    bool fits = true;
    for (std::size_t i = 0; i < partial.size() && fits; ++i) fits = partial[i] == '?' || partial[i] == colours[i];
    if (fits && is_proper(colours, edges)) found.push_back(colours);
  }
  return found;
}

// Nothing if the draw makes no question of the kind that is wanted.
std::optional<Row> draw(RandomStream& stream) {
  const std::size_t vertices = 4 + stream.next_below(3);
  Edges all;
  for (std::size_t a = 0; a < vertices; ++a)
    for (std::size_t b = a + 1; b < vertices; ++b) all.emplace_back(a, b);
  const std::size_t most = std::min<std::size_t>(8, all.size());
  const std::size_t count = vertices - 2 + stream.next_below(static_cast<std::uint32_t>(most - (vertices - 2) + 1));
  const auto shuffled = [&stream](std::size_t n) {
    return random_permutation(static_cast<std::uint32_t>(n), RandomStream(stream.next_u32(), "graph"));
  };
  Edges edges;
  const auto order = shuffled(all.size());
  for (std::size_t i = 0; i < count; ++i) edges.push_back(all[order[i]]);
  std::sort(edges.begin(), edges.end());
  const auto proper = colourings(std::string(vertices, '?'), edges);
  if (proper.empty()) return std::nullopt;
  std::string partial = proper[stream.next_below(static_cast<std::uint32_t>(proper.size()))];
  const auto hidden = shuffled(vertices);
  for (std::size_t i = 0; i < kHidden; ++i) partial[hidden[i]] = '?';
  const std::size_t ways = colourings(partial, edges).size();
  if (ways < kFewest || ways > kMost) return std::nullopt;

  std::string drawn, list;
  for (const auto& [a, b] : edges) {
    drawn += fmt::format("{}{}-{}", drawn.empty() ? "" : ", ", a, b);
    list += fmt::format("{}[{},{}]", list.empty() ? "" : ",", a, b);
  }
  Row row;
  row.question = fmt::format(
      "A graph has the vertices 0 to {} and the edges {}. Each vertex gets one of the colours 1, 2 and 3, and no edge "
      "may join two vertices of one colour. In the order of the vertices, the colours are {}, where ? is still open. "
      "Put the colours of the open vertices, in their order and as one string of {} digits, in \\boxed{{}}.",
      vertices - 1, drawn, partial, kHidden);
  row.solution = fmt::format("{{\"edges\": [{}], \"partial\": \"{}\", \"colours\": {}}}", list, partial, kColours);
  row.columns = {{"question", row.question},
                 {"answer", row.solution},
                 {"edges", "[" + list + "]"},
                 {"colours", std::to_string(kColours)},
                 {"partial", partial},
                 {"vertices", std::to_string(vertices)},
                 {"solutions", std::to_string(ways)}};
  return row;
}

}  // namespace

std::unique_ptr<PromptSource> make_graph_colouring(TaskSplit split, std::uint64_t seed) {
  RandomStream stream(seed, "graph_colouring");
  std::vector<Row> rows;
  std::set<std::string> seen;
  while (rows.size() < kTrain + kHeldOut) {  // about one draw in two makes a new question
    auto row = draw(stream);
    if (!row || !seen.insert(row->solution).second) continue;
    row->origin = fmt::format("graph_colouring:{}", rows.size() + 1);
    rows.push_back(std::move(*row));
  }
  return detail::split_rows(rows, split, kTrain, kHeldOut, RandomStream(seed, "graph_colouring.split"));
}

}  // namespace grpo
