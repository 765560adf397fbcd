/// The name of a dataset -> its files. Internal to data/.
#pragma once

#include "libgrpo/data/prompt_source.hpp"

#include <filesystem>
#include <vector>

namespace grpo::detail {

/// Files in the order of their names.
/// - a file; a pattern with * ? or [ ... ]: config and split have no meaning
/// - a folder, or the snapshot of a Hugging Face id in the local cache: all data files under it, of which the `configs` of its README.md
///   choose by config and split; without them config is a folder or the beginning of a file's name, and the split is told by the
///   words of the path (train; validation, valid, val, dev; test, eval) or a name like train_sft-00000-of-00002.parquet
/// throws: Error{data}: nothing there (for an id: with the command that fetches it); a config or split that is not there (lists those
/// that are)
std::vector<std::filesystem::path> find_dataset_files(const DatasetPlace& place);

}  // namespace grpo::detail
