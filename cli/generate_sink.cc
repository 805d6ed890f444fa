#include "cli/generate_sink.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>

#include "core/base/strings.h"
#include "core/kafka/producer.h"

namespace levada::cli {
namespace {

class FileSink : public EventSink {
 public:
  FileSink(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  ~FileSink() override { CloseFd(); }

  absl::Status Write(std::string_view, std::string_view event) override {
    buffer_.append(event);
    buffer_.push_back('\n');
    return buffer_.size() < kBuffer ? absl::OkStatus() : Push();
  }

  absl::Status Push() override {
    size_t written = 0;
    while (written < buffer_.size()) {
      const ssize_t n = ::write(fd_, buffer_.data() + written, buffer_.size() - written);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Failed("write");
      written += static_cast<size_t>(n);
    }
    buffer_.clear();
    return absl::OkStatus();
  }

  absl::Status Close() override {
    if (auto status = Push(); !status.ok()) return status;
    return CloseFd() == 0 ? absl::OkStatus() : Failed("close");
  }

 private:
  static constexpr size_t kBuffer = 1 << 18;

  int CloseFd() {
    const int fd = std::exchange(fd_, -1);
    return fd > STDERR_FILENO ? ::close(fd) : 0;
  }

  absl::Status Failed(std::string_view what) const {
    return absl::UnavailableError(
        base::StrCat("cannot ", what, " ", name_, ": ", std::strerror(errno)));
  }

  int fd_;
  std::string name_;
  std::string buffer_;
};

class KafkaSink : public EventSink, private kafka::DeliveryListener {
 public:
  absl::Status Start(const std::string& brokers, const std::string& topic) {
    kafka::Producer::Options options;
    options.client.brokers = brokers;
    options.linger = std::chrono::milliseconds(20);
    options.delivery_timeout = std::chrono::seconds(60);
    auto producer = kafka::Producer::Create(options, this);
    if (!producer.ok()) return producer.status();
    producer_ = *std::move(producer);
    topic_ = producer_->AddTopic(topic);
    return absl::OkStatus();
  }

  absl::Status Write(std::string_view key, std::string_view event) override {
    if (failed_) return FirstFailure();
    return producer_->Produce(
        {.topic = topic_, .key = key, .has_key = !key.empty(), .value = event});
  }

  absl::Status Push() override { return failed_ ? FirstFailure() : absl::OkStatus(); }

  absl::Status Close() override {
    const absl::Status flushed = producer_->Flush(std::chrono::seconds(60));
    return failed_ ? FirstFailure() : flushed;
  }

 private:
  void OnDelivery(void*, const absl::Status& status, int32_t, int64_t) override {
    if (status.ok() || failed_) return;
    std::lock_guard lock(mutex_);
    failure_ = status;
    failed_ = true;
  }

  absl::Status FirstFailure() {
    std::lock_guard lock(mutex_);
    return failure_;
  }

  std::atomic<bool> failed_ = false;
  std::mutex mutex_;
  absl::Status failure_;
  int topic_ = 0;
  std::unique_ptr<kafka::Producer> producer_;  // last: its thread calls OnDelivery until it is gone
};

}  // namespace

absl::StatusOr<std::unique_ptr<EventSink>> OpenFileSink(const std::string& path) {
  if (path == "-") return std::make_unique<FileSink>(STDOUT_FILENO, "standard output");
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) {
    return absl::UnavailableError(
        base::StrCat("cannot open ", path, " for writing: ", std::strerror(errno)));
  }
  return std::make_unique<FileSink>(fd, path);
}

absl::StatusOr<std::unique_ptr<EventSink>> OpenKafkaSink(const std::string& brokers,
                                                         const std::string& topic) {
  auto sink = std::make_unique<KafkaSink>();
  if (auto status = sink->Start(brokers, topic); !status.ok()) return status;
  return sink;
}

}  // namespace levada::cli
