#include "libgrpo/hub/uploader.hpp"

#include "libgrpo/base/clock.hpp"
#include "libgrpo/hub/hf_program.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <limits>
#include <utility>

namespace grpo {
namespace {

namespace fs = std::filesystem;

void remove_folder(const fs::path& folder) {
  std::error_code ignored;  // what is left is removed when the next run begins
  fs::remove_all(folder, ignored);
}

}  // namespace

HubUploader::HubUploader(HubTarget target, const Log& log, HubPauses pauses)
    : target_(std::move(target)), log_(log), pauses_(pauses), worker_([this] { work(); }) {}

HubUploader::~HubUploader() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    stop_ = true;
  }
  changed_.notify_all();
  if (worker_.joinable()) worker_.join();
}

void HubUploader::push(HubUpload upload) {
  {
    const std::lock_guard lock(mutex_);
    const auto same_place = [&](const HubUpload& other) { return other.place == upload.place; };
    const auto drop = [&](auto& uploads) {
      const auto older = std::find_if(uploads.begin(), uploads.end(), same_place);
      if (older == uploads.end()) return;
      remove_folder(older->folder);
      uploads.erase(older);
    };
    drop(given_up_);
    drop(waiting_);
    waiting_.push_back(std::move(upload));
  }
  changed_.notify_all();
}

std::vector<std::string> HubUploader::command(const HubUpload& upload) const {
  std::vector<std::string> words{"upload",     target_.repo,     upload.folder.string(), upload.place,
                                 "--revision", target_.revision, "--commit-message",     upload.message};
  if (target_.private_repo) words.emplace_back("--private");
  return words;
}

void HubUploader::work() {
  for (;;) {
    HubUpload upload;
    {
      std::unique_lock lock(mutex_);
      current_.reset();
      changed_.notify_all();
      changed_.wait(lock, [this] { return closing_ || !waiting_.empty(); });
      if (waiting_.empty() || stop_.load()) return;
      upload = std::move(waiting_.front());
      waiting_.pop_front();
      current_ = upload;
    }
    const bool up = upload_one(upload);
    const std::lock_guard lock(mutex_);
    if (up || superseded(upload.place))
      remove_folder(upload.folder);
    else
      given_up_.push_back(upload);
  }
}

bool HubUploader::superseded(const std::string& place) const {
  return std::any_of(waiting_.begin(), waiting_.end(), [&](const HubUpload& other) { return other.place == place; });
}

/// False if the uploads are to end, or something newer for that place waits.
bool HubUploader::pause(double seconds, const std::string& place) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, std::chrono::duration<double>(seconds), [&] { return stop_.load() || superseded(place); });
}

bool HubUploader::upload_one(const HubUpload& upload) {
  double seconds = pauses_.first;
  for (int attempt = 1;; ++attempt) {
    const HfAnswer answer = run_hf(command(upload), stop_, std::numeric_limits<double>::infinity());
    if (answer.done) {
      log_.info(fmt::format("hub: {} is in {} ({})", upload.what, target_.repo, target_.revision));
      return true;
    }
    if (answer.stopped) return false;
    const std::string failed = fmt::format("hub: {} was not uploaded to {}: {}", upload.what, target_.repo, answer.words);
    if (attempt >= pauses_.attempts) {
      log_.warning(fmt::format("{}; given up after {} attempts, training goes on", failed, attempt));
      return false;
    }
    log_.warning(fmt::format("{}; tried again in {:.0f} s", failed, seconds));
    if (!pause(seconds, upload.place)) return false;
    seconds = std::min(3.0 * seconds, pauses_.longest);
  }
}

bool HubUploader::finish(double seconds, const std::atomic<bool>& stop) {
  std::unique_lock lock(mutex_);
  closing_ = true;
  changed_.notify_all();
  const auto idle = [this] { return waiting_.empty() && !current_; };
  if (!idle()) {
    const std::string what = current_ ? current_->what : waiting_.front().what;
    lock.unlock();
    log_.info(fmt::format("hub: waiting for the upload of {} to {}, {:.0f} s at most", what, target_.repo, seconds));
    lock.lock();
  }
  const Stopwatch watch;
  while (!idle() && !stop.load() && watch.seconds() < seconds) changed_.wait_for(lock, std::chrono::milliseconds(50));
  stop_ = true;
  lock.unlock();
  changed_.notify_all();
  if (worker_.joinable()) worker_.join();
  std::vector<HubUpload> left = std::move(given_up_);
  left.insert(left.end(), waiting_.begin(), waiting_.end());
  for (const HubUpload& upload : left)
    log_.warning(fmt::format("hub: {} is not in {}; by hand: {}", upload.what, target_.repo, show_command(command(upload))));
  return left.empty();
}

}  // namespace grpo
