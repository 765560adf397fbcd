/// Event files of TensorBoard: scalars, histograms and text in output_dir/tensorboard, read by `tensorboard --logdir`.
///
/// A file is a sequence of records, each a protocol buffer of type Event in a frame: length (8 bytes), its masked CRC-32C, the
/// bytes, their masked CRC-32C, little-endian (TensorFlow's record_writer and event.proto, summary.proto). Which fields are written
/// is said in event_file.cpp. Boost computes the CRC.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace grpo {

class EventFile {
 public:
  /// Begins a new file in `folder`. `resume_step` > 0: TensorBoard forgets what older files there say of later steps.
  /// throws: Error{backend} if it cannot be written, as the other functions
  EventFile(const std::filesystem::path& folder, std::int64_t resume_step);

  void scalars(std::int64_t step, const std::map<std::string, double>& values);
  /// `values`: not empty, finite. cost: n log n
  void histogram(std::int64_t step, const std::string& tag, std::vector<double> values);
  /// Markdown.
  void text(std::int64_t step, const std::string& tag, const std::string& text);

 private:
  void event(std::int64_t step, const std::string& body);
  std::filesystem::path path_;
  std::ofstream out_;
};

/// The CRC-32C (Castagnoli) of some bytes, masked as record files do it.
std::uint32_t masked_crc32c(std::string_view bytes);

}  // namespace grpo
