// Filters that order or compare items: sort, groupby, unique, min and their kin.
#include "libgrpo/text/jinja_filters.hpp"
#include "libgrpo/text/jinja_operators.hpp"
#include "libgrpo/text/jinja_unicode.hpp"

#include <algorithm>
#include <unordered_set>

namespace grpo::jinja {
namespace {

Value fold_case(Value value, bool case_sensitive) { return !case_sensitive && value.text() ? Value(to_lower(*value.text())) : value; }

struct Keyed {
  Items keys;
  Value item;
};

/// `listed`: the key is a list, whose equal elements are passed over, so that two None do not fail as they do alone.
void sort_by_keys(std::vector<Keyed>& items, bool reverse, bool listed, Budget& budget) {
  const auto before = [&](const Keyed& a, const Keyed& b) {
    if (!listed) return compare(a.keys[0], b.keys[0], "<", budget) < 0;
    for (std::size_t i = 0; i < a.keys.size(); ++i) {
      if (!equals(a.keys[i], b.keys[i], budget)) return compare(a.keys[i], b.keys[i], "<", budget) < 0;
    }
    return false;
  };
  std::stable_sort(items.begin(), items.end(), [&](const Keyed& a, const Keyed& b) { return reverse ? before(b, a) : before(a, b); });
}

Value sorted(std::vector<Keyed> keyed, bool reverse, bool listed, Budget& budget) {
  sort_by_keys(keyed, reverse, listed, budget);
  Items out;
  for (Keyed& one : keyed) out.push_back(std::move(one.item));
  return make_list(std::move(out));
}

Value sort_filter(const FilterCall& call) {
  const Bound bound("sort", call.arguments, {"reverse", "case_sensitive", "attribute"});
  std::vector<Value> paths;
  if (bound.some(2) && bound[2].text()) {
    std::string_view rest = *bound[2].text();
    for (std::size_t comma = 0; comma != rest.npos;) {
      comma = rest.find(',');
      paths.emplace_back(rest.substr(0, comma));
      if (comma != rest.npos) rest.remove_prefix(comma + 1);
    }
  } else {
    paths.push_back(bound.has(2) ? bound[2] : Value(None{}));
  }
  std::vector<Keyed> keyed;
  for (Value& item : iterate(call.input, call.budget)) {
    Keyed one;
    for (const Value& path : paths) one.keys.push_back(fold_case(path_of(item, path, call.budget), bound.flag(1)));
    one.item = std::move(item);
    keyed.push_back(std::move(one));
  }
  return sorted(std::move(keyed), bound.flag(0), true, call.budget);
}

Value dictsort_filter(const FilterCall& call) {
  const Bound bound("dictsort", call.arguments, {"case_sensitive", "by", "reverse"});
  const std::string by = bound.has(1) ? bound.text(1) : "key";
  if (by != "key" && by != "value") throw Failure("dictsort: by must be \"key\" or \"value\"");
  std::vector<Keyed> keyed;
  call.budget.take(mapping_of(call).entries.size() * sizeof(Value) * 4);
  for (const auto& [key, value] : mapping_of(call).entries) {
    Keyed one;
    one.keys.push_back(fold_case(by == "key" ? key : value, bound.flag(0)));
    one.item = make_pair(key, value);
    keyed.push_back(std::move(one));
  }
  return sorted(std::move(keyed), bound.flag(2), false, call.budget);
}

/// A list of pairs (grouper, list): items with equal keys, keys in order.
Value groupby_filter(const FilterCall& call) {
  const Bound bound("groupby", call.arguments, {"attribute", "default", "case_sensitive"}, 1);
  const Value* preset = bound.some(1) ? &bound[1] : nullptr;
  std::vector<Keyed> keyed;
  for (Value& item : iterate(call.input, call.budget)) {
    Keyed one;
    one.keys.push_back(fold_case(path_of(item, bound[0], call.budget, preset), bound.flag(2)));
    one.item = std::move(item);
    keyed.push_back(std::move(one));
  }
  sort_by_keys(keyed, false, false, call.budget);
  Items out;
  for (std::size_t i = 0; i < keyed.size();) {
    const std::size_t first = i;
    Items group;
    for (; i < keyed.size() && equals(keyed[i].keys[0], keyed[first].keys[0], call.budget); ++i) group.push_back(keyed[i].item);
    Value key = path_of(keyed[first].item, bound[0], call.budget, preset);
    out.push_back(make_group(std::move(key), make_list(std::move(group))));
    if (i == first) throw Failure("groupby: a key that does not equal itself");
  }
  return make_list(std::move(out));
}

Value unique_filter(const FilterCall& call) {
  const Bound bound("unique", call.arguments, {"case_sensitive", "attribute"});
  std::unordered_set<std::string> seen;
  Items out;
  for (const Value& item : iterate(call.input, call.budget)) {
    const Value key = fold_case(bound.has(1) ? path_of(item, bound[1], call.budget) : item, bound.flag(0));
    if (key.text()) call.budget.take(key.text()->size());
    if (seen.insert(hash_key(key)).second) out.push_back(item);
  }
  return make_stream(std::move(out));
}

/// min and max: the first of equal items
Value extreme_filter(const FilterCall& call) {
  const Bound bound(call.name, call.arguments, {"case_sensitive", "attribute"});
  const bool smallest = call.name == "min";
  Value best = undefined("no aggregated item, the sequence is empty");
  Value best_key;
  bool first = true;
  for (const Value& item : iterate(call.input, call.budget)) {
    const Value key = fold_case(bound.has(1) ? path_of(item, bound[1], call.budget) : item, bound.flag(0));
    const int order = first ? 0 : compare(key, best_key, smallest ? "<" : ">", call.budget);
    if (first || (smallest ? order < 0 : order > 0)) {
      best = item;
      best_key = key;
    }
    first = false;
  }
  return best;
}

}  // namespace

const FilterTable& order_filters() {
  static const FilterTable table = {
      {"dictsort", dictsort_filter}, {"groupby", groupby_filter}, {"max", extreme_filter},
      {"min", extreme_filter},       {"sort", sort_filter},       {"unique", unique_filter},
  };
  return table;
}

}  // namespace grpo::jinja
