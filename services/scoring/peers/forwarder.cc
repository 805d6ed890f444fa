#include "services/scoring/peers/forwarder.h"

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <mutex>
#include <set>

#include "core/base/strings.h"
#include "levada/v1/services.grpc.pb.h"
#include "services/scoring/peers/address.h"
#include "services/scoring/probe.h"

namespace levada::scoring::peers {
namespace {

using Clock = Directory::Clock;

constexpr size_t kMaxBytes = 32 << 20;
constexpr size_t kCallOverhead = 8 << 10;
constexpr size_t kMaxChannels = 256;
constexpr int kMaxAnswerBytes = 16 << 20;
constexpr int kMaxReconnectMs = 1000;
constexpr int kAsked = 2;  // workers, for one event

struct Call {
  v1::DetectRequest request;
  v1::DetectResponse response;
  std::unique_ptr<grpc::ClientContext> context;  // of the attempt under way
  std::shared_ptr<v1::Detector::Stub> stub;
  int32_t partition = 0;
  size_t bytes = 0;
  Clock::time_point deadline;
  Clock::time_point asked_at;
  std::string address;  // of the last attempt
  absl::Status failure;
  int attempts = 0;
  Done done;
};
using CallPtr = std::shared_ptr<Call>;

Answer ToAnswer(v1::DetectResponse* response) {
  Answer answer;
  answer.kept = response->kept();
  answer.event = std::move(*response->mutable_event());
  answer.topics.assign(response->topics().begin(), response->topics().end());
  answer.micros = response->micros();
  return answer;
}

class ForwarderImpl : public Forwarder {
 public:
  ForwarderImpl(std::unique_ptr<Directory> directory,
                std::shared_ptr<grpc::ChannelCredentials> credentials,
                const grpc::ChannelArguments& arguments, prometheus::Registry& registry,
                const std::map<std::string, std::string>& labels)
      : credentials_(std::move(credentials)),
        arguments_(arguments),
        probe_(registry, labels),
        directory_(std::move(directory)) {}

  ~ForwarderImpl() override {
    std::unique_lock lock(mutex_);
    ending_ = true;
    for (const CallPtr& call : calls_) {
      if (call->context) call->context->TryCancel();
    }
    // Those that wait for the directory are answered when its look is over.
    none_.wait(lock, [this] { return calls_.empty(); });
  }

  void Detect(int32_t partition, std::string event, Done done) override {
    auto call = std::make_shared<Call>();
    call->bytes = event.size() + kCallOverhead;
    call->partition = partition;
    call->deadline = Clock::now() + kAnswerWithin;
    call->request.set_event(std::move(event));
    call->done = std::move(done);
    {
      std::unique_lock lock(mutex_);
      if (bytes_ + call->bytes <= kMaxBytes) {
        bytes_ += call->bytes;
        calls_.insert(call);
      } else {
        lock.unlock();
        probe_.Failed();
        return call->done(
            absl::UnavailableError("too many events wait for other workers: send fewer at a time"));
      }
    }
    Find(call, Clock::time_point::min());
  }

 private:
  void Find(const CallPtr& call, Clock::time_point not_before) {
    if (ending()) return Fail(call);
    directory_->Find(call->partition, not_before,
                     [this, call](absl::StatusOr<std::string> address) {
                       if (!address.ok()) {
                         if (call->failure.ok()) call->failure = address.status();
                         return Fail(call);
                       }
                       // Asked already, and it has nothing better to say.
                       if (*address == call->address) return Fail(call);
                       Ask(call, *address);
                     });
  }

  void Ask(const CallPtr& call, const std::string& address) {
    call->asked_at = Clock::now();
    const auto left = call->deadline - call->asked_at;
    if (left <= left.zero() || !Begin(call, address)) {
      if (call->failure.ok()) call->failure = absl::UnavailableError("there was no time to ask it");
      return Fail(call);
    }
    call->context->AddMetadata(kForwarded, "1");
    call->context->set_deadline(
        std::chrono::system_clock::now() +
        std::chrono::duration_cast<std::chrono::system_clock::duration>(left));
    call->stub->async()->Detect(call->context.get(), &call->request, &call->response,
                                [this, call](grpc::Status status) { Answered(call, status); });
  }

