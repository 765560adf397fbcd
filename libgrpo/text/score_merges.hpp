/// From SentencePiece's scores to the merge rules of byte-pair encoding.
///
/// SentencePiece joins, of all neighbours that are a token together, those whose token has the highest score. Rules for
/// every way to cut a token into two, ordered by its score, do the same; of equal scores the longer left part comes
/// first, then the longer right part, then the lower id: the order of transformers' conversion.
#pragma once

#include "libgrpo/text/bpe_model.hpp"

#include <vector>

namespace grpo {

/// `joins[id]`: the token may come out of a merge and go into one. The views point into `table`.
/// throws: Error{data} for a score that is not finite or a token too long to cut in all ways
BpeModel::Merges merges_of_scores(const TokenTable& table, const std::vector<double>& scores, const std::vector<bool>& joins);

}  // namespace grpo
