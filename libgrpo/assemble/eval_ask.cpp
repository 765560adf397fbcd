#include "libgrpo/assemble/eval_ask.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/sampler/continuous_batch.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <fmt/format.h>
#include <future>
#include <map>
#include <sstream>

namespace grpo {
namespace {

constexpr std::int64_t kRowsAtOnce = 128;   ///< completions that grow: their keys and values are what costs memory
constexpr std::size_t kMostVerdicts = 256;  ///< questions whose verdicts are waited for, before sampling waits for them

using Answers = std::vector<AnsweredQuestion>;

std::filesystem::path journal_path(const JournalPlace& place, int rank) {
  return place.base.string() + (rank == 0 ? std::string(".jsonl") : fmt::format(".rank{}.jsonl", rank));
}

/// Those of all ranks.
Answers gather(World& world, Answers own, const std::vector<std::string>& reward_names) {
  if (world.size() == 1) return own;
  std::string lines;
  for (const AnsweredQuestion& one : own) lines += to_json_line(one, reward_names) + "\n";
  Answers all;
  for (const std::string& theirs : world.gather_bytes(lines)) {
    std::istringstream in(theirs);
    for (std::string line; std::getline(in, line);) all.push_back(read_answered(line, reward_names));
  }
  return all;
}

/// What earlier runs answered, by question. Rank 0 reads for ranks that are no more.
std::map<std::size_t, AnsweredQuestion> recall(World& world, const Asking& asking, const EvalJournal* journal) {
  Answers own;
  if (journal != nullptr) own = journal->found();
  const auto names = asking.rewards.names();
  for (int rank = world.size(); journal != nullptr && world.leads() && std::filesystem::exists(journal_path(*asking.journal, rank));
       ++rank) {
    const EvalJournal gone(journal_path(*asking.journal, rank), asking.journal->identity, names);
    own.insert(own.end(), gone.found().begin(), gone.found().end());
  }
  std::map<std::size_t, AnsweredQuestion> known;
  for (AnsweredQuestion& one : gather(world, std::move(own), names)) {
    if (one.question >= asking.prompts.size()) continue;  // of a run over more questions
    const Prompt& prompt = asking.prompts[one.question];
    if (one.id != prompt.id || one.solution != prompt.solution ||
        one.answers.size() != static_cast<std::size_t>(asking.params.num_generations))
      throw Error(ErrorKind::data,
                  fmt::format("question {} ({}) is not the one that was answered before ({}): the data or the prompt changed; "
                              "name another --output",
                              one.question, prompt.source, one.source));
    known.insert_or_assign(one.question, std::move(one));
  }
  return known;
}

/// Groups whose completions have ended, on their way to verdicts and into the journal.
class Verdicts {
 public:
  Verdicts(const Asking& asking, EvalJournal* journal) : asking_(asking), journal_(journal) {}

  void judge(std::size_t question, Group group) {
    for (Completion& completion : group.completions) completion.text = asking_.tokenizer.decode(completion.ids);
    waiting_.push_back(std::async(std::launch::async, [this, question, group = std::move(group)] {
      return answered(question, group, asking_.rewards.score({group}));
    }));
  }
  /// Takes those that are ready, and waits while there are more than `most`.
  void take(std::size_t most, Answers& to) {
    while (!waiting_.empty() &&
           (waiting_.size() > most || waiting_.front().wait_for(std::chrono::seconds(0)) == std::future_status::ready)) {
      to.push_back(waiting_.front().get());
      waiting_.pop_front();
      if (journal_ != nullptr) journal_->write(to.back());
    }
  }

 private:
  const Asking& asking_;
  EvalJournal* journal_;
  std::deque<std::future<AnsweredQuestion>> waiting_;
};

/// `questions`: which of the prompts. `done`: how many others are answered already.
Answers ask(const Asking& asking, const std::vector<std::size_t>& questions, std::size_t done, EvalJournal* journal) {
  const auto per_question = static_cast<std::size_t>(asking.params.num_generations);
  std::vector<Group> groups;
  for (const std::size_t q : questions) groups.push_back({asking.prompts[q], std::vector<Completion>(per_question)});
  std::vector<std::size_t> left(groups.size(), per_question), ended;
  WaveOptions options;
  options.on_finish = [&](std::size_t group, std::size_t /*sample*/) {
    if (--left[group] == 0) ended.push_back(group);
  };
  Wave wave(groups, asking.params, std::move(options));
  ContinuousBatch batch(asking.model(), asking.tokenizer, kRowsAtOnce);
  Verdicts verdicts(asking, journal);
  Answers answers;
  while (!wave.done()) {
    while (!batch.full() && wave.waiting()) batch.enter(wave);
    batch.step();
    for (const std::size_t group : ended) verdicts.judge(questions[group], std::move(groups[group]));
    ended.clear();
    verdicts.take(kMostVerdicts, answers);
    asking.progress(done + answers.size());
  }
  verdicts.take(0, answers);
  if (wave.failure()) std::rethrow_exception(wave.failure());
  return answers;
}

}  // namespace

std::vector<AnsweredQuestion> ask_questions(World& world, const Asking& asking) {
  std::optional<EvalJournal> journal;
  if (asking.journal) journal.emplace(journal_path(*asking.journal, world.rank()), asking.journal->identity, asking.rewards.names());
  EvalJournal* writes = journal ? &*journal : nullptr;
  auto known = recall(world, asking, writes);
  std::vector<std::size_t> mine;
  std::size_t open = 0;
  for (std::size_t q = 0; q < asking.prompts.size(); ++q)
    if (known.count(q) == 0 && static_cast<int>(open++ % static_cast<std::size_t>(world.size())) == world.rank()) mine.push_back(q);
  Answers own;
  if (!mine.empty()) own = ask(asking, mine, known.size(), writes);
  for (AnsweredQuestion& one : gather(world, std::move(own), asking.rewards.names())) known.insert_or_assign(one.question, std::move(one));
  Answers all;
  for (auto& [question, one] : known) all.push_back(std::move(one));
  return all;
}

}  // namespace grpo
