/// Uploads beside the training: a thread that runs `hf upload` for one folder after the other. Nothing that happens to it can stop or
/// slow a step, and no failure leaves it: each is a warning.
///
/// Uploads to the same place of the repository replace each other while they wait, so the newest save wins; one that is under way is
/// let finish. What fails is tried again with growing pauses until `attempts` are used up or something newer for that place waits.
#pragma once

#include "libgrpo/base/log.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace grpo {

struct HubTarget {
  std::string repo;      ///< org/name, or a name in the user's own space
  std::string revision;  ///< a branch; `hf` makes it if it is not there
  bool private_repo = false;
};

struct HubUpload {
  std::string what;              ///< "checkpoint-20", for messages
  std::filesystem::path folder;  ///< goes up whole; belongs to the uploader, which removes it when it is up or superseded
  std::string place = ".";       ///< folder in the repository
  std::string message;           ///< of the commit
};

struct HubPauses {
  int attempts = 6;
  double first = 5.0, longest = 300.0;  ///< unit: seconds; each pause is three times the one before
};

class HubUploader {
 public:
  /// `log` must outlive it.
  HubUploader(HubTarget target, const Log& log, HubPauses pauses = {});
  /// Ends what is under way.
  ~HubUploader();
  HubUploader(const HubUploader&) = delete;
  HubUploader& operator=(const HubUploader&) = delete;

  /// Returns at once.
  void push(HubUpload upload);
  /// Waits until everything is up, at most `seconds`, or until `stop`; then what is left is given up, with the commands that would upload
  /// it by hand. Says so before it waits. Returns whether the newest upload of every place is up. Nothing may be pushed afterwards.
  bool finish(double seconds, const std::atomic<bool>& stop);

  /// The words of `hf` for one upload.
  [[nodiscard]] std::vector<std::string> command(const HubUpload& upload) const;

 private:
  void work();
  bool upload_one(const HubUpload& upload);
  bool pause(double seconds, const std::string& place);
  [[nodiscard]] bool superseded(const std::string& place) const;

  HubTarget target_;
  const Log& log_;
  HubPauses pauses_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<HubUpload> waiting_;
  std::optional<HubUpload> current_;
  std::vector<HubUpload> given_up_;
  bool closing_ = false;
  std::atomic<bool> stop_{false};
  std::thread worker_;
};

}  // namespace grpo
