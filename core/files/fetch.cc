#include "core/files/fetch.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "core/base/backoff.h"
#include "core/base/strings.h"
#include "core/base/units.h"
#include "core/files/sha256.h"
#include "core/pipeline/plan.h"
#include "core/pipeline/rules.h"
#include "core/s3/bucket.h"

namespace levada::files {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr int64_t kPartBytes = 8 << 20;
constexpr milliseconds kNap{50};

std::string Below(const std::string& folder, const std::string& name) {
  return name.empty() || name.front() == '/' || folder.empty() ? name
                                                               : base::StrCat(folder, "/", name);
}

absl::Status NotWritten(const std::string& file) {
  return absl::UnavailableError(base::StrCat("cannot write ", file));
}

absl::StatusOr<s3::Credentials> CredentialsOf(const v1::S3Connection& connection,
                                              const base::Secrets& secrets) {
  s3::Credentials credentials;
  if (connection.secret_ref().empty()) return credentials;
  const auto id = secrets.Get(connection.secret_ref(), "accessKeyId");
  if (!id.ok()) return id.status();
  const auto key = secrets.Get(connection.secret_ref(), "secretAccessKey");
  if (!key.ok()) return key.status();
  credentials.access_key_id = *id;
  credentials.secret_access_key = *key;
  const auto token = secrets.Get(connection.secret_ref(), "sessionToken");
  if (token.ok()) credentials.session_token = *token;
  if (!token.ok() && !absl::IsNotFound(token.status())) return token.status();
  return credentials;
}

// One object on its way into a file.
class Download {
 public:
  Download(const std::string& what, const v1::BucketFile& file, s3::Bucket& bucket,
           std::string target, const FetchOptions& options)
      : what_(what),
        file_(file),
        bucket_(bucket),
        target_(std::move(target)),
        draft_(target_ + ".part"),
        max_bytes_(base::ParseBytes(file.max_size()).value_or(0)),
        options_(options) {}

  // False: what was there already is the same.
  absl::StatusOr<bool> Run() {
    if (IsThere()) return false;
    if (file_.sha256().empty() && fs::exists(target_)) known_etag_ = ReadEtag();
    base::Backoff backoff(options_.first_pause, options_.longest_pause);
    auto since = steady_clock::now();
    for (;;) {
      const absl::Status status = ReadPart();
      if (status.ok() && (unchanged_ || is_whole_)) break;
      if (status.ok()) {
        since = steady_clock::now();
        backoff.Reset();
        continue;
      }
      // Another object has its place: begin again.
      if (absl::IsAborted(status)) Restart();
      if (!absl::IsAborted(status) && !absl::IsUnavailable(status)) return status;
      if (steady_clock::now() - since > options_.give_up_after) return status;
      Tell(status);
      if (!Pause(backoff.Next())) return absl::CancelledError("stopped");
    }
    if (unchanged_) return false;
    if (absl::Status status = Finish(); !status.ok()) return status;
    return true;
  }

 private:
  bool IsThere() const {
    if (file_.sha256().empty()) return false;
    const auto is = Sha256OfFile(target_);
    return is.ok() && *is == Lower(file_.sha256());
  }

  static std::string Lower(std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
  }

  std::string EtagFile() const { return target_ + ".etag"; }
  std::string ReadEtag() const {
    std::string etag;
    std::getline(std::ifstream(EtagFile()), etag);
    return etag;
  }

  void Restart() {
    out_.close();
    etag_.clear();
    at_ = 0;
    sha256_ = Sha256();
  }

  // The next part, or the first.
  absl::Status ReadPart() {
    const bool first = at_ == 0;
    const auto part =
        bucket_.Read(file_.key(), {.offset = at_,
                                   .length = std::min(kPartBytes, first ? max_bytes_ : size_ - at_),
                                   .if_match = first ? "" : etag_,
                                   .if_none_match = first ? known_etag_ : ""});
    if (!part.ok()) return part.status();
    unchanged_ = part->unchanged;
    if (unchanged_) return absl::OkStatus();
    if (!first && (part->etag != etag_ || part->size_bytes != size_)) {
      return absl::AbortedError("the object changes while it is read");
    }
    if (part->size_bytes > max_bytes_) {
      return absl::FailedPreconditionError(base::StrCat("has ", base::FormatBytes(part->size_bytes),
                                                        ", more than its `maxSize`, ",
                                                        base::FormatBytes(max_bytes_)));
    }
    etag_ = part->etag;
    size_ = part->size_bytes;
    if (part->bytes.empty() && size_ > at_) return absl::UnavailableError("an empty answer");
    return Write(part->bytes);
  }

  absl::Status Write(const std::string& bytes) {
    if (at_ == 0) out_.open(draft_, std::ios::binary | std::ios::trunc);
    out_ << bytes;
    if (!out_.flush()) return absl::InternalError(NotWritten(draft_).message());
    sha256_.Add(bytes);
    at_ += static_cast<int64_t>(bytes.size());
    is_whole_ = at_ >= size_;
    return absl::OkStatus();
  }