  // False: no more calls are made.
  bool Begin(const CallPtr& call, const std::string& address) {
    const std::lock_guard lock(mutex_);
    if (ending_) return false;
    ++call->attempts;
    call->address = address;
    call->stub = StubOf(address);
    call->context = std::make_unique<grpc::ClientContext>();
    return true;
  }

  void Answered(const CallPtr& call, const grpc::Status& status) {
    const std::string text = status.error_message().substr(0, 500);
    switch (status.error_code()) {
      case grpc::StatusCode::OK:
        probe_.Answered();
        return End(call, ToAnswer(&call->response));
      case grpc::StatusCode::INVALID_ARGUMENT:
        probe_.Answered();
        return End(call, absl::InvalidArgumentError(text));
      case grpc::StatusCode::DEADLINE_EXCEEDED:
        call->failure = absl::UnavailableError(
            base::StrCat("it did not answer within ", kAnswerWithin.count(), " s"));
        break;
      default:
        call->failure = absl::UnavailableError(text);
    }
    if (call->attempts == kAsked) return Fail(call);
    Find(call, call->asked_at);
  }

  void Fail(const CallPtr& call) {
    probe_.Failed();
    std::string text = base::StrCat("what is known of this key is with another worker (partition ",
                                    call->partition);
    if (!call->address.empty()) base::StrAppend(&text, ", ", call->address);
    base::StrAppend(&text, "): ", call->failure.message(), ". Ask again in a few seconds");
    End(call, absl::UnavailableError(text));
  }

  void End(const CallPtr& call, absl::StatusOr<Answer> answer) {
    call->done(std::move(answer));
    const std::lock_guard lock(mutex_);
    // gRPC's own thread is not to destroy the last channel: that would wait for itself.
    call->stub.reset();
    bytes_ -= call->bytes;
    calls_.erase(call);
    if (calls_.empty()) none_.notify_all();
  }

  bool ending() {
    const std::lock_guard lock(mutex_);
    return ending_;
  }

  // Under the lock.
  std::shared_ptr<v1::Detector::Stub> StubOf(const std::string& address) {
    if (const auto found = stubs_.find(address); found != stubs_.end()) return found->second;
    if (stubs_.size() >= kMaxChannels) stubs_.clear();  // of workers that are long gone, mostly
    auto channel = grpc::CreateCustomChannel(address, credentials_, arguments_);
    return stubs_[address] = v1::Detector::NewStub(channel);
  }

  const std::shared_ptr<grpc::ChannelCredentials> credentials_;
  const grpc::ChannelArguments arguments_;
  ForwardProbe probe_;

  std::mutex mutex_;
  std::condition_variable none_;
  std::map<std::string, std::shared_ptr<v1::Detector::Stub>> stubs_;
  std::set<CallPtr> calls_;
  size_t bytes_ = 0;
  bool ending_ = false;
  std::unique_ptr<Directory> directory_;  // the last: its thread uses the others
};

}  // namespace

absl::StatusOr<std::unique_ptr<Forwarder>> Forwarder::Create(
    std::unique_ptr<Directory> directory, const Certificate& certificate,
    prometheus::Registry& registry, const std::map<std::string, std::string>& labels) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxAnswerBytes);
  // Workers are reached directly, whatever the variables of the environment say.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // A worker that comes back at its address is asked again soon.
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectMs);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kMaxReconnectMs / 10);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kMaxReconnectMs);
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (!certificate.empty()) {
    auto name = NameOf(certificate.certificate);
    if (!name.ok()) return name.status();
    arguments.SetSslTargetNameOverride(*name);
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = base::StrCat(certificate.authority, "\n", certificate.certificate);
    credentials = grpc::SslCredentials(tls);
  }
  return std::make_unique<ForwarderImpl>(std::move(directory), std::move(credentials), arguments,
                                         registry, labels);
}

}  // namespace levada::scoring::peers
