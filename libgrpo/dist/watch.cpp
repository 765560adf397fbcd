#include "libgrpo/dist/watch.hpp"

#include "libgrpo/base/error.hpp"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <sstream>
#include <unistd.h>

namespace grpo {
namespace {

using Clock = std::chrono::steady_clock;
using Bytes = std::vector<std::uint8_t>;

constexpr const char* kFault = "fault";
constexpr const char* kNoFault = "-";
constexpr const char* kBye = "bye";
constexpr const char* kStops = "stops";
constexpr auto kLongestGoodbye = std::chrono::seconds(5);

Bytes to_bytes(const std::string& text) { return {text.begin(), text.end()}; }
std::string to_text(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }
std::string beat_key(int rank) { return "beat/" + std::to_string(rank); }

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "unknown";
}

/// What a beat says.
struct Beat {
  std::string count, host, phase;
  std::int64_t collectives = 0;
  bool stops = false;
};

std::string to_text(const Beat& beat) {
  return fmt::format("{}\n{}\n{}\n{}\n{}", beat.count, beat.collectives, beat.host, beat.phase, beat.stops ? kStops : "");
}

Beat read_beat(const std::string& text) {
  Beat beat;
  std::istringstream lines(text);
  std::string collectives;
  std::getline(lines, beat.count);
  std::getline(lines, collectives);
  std::getline(lines, beat.host);
  std::getline(lines, beat.phase);
  std::string stops;
  std::getline(lines, stops);
  beat.stops = stops == kStops;
  beat.collectives = std::strtoll(collectives.c_str(), nullptr, 10);
  return beat;
}

double seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

Watch::Watch(c10::intrusive_ptr<c10d::Store> store, int rank, int size, std::string holder, WorldOptions options)
    : store_(std::move(store)), rank_(rank), size_(size), holder_(std::move(holder)), host_(host_name()), options_(std::move(options)) {
  for (int r = 0; r < size_; ++r) keys_.push_back(beat_key(r));
  keys_.emplace_back(kFault);
  peers_.resize(static_cast<std::size_t>(size_));
  meet();
  thread_ = std::thread([this] { run(); });
}

/// Waits until every rank has written its first beat.
void Watch::meet() {
  if (rank_ == 0) store_->set(kFault, to_bytes(kNoFault));
  publish();
  try {
    store_->wait(keys_, options_.timeout);
  } catch (const std::exception&) {
    std::string missing;
    for (int r = 0; r < size_; ++r)
      if (!store_->check({beat_key(r)})) missing += fmt::format("{}{}", missing.empty() ? "" : ", ", r);
    throw Error(ErrorKind::backend, fmt::format("rank {} of {} on {}: after {:.0f} s (ddp_timeout) these ranks have not come: {}; were "
                                                "they started, with the same MASTER_ADDR and MASTER_PORT?",
                                                rank_, size_, host_, seconds(options_.timeout), missing));
  }
  for (Peer& peer : peers_) peer.seen = Clock::now();
}

Watch::~Watch() { stop(); }

void Watch::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Watch::leave() noexcept {
  stop();
  try {
    store_->set(beat_key(rank_), to_bytes(to_text(Beat{kBye, host_, "end", collectives_})));
    if (!verdict()) wait_for_all("finished");
    wait_for_all("left");
  } catch (const std::exception&) {  // the store is gone before us: nobody is left to be told
  }
}

/// Counts this rank and waits until all are counted; for those who have left, only the rank that holds the store waits.
void Watch::wait_for_all(const std::string& counter) {
  const bool last = counter == "left" && rank_ != 0;
  auto counted = store_->add(counter, 1);
  for (const auto start = Clock::now(); !last && counted < size_ && Clock::now() - start < kLongestGoodbye;
       counted = store_->add(counter, 0))
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

void Watch::publish() {
  std::string text;
  {
    const std::lock_guard lock(mutex_);
    text = to_text(Beat{std::to_string(count_++), host_, phase_, collectives_, asked_to_stop_});
  }
  store_->set(beat_key(rank_), to_bytes(text));
}

void Watch::enter_phase(const std::string& name) {
  {
    const std::lock_guard lock(mutex_);
    phase_ = name;
  }
  try {
    publish();
  } catch (const std::exception& error) {
    blame(error.what());
  }
}

void Watch::report(const std::string& why) noexcept {
  try {
    std::string text;
    {
      const std::lock_guard lock(mutex_);
      text = fmt::format("rank {} of {} on {} failed in phase \"{}\": {}", rank_, size_, host_, phase_, why);
    }
    store_->compareSet(kFault, to_bytes(kNoFault), to_bytes(text));
  } catch (const std::exception&) {  // the store is gone, and everybody knows
  }
}

std::optional<std::string> Watch::verdict() const {
  const std::lock_guard lock(mutex_);
  return verdict_;
}

std::string Watch::describe(int rank, const std::string& text) const {
  const Beat beat = read_beat(text);
  return fmt::format("rank {} of {} on {}", rank, size_, beat.host.empty() ? "an unknown host" : beat.host);
}

void Watch::judge(const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (!verdict_) verdict_ = why;
  changed_.notify_all();
}

/// One look at everybody's beats.
void Watch::look() {
  std::vector<Bytes> values;
  try {
    publish();
    values = store_->multiGet(keys_);
  } catch (const std::exception&) {
    const std::string& last = peers_[0].text;
    return judge(fmt::format("{}, which holds the meeting point of all ranks, is gone; it was last in phase \"{}\"",
                             holder_ == "rank 0" ? describe(0, last) : holder_, read_beat(last).phase));
  }
  if (const std::string fault = to_text(values.back()); fault != kNoFault) return judge(fault);
  const auto now = Clock::now();
  for (int r = 0; r < size_; ++r) {
    const std::string text = to_text(values[static_cast<std::size_t>(r)]);
    if (read_beat(text).stops) asked_to_stop_ = true;
    Peer& peer = peers_[static_cast<std::size_t>(r)];
    const std::lock_guard lock(mutex_);
    if (text != peer.text) {
      peer = {text, now};
    } else if (r != rank_ && read_beat(text).count != kBye && now - peer.seen > options_.lost_after && !verdict_) {
      verdict_ = fmt::format("{} is gone: no sign of life for {:.0f} s; it was last in phase \"{}\"", describe(r, text),
                             seconds(now - peer.seen), read_beat(text).phase);
      changed_.notify_all();
    }
  }
}

void Watch::run() {
  std::unique_lock lock(mutex_);
  while (!stop_ && !verdict_) {
    lock.unlock();
    look();
    lock.lock();
    if (!verdict_) changed_.wait_for(lock, options_.beat, [this] { return stop_; });
  }
  if (stop_ || !options_.on_lost) return;
  if (changed_.wait_for(lock, options_.grace, [this] { return stop_; })) return;
  const std::string why = *verdict_;
  lock.unlock();
  options_.on_lost(why);
}

/// Everybody alive: the one that took part in the fewest collectives keeps the others waiting.
std::string Watch::latest_of_all() const {
  const std::lock_guard lock(mutex_);
  int latest = rank_ == 0 ? 1 : 0;
  const auto collectives = [&](int r) { return read_beat(peers_[static_cast<std::size_t>(r)].text).collectives; };
  for (int r = 0; r < size_; ++r)
    if (r != rank_ && collectives(r) < collectives(latest)) latest = r;
  const std::string& text = peers_[static_cast<std::size_t>(latest)].text;
  if (read_beat(text).count == kBye) return describe(latest, text) + " has already ended";
  return fmt::format("{} answers, but keeps the others waiting; it is in phase \"{}\"", describe(latest, text), read_beat(text).phase);
}

void Watch::blame(const std::string& what) {
  {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, options_.lost_after + 3 * options_.beat, [this] { return verdict_.has_value(); });
    if (verdict_) throw Error(ErrorKind::backend, *verdict_);
  }
  const std::string why = fmt::format("{} (ddp_timeout is {:.0f} s: {})", latest_of_all(), seconds(options_.timeout), what);
  judge(why);
  throw Error(ErrorKind::backend, why);
}

}  // namespace grpo