  absl::Status Finish() {
    out_.close();
    std::error_code error;
    const std::string is = sha256_.Hex();
    if (!file_.sha256().empty() && is != Lower(file_.sha256())) {
      fs::remove(draft_, error);
      return absl::FailedPreconditionError(
          base::StrCat("its SHA-256 is ", is, ", and the manifest says ", Lower(file_.sha256())));
    }
    // The etag last: without it the file is asked for again.
    fs::remove(EtagFile(), error);
    fs::rename(draft_, target_, error);
    if (error) return NotWritten(target_);
    std::ofstream(EtagFile()) << etag_ << '\n';
    return absl::OkStatus();
  }

  // Once for a reason: it is tried again for some time.
  void Tell(const absl::Status& status) {
    if (!options_.tell || status == told_) return;
    told_ = status;
    options_.tell(base::StrCat(what_, ": ", status.message(), "; trying again"));
  }

  bool Pause(milliseconds duration) const {
    const auto until = steady_clock::now() + duration;
    const auto stopped = [&] { return options_.stopped && options_.stopped(); };
    while (steady_clock::now() < until && !stopped()) {
      std::this_thread::sleep_until(std::min(until, steady_clock::now() + kNap));
    }
    return !stopped();
  }

  const std::string& what_;  // for people
  const v1::BucketFile& file_;
  s3::Bucket& bucket_;
  const std::string target_;
  const std::string draft_;
  const int64_t max_bytes_;
  const FetchOptions& options_;
  absl::Status told_;
  std::ofstream out_;
  std::string known_etag_;  // of what is there
  std::string etag_;
  int64_t at_ = 0;
  int64_t size_ = 0;
  Sha256 sha256_;
  bool unchanged_ = false;
  bool is_whole_ = false;
};

absl::StatusOr<std::unique_ptr<s3::Bucket>> Open(const v1::S3Connection& connection,
                                                 const std::string& bucket,
                                                 const base::Secrets& secrets,
                                                 const std::string& files_dir) {
  auto credentials = CredentialsOf(connection, secrets);
  if (!credentials.ok()) return credentials.status();
  return s3::Bucket::Open({.endpoint = connection.endpoint(),
                           .region = connection.region(),
                           .path_style = connection.has_path_style()
                                             ? connection.path_style()
                                             : !connection.endpoint().empty(),
                           .ca_file = Below(files_dir, connection.tls().ca_file()),
                           .bucket = bucket,
                           .credentials = *std::move(credentials)});
}

absl::Status FetchOne(const v1::Pipeline& pipeline, v1::MountedFile file,
                      const base::Secrets& secrets, const FetchOptions& options) {
  pipeline::FillDefaults(&file);
  const v1::BucketFile& source = file.s3();
  const std::string what = base::StrCat(file.path(), " from s3://", source.bucket(), "/",
                                        source.key(), " (", source.via(), ")");
  const auto found = pipeline.spec().connections().find(source.via());
  if (found == pipeline.spec().connections().end()) {
    return absl::InvalidArgumentError(base::StrCat(what, ": there is no such connection"));
  }
  v1::S3Connection connection = found->second.s3();
  pipeline::FillDefaults(&connection);
  auto bucket = Open(connection, source.bucket(), secrets, options.files_dir);
  const std::string target =
      base::StrCat(options.folder, "/", pipeline::FetchedName(pipeline, source));
  const absl::StatusOr<bool> fetched =
      bucket.ok() ? Download(what, source, **bucket, target, options).Run() : bucket.status();
  if (!fetched.ok()) {
    return {fetched.status().code(), base::StrCat(what, ": ", fetched.status().message())};
  }
  if (options.tell) {
    std::error_code error;
    options.tell(base::StrCat(what, ": ",
                              base::FormatBytes(static_cast<int64_t>(fs::file_size(target, error))),
                              *fetched ? "" : ", as it was"));
  }
  return absl::OkStatus();
}

void Rename(const std::map<std::string, std::string>& names, google::protobuf::Message* message) {
  const auto& type = *message->GetDescriptor();
  const auto& reflection = *message->GetReflection();
  for (int i = 0; i < type.field_count(); ++i) {
    const auto& field = *type.field(i);
    if (field.message_type() != nullptr) {
      if (field.is_repeated()) {
        for (int j = 0; j < reflection.FieldSize(*message, &field); ++j) {
          Rename(names, reflection.MutableRepeatedMessage(message, &field, j));
        }
      } else if (reflection.HasField(*message, &field)) {
        Rename(names, reflection.MutableMessage(message, &field));
      }
    } else if (pipeline::RulesOf(field).format() == v1::FILE && !field.is_repeated()) {
      const auto name = names.find(reflection.GetString(*message, &field));
      if (name != names.end()) reflection.SetString(message, &field, name->second);
    }
  }
}

}  // namespace

absl::Status FetchFiles(const v1::Pipeline& pipeline, const base::Secrets& secrets,
                        const FetchOptions& options) {
  for (const v1::MountedFile& file : pipeline.spec().files()) {
    if (!file.has_s3()) continue;
    std::error_code error;
    fs::create_directories(options.folder, error);
    if (absl::Status status = FetchOne(pipeline, file, secrets, options); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

void UseFetched(const std::string& folder, v1::Pipeline* pipeline) {
  std::map<std::string, std::string> names;
  for (const v1::MountedFile& file : pipeline->spec().files()) {
    if (!file.has_s3()) continue;
    names[file.path()] = fs::absolute(folder) / pipeline::FetchedName(*pipeline, file.s3());
  }
  if (!names.empty()) Rename(names, pipeline);
}

}  // namespace levada::files
